/**
 * `allium doctor` while no router runs: what would keep one from running.
 *
 * @module
 */

import { examineHome } from "../../router/examine-home.ts"
import type { LocalCall } from "../local.ts"
import { writeDocument } from "../print.ts"
import { printableJson } from "../printable.ts"

const COLUMNS = { columns: ["state", "check", "found", "todo"] }

/** @returns Exit code: 0 when nothing is at fault. */
export async function doctor({ paths, terminal, json, signal }: LocalCall): Promise<number> {
  const findings = await examineHome(paths.home, { signal })
  const bold = (text: string) => terminal.paint("bold", text)
  const lines = json ? [printableJson(findings)] : writeDocument(findings, COLUMNS, bold)
  await terminal.print(lines.join("\n"))
  return findings.some(({ state }) => state === "fault") ? 1 : 0
}

/**
 * Files that were compressed beforehand: `style.css.br` and `style.css.gz` beside `style.css`.
 *
 * @module
 */
import type { AlliumError } from "allium/plugin"
import { findBelow, type SiteFile } from "./site-file.ts"

/** Codings by the ending of their files; the better one first. */
const CODINGS = [
  { ending: ".br", coding: "br" },
  { ending: ".gz", coding: "gzip" },
] as const

/** A compressed file that stands for another. */
export interface Precompressed {
  readonly file: SiteFile
  readonly coding: string
  readonly ending: string
}

/** The best one that the visitor takes and that is not older than the file itself; whoever has it closes it. */
export async function findPrecompressed(
  folder: string,
  names: readonly string[],
  original: SiteFile,
  acceptEncoding: string | undefined,
): Promise<Precompressed | undefined> {
  for (const { ending, coding } of CODINGS) {
    if (!takes(acceptEncoding, coding)) continue
    const compressed = [...names.slice(0, -1), `${names.at(-1)}${ending}`]
    const found = await findBelow(folder, compressed).catch((error: AlliumError) => {
      if (error.code !== "NOT_FOUND") throw error
    })
    if (found?.kind !== "file") continue
    if (found.file.changedNs >= original.changedNs) return { file: found.file, coding, ending }
    await found.file.handle.close()
  }
  return undefined
}

/** Named, and not with a weight of 0. */
function takes(field: string | undefined, coding: string): boolean {
  const [, weight] =
    new RegExp(`(?:^|,)\\s*${coding}\\s*(?:;\\s*q=([0-9.]+)\\s*)?(?:,|$)`, "i").exec(field ?? "") ??
    []
  const isNamed = new RegExp(`(?:^|,)\\s*${coding}\\s*(?:;|,|$)`, "i").test(field ?? "")
  return isNamed && (weight === undefined || Number(weight) > 0)
}

/**
 * Findings of a diagnosis, and the checks that both kinds of doctor make.
 *
 * @module
 */
import { stat } from "node:fs/promises"
import type { Finding } from "./core/status-offers.ts"

export type { Finding } from "./core/status-offers.ts"

/** Node 20.19 or newer. */
export function checkNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  const found = `Node ${process.versions.node}`
  if (major > 20 || (major === 20 && minor >= 19)) return { check: "node", state: "ok", found }
  return { check: "node", state: "fault", found, todo: "Use Node 20.19 or newer." }
}

/** Nobody but the owner may read a home. */
export async function checkPrivate(folder: string): Promise<Finding> {
  const { mode } = await stat(folder)
  const found = `mode ${(mode & 0o777).toString(8)}`
  if (process.platform === "win32" || (mode & 0o077) === 0)
    return { check: "home", state: "ok", found }
  return { check: "home", state: "fault", found, todo: "Others can read it: chmod 700 the home." }
}

/**
 * Programs of others that prove the tunnels: curl, git, ngircd, Chromium and the like.
 *
 * They come from `scripts/tools.mjs`, or from the machine. Where one is missing, the test that wants it is skipped; where
 * the live suite is required, it fails instead.
 *
 * @module
 */
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"
import { toolPath } from "./testnet/options.ts"

/** Flags without which Chromium wants a desktop, or speaks with its maker. */
export const CHROMIUM_FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
] as const

/** curl's options for a hook, which vitest does not try twice as it does a test: i2pd may have ended under the first try. */
export const CURL_AGAIN = ["--retry", "5", "--retry-all-errors", "--retry-max-time", "800"] as const

/** The full path of a program, or of a library such as `libtorsocks.so`; nothing when it is not there. */
export function findForeign(name: string): string | undefined {
  return toolPath()
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isReadable)
}

/** Whether a test that wants these is to be skipped: never where the live suite is required. */
export function lacks(...names: readonly string[]): boolean {
  if (process.env.ALLIUM_LIVE === "require") return false
  return names.some((name) => findForeign(name) === undefined)
}

/** Like {@linkcode findForeign}, for a test that was not skipped. */
export function foreign(name: string): string {
  const path = findForeign(name)
  if (path === undefined) throw new Error(`The program ${name} is missing on this machine`)
  return path
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

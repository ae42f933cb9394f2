/**
 * Marks files that came from others, where the system asks before it opens such files.
 *
 * Windows: a `Zone.Identifier` stream beside the file's bytes says "from the internet" ([MS-FSCC] 5.6.1). macOS: the attribute
 * `com.apple.quarantine`. Neither names who it came from. Linux knows no such mark.
 *
 * @module
 */
import { execFile } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { promisify } from "node:util"

/** Zone 3 is the internet. */
const ZONE = "[ZoneTransfer]\r\nZoneId=3\r\n"
/** More paths make a command line too long. */
const PATHS_AT_ONCE = 100
const XATTR = "/usr/bin/xattr"

/** What it is done with. */
export interface QuarantineTools {
  readonly platform: NodeJS.Platform
  readonly write: (path: string, text: string) => Promise<unknown>
  readonly run: (program: string, words: readonly string[]) => Promise<unknown>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

const SYSTEM: QuarantineTools = {
  platform: process.platform,
  write: writeFile,
  run: promisify(execFile),
  now: Date.now,
}

/**
 * Marks them as well as it goes: a disk that keeps no such marks keeps the files all the same.
 *
 * @param paths - Whole files with their final names.
 * @returns How many marks could not be set.
 */
export async function quarantine(
  paths: readonly string[],
  tools: QuarantineTools = SYSTEM,
): Promise<number> {
  if (tools.platform === "win32") return failures(paths.map((path) => markOnWindows(path, tools)))
  if (tools.platform === "darwin")
    return failures(inGroups(paths).map((some) => markOnMac(some, tools)))
  return 0
}

function markOnWindows(path: string, { write }: QuarantineTools): Promise<unknown> {
  return write(`${path}:Zone.Identifier`, ZONE)
}

/** Flags 0081: came by a program, not looked at yet; then the time, in hexadecimal seconds, and who asks. */
function markOnMac(paths: readonly string[], { run, now }: QuarantineTools): Promise<unknown> {
  const mark = `0081;${Math.floor(now() / 1_000).toString(16)};Allium;`
  return run(XATTR, ["-w", "com.apple.quarantine", mark, ...paths])
}

function inGroups(paths: readonly string[]): string[][] {
  const count = Math.ceil(paths.length / PATHS_AT_ONCE)
  return Array.from({ length: count }, (_, group) =>
    paths.slice(group * PATHS_AT_ONCE, (group + 1) * PATHS_AT_ONCE),
  )
}

async function failures(marks: readonly Promise<unknown>[]): Promise<number> {
  const ends = await Promise.allSettled(marks)
  return ends.filter(({ status }) => status === "rejected").length
}

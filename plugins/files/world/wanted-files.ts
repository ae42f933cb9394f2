/**
 * Which files of a torrent are wanted, as people say it: a part of the path, or a pattern with `*`.
 *
 * @module
 */
import type { TorrentFile } from "../torrent/metainfo-files.ts"

/** Patterns of one torrent. */
export const PATTERNS_MAX = 64
/** Longest pattern, in characters. */
export const PATTERN_CHARACTERS_MAX = 256

/**
 * Files of which none of the patterns says anything; none when there are no patterns.
 *
 * @param patterns - Without regard to case. With `*`, of the whole path or of the file's name; else a part of the path.
 * @returns Their indexes; `undefined` when no file at all is wanted.
 */
export function unwantedFiles(
  files: readonly TorrentFile[],
  patterns: readonly string[],
): number[] | undefined {
  if (patterns.length === 0) return []
  const tests = patterns.map(testOf)
  const isWanted = ({ path }: TorrentFile) => tests.some((test) => test(path))
  const unwanted = [...files.keys()].filter((file) => !isWanted(files[file]!))
  return unwanted.length === files.length ? undefined : unwanted
}

function testOf(pattern: string): (path: readonly string[]) => boolean {
  const wanted = pattern.toLowerCase()
  const whole = (path: readonly string[]) => path.join("/").toLowerCase()
  if (!wanted.includes("*")) return (path) => whole(path).includes(wanted)
  const parts = wanted.split("*")
  return (path) => fits(whole(path), parts) || fits((path.at(-1) ?? "").toLowerCase(), parts)
}

/** Whether the parts come one after the other, the first at the start, the last at the end; linear, unlike a regular expression. */
function fits(text: string, parts: readonly string[]): boolean {
  const [first = "", ...rest] = parts
  const last = rest.pop() ?? ""
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}

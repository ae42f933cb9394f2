/**
 * A log file of bounded size: when it is full, it becomes `….1` and a new one begins.
 *
 * @module
 */
import { appendFileSync, renameSync, statSync } from "node:fs"

/** Two files of this size at most. */
const LOG_FILE_BYTES_MAX = 5 * 2 ** 20

/**
 * Returns a writer of whole lines. Writing is synchronous, so that the last line before a crash is
 * there; the file has mode 0600. A line that cannot be written is lost: the log must not stop the router.
 */
export function openLogFile(path: string, bytesMax = LOG_FILE_BYTES_MAX): (line: string) => void {
  let byteCount = sizeOf(path)
  return (line) => {
    const bytes = Buffer.byteLength(line) + 1
    try {
      if (byteCount + bytes > bytesMax) {
        renameSync(path, `${path}.1`)
        byteCount = 0
      }
      appendFileSync(path, `${line}\n`, { mode: 0o600 })
      byteCount += bytes
    } catch {
      // A full disk shows in `allium doctor`.
    }
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

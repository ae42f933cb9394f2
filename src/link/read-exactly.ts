/**
 * Reads a known number of bytes and leaves the rest in the stream.
 *
 * @module
 */
import type { Duplex } from "node:stream"

/**
 * @param byteCount - At least 1.
 * @returns Exactly so many bytes, or `undefined` when the stream ends or fails before.
 * Rejects with the signal's reason. The stream stays paused, for the next reader.
 */
export function readExactly(
  stream: Duplex,
  byteCount: number,
  call: { signal: AbortSignal },
): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      stream.off("readable", attempt)
      for (const event of ["end", "close", "error"]) stream.off(event, stop)
      call.signal.removeEventListener("abort", abort)
      finish()
    }
    const stop = () => settle(() => resolve(undefined))
    const abort = () => settle(() => reject(call.signal.reason))
    const attempt = () => {
      const bytes: Buffer | null = stream.read(byteCount)
      if (bytes === null) return
      settle(() => resolve(bytes.length === byteCount ? bytes : undefined))
    }
    if (call.signal.aborted) return abort()
    if (stream.destroyed || stream.readableEnded) return stop()
    call.signal.addEventListener("abort", abort)
    for (const event of ["end", "close", "error"]) stream.on(event, stop)
    stream.on("readable", attempt)
    attempt()
  })
}

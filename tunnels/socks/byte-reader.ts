/**
 * Reads a greeting from a connection, a few bytes at a time, and nothing behind it.
 *
 * @module
 */
import type { Duplex } from "node:stream"
import { AlliumError } from "allium/tunnel"

/** Bytes of a connection in order; what was not taken stays in it. */
export interface ByteReader {
  /** Exactly `byteCount` bytes. @throws {AlliumError} `STREAM_LOST` when it ends before; the signal's reason. */
  take(byteCount: number): Promise<Buffer>
  /** Text up to a zero byte, which is taken too. @throws {AlliumError} also `TOO_LARGE` above `bytesMax`. */
  takeText(bytesMax: number): Promise<string>
  /** Lets go of the connection. */
  close(): void
}

/** Reads from a connection that nobody else reads from; whoever wants the rest may take over afterwards. */
export function openByteReader(local: Duplex, signal: AbortSignal): ByteReader {
  const changes = watchChanges(local, signal)
  const take = async (byteCount: number): Promise<Buffer> => {
    if (byteCount === 0) return Buffer.alloc(0)
    for (;;) {
      signal.throwIfAborted()
      const isOver = local.destroyed || local.readableEnded
      const bytes: Buffer | null = isOver ? null : local.read(byteCount)
      if (bytes?.length === byteCount) return bytes
      if (bytes !== null || isOver) throw lost() // a shorter one is the last
      await changes.next()
    }
  }
  return {
    take,
    close: changes.close,
    async takeText(bytesMax) {
      const bytes: number[] = []
      for (;;) {
        const [byte = 0] = await take(1)
        if (byte === 0) return Buffer.from(bytes).toString("latin1")
        if (bytes.push(byte) > bytesMax) throw tooLong(bytesMax)
      }
    },
  }
}

const EVENTS = ["readable", "end", "close"] as const

/** One set of listeners for all waits: each new one for `readable` would fire at once, new bytes or not. */
function watchChanges(local: Duplex, signal: AbortSignal) {
  let wake = () => {}
  const changed = () => wake()
  for (const event of EVENTS) local.on(event, changed)
  signal.addEventListener("abort", changed)
  return {
    /** Resolves at the next change. */
    next: () =>
      new Promise<void>((resolve) => {
        wake = resolve
      }),
    close() {
      for (const event of EVENTS) local.off(event, changed)
      signal.removeEventListener("abort", changed)
    },
  }
}

function lost(): AlliumError {
  return new AlliumError("STREAM_LOST", "Cannot read request: the program closed the connection")
}

function tooLong(bytesMax: number): AlliumError {
  const message = `Cannot read request: a text is longer than ${bytesMax} bytes`
  return new AlliumError("TOO_LARGE", message)
}

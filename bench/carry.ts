/**
 * Carries bytes from one end of a stream to the other, and takes the time.
 *
 * @module
 */
import { once } from "node:events"
import type { Duplex } from "node:stream"

export const MIB = 1_048_576
/** What is given to one `write()`. */
const CHUNK = Buffer.alloc(65_536, 7)
/** A stream that has not carried everything by then is stuck. */
const PATIENCE_MS = 300_000

/** Two ends of one stream: what is written to `from` comes out of `to`. */
export interface Ends {
  readonly from: Duplex
  readonly to: Duplex
}

/** What carrying cost. */
export interface Carried {
  readonly mebibytesPerSecond: number
  /** Of this process alone, both ends together when both are here. */
  readonly cpuMsPerMebibyte: number
}

/**
 * Writes as fast as `from` wants it, and reads as fast as `to` gives it.
 *
 * @param byteCount - A multiple of 64 KiB.
 */
export async function carry({ from, to }: Ends, byteCount: number): Promise<Carried> {
  const call = { signal: AbortSignal.timeout(PATIENCE_MS) }
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  await Promise.all([readBytes(to, byteCount, call), writeBytes(from, byteCount, call)])
  const seconds = (performance.now() - startMs) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  const mebibytes = byteCount / MIB
  return {
    mebibytesPerSecond: mebibytes / seconds,
    cpuMsPerMebibyte: (user + system) / 1_000 / mebibytes,
  }
}

/** How long to go on. */
export interface Call {
  readonly signal: AbortSignal
}

/** Writes so many bytes, a multiple of 64 KiB. */
export async function writeBytes(to: Duplex, byteCount: number, call: Call): Promise<void> {
  for (let sent = 0; sent < byteCount; sent += CHUNK.length)
    if (!to.write(CHUNK)) await once(to, "drain", call)
}

/** Reads and forgets so many bytes. */
export async function readBytes(from: Duplex, byteCount: number, call: Call): Promise<void> {
  let missing = byteCount
  const over = new AbortController()
  const read = (bytes: Uint8Array) => {
    missing -= bytes.length
    if (missing <= 0) from.pause().emit(ALL_READ)
  }
  const cut = () => over.abort(new Error(`Cannot read: stream ended ${missing} bytes too early`))
  from.once("close", cut)
  const all = once(from, ALL_READ, { signal: AbortSignal.any([call.signal, over.signal]) })
  from.on("data", read).resume()
  await all.finally(() => from.off("data", read).off("close", cut))
}
const ALL_READ = Symbol("all read")

/** Carries over a new stream, and ends it: the reader first, who has everything. */
export async function carryOnce(open: () => Promise<Ends>, byteCount: number): Promise<Carried> {
  const ends = await open()
  try {
    return await carry(ends, byteCount)
  } finally {
    ends.to.destroy()
    ends.from.destroy()
  }
}

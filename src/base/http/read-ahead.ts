/**
 * Reads an answer ahead of a slow reader, so that the program which gave it is free for the next.
 *
 * @module
 */
import { Spool, type SpoolPlace } from "../spool.ts"

/** What is read ahead of one reader, in bytes; then the program waits as usual. */
const AHEAD_BYTES_MAX = 4 * 2 ** 20
/** Of that in memory, in bytes: there may be hundreds of slow readers. */
const AHEAD_MEMORY_BYTES = 64 * 1024

type Done = (error?: Error | null) => void

/** A pipe that takes up to {@linkcode AHEAD_BYTES_MAX} more than it gave, less when the place is full. Never fails for want of room. */
export class ReadAhead extends Spool {
  readonly #room: SpoolPlace
  #held: { chunk: Buffer; done: Done } | undefined

  constructor(place: SpoolPlace) {
    super(place, { memoryBytesMax: AHEAD_MEMORY_BYTES })
    this.#room = place
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: Done): void {
    if (this.#fits(chunk)) super._write(chunk, encoding, done)
    else this.#held = { chunk, done }
  }

  /** Comes back whenever the reader took something. */
  override _read(): void {
    super._read()
    if (this.#held === undefined || !this.#fits(this.#held.chunk)) return
    const { chunk, done } = this.#held
    this.#held = undefined
    super._write(chunk, "utf8", done)
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#held = undefined
    super._destroy(error, done)
  }

  #fits(chunk: Buffer): boolean {
    const { waitingBytes } = this
    if (waitingBytes === 0) return true
    const isRoom = this.#room.bytesUsed + chunk.length <= this.#room.bytesMax
    return isRoom && waitingBytes + chunk.length <= AHEAD_BYTES_MAX
  }
}

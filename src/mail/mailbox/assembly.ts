/**
 * A blob that comes in pieces.
 *
 * @module
 */
import { badFrame } from "./fields.ts"
import { BLOB_BYTES_MAX } from "./limits.ts"
import { CHUNK_BYTES } from "./wire.ts"

/** Keeps the pieces of one blob until all are there. Reserves nothing for what has not come. */
export class Assembly {
  readonly #size: number
  readonly #pieces: Uint8Array[] = []
  #filled = 0

  /** @throws {AlliumError} `BAD_RECORD` beyond 16 MiB. */
  constructor(size: number) {
    if (size > BLOB_BYTES_MAX) throw badFrame("a blob is larger than it may be")
    this.#size = size
  }

  /** Everything is there. */
  get complete(): boolean {
    return this.#filled === this.#size
  }

  /** @throws {AlliumError} `BAD_RECORD` for a piece that is not as long as it must be. */
  add(piece: Uint8Array): void {
    const want = Math.min(CHUNK_BYTES, this.#size - this.#filled)
    if (want === 0 || piece.length !== want) throw badFrame("a piece of a blob has a wrong length")
    this.#pieces.push(piece)
    this.#filled += piece.length
  }

  /** Lets go of what came; what comes is still counted. */
  forget(): void {
    this.#pieces.length = 0
  }

  /** The whole blob. */
  take(): Uint8Array {
    const whole = new Uint8Array(this.#size)
    let at = 0
    for (const piece of this.#pieces.splice(0)) {
      whole.set(piece, at)
      at += piece.length
    }
    return whole
  }
}

/** Cuts a blob into the pieces that frames carry. */
export function* piecesOf(blob: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < blob.length; at += CHUNK_BYTES) yield blob.subarray(at, at + CHUNK_BYTES)
}

/** Bytes of blobs that may be on their way in at once, over all channels that share it. */
export class UploadBudget {
  #free: number

  constructor(bytes: number) {
    this.#free = bytes
  }

  /** `false`, and nothing reserved, when there is not so much room now. */
  reserve(bytes: number): boolean {
    if (bytes > this.#free) return false
    this.#free -= bytes
    return true
  }

  /** Gives back what was reserved. */
  release(bytes: number): void {
    this.#free += bytes
  }
}

/**
 * Bytes counted, and how many there were in a second of late.
 *
 * @module
 */

/** The rate forgets half of what was after so long. */
const HALF_LIFE_MS = 4_000

/** One direction of something. */
export class Flow {
  bytes: number
  /** Bytes a second. */
  rate = 0
  #seenBytes: number
  #seenAt: number

  /** @param now - Milliseconds of a clock that does not jump. */
  constructor(now: number, bytes = 0) {
    this.bytes = this.#seenBytes = bytes
    this.#seenAt = now
  }

  /** Call it about once a second. */
  tick(now: number): void {
    const ms = now - this.#seenAt
    if (ms <= 0) return
    const fresh = ((this.bytes - this.#seenBytes) * 1_000) / ms
    const kept = 0.5 ** (ms / HALF_LIFE_MS)
    this.rate = Math.round(this.rate * kept + fresh * (1 - kept))
    this.#seenBytes = this.bytes
    this.#seenAt = now
  }
}

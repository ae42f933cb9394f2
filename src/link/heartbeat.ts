/**
 * Is the peer still there? A ping each beat; silence over two beats is death. Counts, no clock.
 *
 * @module
 */

/** What to do at a beat. */
export type Beat = { readonly ping: number } | "dead"

/** Pulse of one link. */
export class Heartbeat {
  #token = 0
  /** When the ping that is not answered yet was sent. */
  #sentMs: number | undefined
  #heard = true
  #missed = 0
  #roundTripMs: number | undefined

  get roundTripMs(): number | undefined {
    return this.#roundTripMs
  }

  /** A new stream: what was on the way on the old one says nothing. */
  reset(): void {
    this.#sentMs = undefined
    this.#heard = true
    this.#missed = 0
  }

  /** Anything arrived: a bulk transfer may hold a pong up for long. */
  hear(): void {
    this.#heard = true
  }

  /** Time for the next ping. */
  beat(nowMs: number): Beat {
    this.#missed = this.#heard ? 0 : this.#missed + 1
    if (this.#missed >= 2) return "dead"
    this.#heard = false
    this.#token = (this.#token + 1) % 2 ** 32
    this.#sentMs = nowMs
    return { ping: this.#token }
  }

  /** A pong came; only the latest ping's is measured. */
  pong(token: number, nowMs: number): void {
    if (token !== this.#token || this.#sentMs === undefined) return
    this.#roundTripMs = nowMs - this.#sentMs
    this.#sentMs = undefined
  }
}

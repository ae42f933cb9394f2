/**
 * How much trouble a peer may make before it counts as an attack.
 *
 * @module
 */
import { NUISANCE } from "./limits.ts"
import { linkProtocolError } from "./link-errors.ts"

/** A bucket that fills with time; each nuisance takes one out. */
export class NuisanceBucket {
  readonly #monotonicMs: () => number
  #left: number = NUISANCE.burst
  #atMs: number

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs
    this.#atMs = monotonicMs()
  }

  /** @throws {AlliumError} `LINK_PROTOCOL` when the bucket is empty. */
  take(): void {
    const nowMs = this.#monotonicMs()
    const gained = ((nowMs - this.#atMs) / 1000) * NUISANCE.perSecond
    this.#left = Math.min(NUISANCE.burst, this.#left + gained)
    this.#atMs = nowMs
    if (this.#left < 1) throw linkProtocolError("a flood of pings, refused channels or resets")
    this.#left -= 1
  }
}

/**
 * How fast bytes come, over the last seconds.
 *
 * @module
 */
import type { Clock } from "allium/plugin"

/** Long enough to be calm, short enough to be true. */
const WINDOW_MS = 5_000
/** Samples closer together than this are one. */
const STEP_MS = 250

/** See the module. */
export class Meter {
  readonly #clock: Clock
  readonly #samples: { atMs: number; total: number }[] = []
  #total = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(byteCount: number): void {
    const atMs = this.#clock.monotonicMs()
    if (this.#samples.length === 0) this.#samples.push({ atMs, total: 0 })
    this.#total += byteCount
    const last = this.#samples.at(-1)!
    if (this.#samples.length > 1 && atMs - last.atMs < STEP_MS) last.total = this.#total
    else this.#samples.push({ atMs, total: this.#total })
    while (this.#samples.length > 2 && atMs - this.#samples[1]!.atMs > WINDOW_MS)
      this.#samples.shift()
  }

  /** 0 when nothing came lately. */
  get bytesPerSecond(): number {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    const nowMs = this.#clock.monotonicMs()
    if (first === undefined || last === undefined || nowMs - last.atMs > WINDOW_MS) return 0
    const elapsedMs = nowMs - first.atMs
    return elapsedMs > 0 ? Math.round(((last.total - first.total) / elapsedMs) * 1_000) : 0
  }
}

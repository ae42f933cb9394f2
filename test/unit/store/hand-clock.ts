/** A clock for waits that come after work on the disk: it tells when somebody sleeps. */
import { type Clock, systemClock } from "../../../src/base/clock.ts"

/** One sleep; it lasts until the test wakes the sleeper. */
export interface Sleep {
  readonly ms: number
  readonly wake: () => void
}

/** Sleeps until the test says so; reports each sleep, in order. */
export class HandClock implements Clock {
  /** Added to the time. */
  aheadMs = 0
  readonly #sleeps: Sleep[] = []
  #noticed = () => {}

  now(): number {
    return systemClock.now() + this.aheadMs
  }

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.aheadMs
  }

  sleep(ms: number, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason))
      if (signal?.aborted) reject(signal.reason)
      this.#sleeps.push({ ms, wake: resolve })
      this.#noticed()
    })
  }

  /** The next sleep, once somebody has lain down. */
  async nextSleep(): Promise<Sleep> {
    while (this.#sleeps.length === 0)
      await new Promise<void>((resolve) => {
        this.#noticed = resolve
      })
    return this.#sleeps.shift()!
  }
}

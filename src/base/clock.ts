/**
 * Time as a parameter, so that stories run in milliseconds and tests decide what the time is.
 *
 * @module
 */
import { setTimeout as wait } from "node:timers/promises"

/** Wall clock, monotonic clock and sleep. */
export interface Clock {
  /** Milliseconds since 1970; may jump. */
  now(): number
  /** Milliseconds since some start; never jumps back. */
  monotonicMs(): number
  /** Resolves after `ms`; rejects with the signal's reason. Does not keep the process alive. */
  sleep(ms: number, call?: { signal?: AbortSignal }): Promise<void>
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  async sleep(ms, call = {}) {
    await wait(ms, undefined, { ref: false, ...(call.signal && { signal: call.signal }) })
  },
}

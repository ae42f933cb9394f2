/**
 * Tries again and again, until it is done: what waits for a peer never gives up by itself.
 *
 * @module
 */
import type { Alarm } from "./alarm.ts"
import type { Backoff } from "./backoff.ts"
import type { Clock } from "./clock.ts"

/** How to try. */
export interface KeepTryingOptions {
  readonly clock: Clock
  /** Ends the trying; nothing is thrown then. */
  readonly signal: AbortSignal
  /** How long to wait between tries. */
  readonly backoff: Backoff
  /** Rung when a try has better chances now: the wait ends, and the next waits begin short again. */
  readonly alarm: Alarm
  /** Told about each failed try; what it throws ends the trying. */
  readonly failed: (error: unknown) => void
}

/** Runs `attempt` until it returns `done`; a failure and `again` both mean: later. */
export async function keepTrying(
  attempt: () => Promise<"done" | "again">,
  options: KeepTryingOptions,
): Promise<void> {
  const { signal, backoff, alarm, clock } = options
  while (!signal.aborted) {
    try {
      if ((await attempt()) === "done") return
    } catch (error) {
      if (signal.aborted) return
      options.failed(error)
    }
    try {
      if (await alarm.wait({ signal, clock, atMostMs: backoff.next() })) backoff.reset()
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}

/**
 * Sleeping that ends early without a fuss.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"

/** True after `ms`; false, never a rejection, as soon as `signal` aborts. */
export async function slept(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(ms, { signal })
    return !signal.aborted
  } catch (error) {
    if (signal.aborted) return false
    throw error
  }
}

/**
 * A bound on how long something may take.
 *
 * @module
 */
import type { Clock } from "../../base/clock.ts"
import { AlliumError } from "../../base/errors.ts"

/** Runs `task`; its signal aborts with the caller's, or with `TIMED_OUT` when the time is over. Nothing stays behind on either. */
export async function within<T>(
  call: { atMostMs: number; signal: AbortSignal; clock: Clock },
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const done = new AbortController()
  const give = () => over.abort(call.signal.reason)
  if (call.signal.aborted) give()
  call.signal.addEventListener("abort", give, { once: true })
  call.clock.sleep(call.atMostMs, { signal: done.signal }).then(
    () => over.abort(new AlliumError("TIMED_OUT", "Cannot finish: time ran out")),
    () => {},
  )
  try {
    return await task(over.signal)
  } finally {
    done.abort()
    call.signal.removeEventListener("abort", give)
  }
}

/**
 * A bound on how long something may take.
 *
 * @module
 */
import type { Clock } from "../../base/clock.ts"

/** Runs `task`; its signal aborts with the caller's, or when the time is over. */
export async function within<T>(
  call: { atMostMs: number; signal: AbortSignal; clock: Clock },
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const done = new AbortController()
  const timer = call.clock.sleep(call.atMostMs, { signal: done.signal })
  timer.then(
    () => over.abort(),
    () => {},
  )
  try {
    return await task(AbortSignal.any([call.signal, over.signal]))
  } finally {
    done.abort()
  }
}

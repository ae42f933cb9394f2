/**
 * Waiting with a limit: by the clock at hand, and no longer than the caller wants.
 *
 * @module
 */
import { untilAborted } from "../base/abort.ts"
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"

/** Resolves or rejects like `work`; rejects with `late()` after `ms`. The work itself goes on. */
export async function within<T>(
  work: Promise<T>,
  limit: { clock: Clock; ms: number; late: () => AlliumError },
): Promise<T> {
  const done = new AbortController()
  const alarm = limit.clock.sleep(limit.ms, { signal: done.signal }).then(() => {
    throw limit.late()
  })
  try {
    return await Promise.race([work, alarm])
  } finally {
    done.abort()
  }
}

/** Resolves or rejects like `work`; rejects with `ABORTED` or `TIMED_OUT` as soon as the caller gives up. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await untilAborted(work, signal)
  } catch (error) {
    throw signal.aborted && error === signal.reason ? abortError(signal) : error
  }
}

/** What the caller's giving up is called. */
export function abortError(signal: AbortSignal): AlliumError {
  const { reason } = signal
  if (reason instanceof AlliumError) return reason
  if (reason instanceof Error && reason.name === "TimeoutError")
    return new AlliumError("TIMED_OUT", "Cannot finish: time ran out", { cause: reason })
  return new AlliumError("ABORTED", "Cannot finish: the caller gave up", { cause: reason })
}

/** Runs `task` with a signal that aborts with any of `signals`, and leaves nothing behind on those. */
export async function withSignals<T>(
  signals: readonly AbortSignal[],
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const either = new AbortController()
  const leave = signals.map((signal) => {
    const abort = () => either.abort(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener("abort", abort, { once: true })
    return () => signal.removeEventListener("abort", abort)
  })
  try {
    return await task(either.signal)
  } finally {
    for (const stop of leave) stop()
  }
}

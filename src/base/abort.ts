/**
 * Waiting for what others started, with a signal of one's own.
 *
 * @module
 */

/**
 * Resolves or rejects like `promise`, but rejects with the signal's reason as soon as it aborts. The
 * work behind `promise` goes on: for sharing one piece of work among several callers.
 */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = () => reject(signal.reason)
    if (signal.aborted) give()
    else signal.addEventListener("abort", give, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", give))
  })
}

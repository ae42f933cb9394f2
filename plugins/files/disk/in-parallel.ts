/**
 * Several deeds at once, a bounded number.
 *
 * @module
 */

/** Does all, so many at once, in order of beginning; after a failure no more begin, and it is thrown when the last has ended. */
export async function inParallel<T>(
  items: Iterable<T>,
  count: number,
  deed: (item: T) => Promise<void>,
): Promise<void> {
  const line = items[Symbol.iterator]()
  let hasFailed = false
  const worker = async () => {
    for (let next = line.next(); !next.done && !hasFailed; next = line.next()) {
      await deed(next.value).catch((error) => {
        hasFailed = true
        throw error
      })
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: count }, worker))
  for (const end of ends) if (end.status === "rejected") throw end.reason
}

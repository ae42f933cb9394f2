/**
 * A bounded queue between one who makes and one who takes.
 *
 * @module
 */

/**
 * Async iterable with a bound. {@linkcode Queue.push} says whether there was room: nothing is dropped
 * behind the maker's back. One consumer at a time.
 */
export class Queue<T> implements AsyncIterable<T> {
  readonly #items: T[] = []
  readonly #waiting: ((result: IteratorResult<T, undefined>) => void)[] = []
  readonly #sizeMax: number
  #ended = false

  /** @param sizeMax - How many items may wait; `push` answers `false` beyond. */
  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax
  }

  /** How many items wait. */
  get size(): number {
    return this.#items.length
  }

  /** Adds an item; `false`, and nothing added, when full or ended: the caller keeps owning it. */
  push(item: T): boolean {
    if (this.#ended) return false
    const taker = this.#waiting.shift()
    if (taker) taker({ done: false, value: item })
    else if (this.#items.length >= this.#sizeMax) return false
    else this.#items.push(item)
    return true
  }

  /** No more items come; what waits can still be taken. */
  end(): void {
    this.#ended = true
    for (const taker of this.#waiting.splice(0)) taker({ done: true, value: undefined })
  }

  /** Ends at once and gives back what nobody took, for the owner to close. */
  drain(): T[] {
    const left = this.#items.splice(0)
    this.end()
    return left
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return { next: () => this.#take(), return: async () => ({ done: true, value: undefined }) }
  }

  #take(): Promise<IteratorResult<T, undefined>> {
    const value = this.#items.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}

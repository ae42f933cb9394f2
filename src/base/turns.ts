/**
 * One after the other: what reads, decides and then writes must not meet itself.
 *
 * @module
 */

/** Runs tasks in order of asking, each after the one before has ended, well or not. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()
  #count = 0

  /** Whether no task runs or waits. */
  get isFree(): boolean {
    return this.#count === 0
  }

  /** Resolves or rejects as the task does. */
  take<T>(task: () => Promise<T>): Promise<T> {
    this.#count++
    const mine = this.#last.then(task).finally(() => this.#count--)
    this.#last = mine.catch(() => {})
    return mine
  }
}

/** At most so many at once; the others wait in line. */
export class Slots {
  #free: number
  readonly #line: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  /** Runs `task` when a place is free; leaves the line with the signal's reason when it aborts. */
  async take<T>(task: () => Promise<T>, call: { signal: AbortSignal }): Promise<T> {
    await this.#enter(call.signal)
    try {
      return await task()
    } finally {
      this.#leave()
    }
  }

  #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#free > 0) {
      this.#free--
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const go = () => {
        signal.removeEventListener("abort", giveUp)
        resolve()
      }
      const giveUp = () => {
        this.#line.splice(this.#line.indexOf(go), 1)
        reject(signal.reason)
      }
      signal.addEventListener("abort", giveUp, { once: true })
      this.#line.push(go)
    })
  }

  /** Hands the place to the next in line, or keeps it free. */
  #leave(): void {
    const next = this.#line.shift()
    if (next) next()
    else this.#free++
  }
}

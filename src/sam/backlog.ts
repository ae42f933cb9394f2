/**
 * Streams that have arrived and wait for somebody to take them; bounded.
 *
 * @module
 */
import { Queue } from "../base/queue.ts"
import { unlessAborted } from "./within.ts"

/** Takes arrivals from one side, gives them to one consumer on the other, and says when there is room. */
export class Backlog<T> implements AsyncIterable<T> {
  readonly #queue: Queue<T>
  readonly #sizeMax: number
  #wanted = false
  #tellRoom: (() => void) | undefined
  #roomMade: Promise<void> | undefined

  /** @param sizeMax - How many may wait; 1 or more. */
  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax
    this.#queue = new Queue(sizeMax)
  }

  /** Resolves when somebody iterates and there is room. @throws {AlliumError} `ABORTED`. */
  async room(signal: AbortSignal): Promise<void> {
    while (!this.#wanted || this.#queue.size >= this.#sizeMax) {
      this.#roomMade ??= new Promise((resolve) => {
        this.#tellRoom = resolve
      })
      await unlessAborted(this.#roomMade, signal)
    }
  }

  /** False, and nothing taken, when it is full or over. */
  push(arrival: T): boolean {
    return this.#queue.push(arrival)
  }

  /** Ends the iteration; gives back what nobody took. */
  drain(): T[] {
    return this.#queue.drain()
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    const items = this.#queue[Symbol.asyncIterator]()
    return {
      next: async () => {
        this.#want(true)
        const result = await items.next()
        this.#makeRoom()
        return result
      },
      return: async () => {
        this.#want(false)
        return { done: true, value: undefined }
      },
    }
  }

  #want(wanted: boolean): void {
    this.#wanted = wanted
    if (wanted) this.#makeRoom()
  }

  #makeRoom(): void {
    this.#tellRoom?.()
    this.#tellRoom = undefined
    this.#roomMade = undefined
  }
}

/**
 * Tells those who listen what comes and what becomes of it.
 *
 * @module
 */
import { AlliumError, Queue } from "allium/plugin"
import type { Parties } from "./book.ts"
import type { MessageDocument } from "./offers.ts"

/** How far a watcher may fall behind, in messages. */
const BEHIND_MAX = 1_000

/** Hears of every message; `parties` are those of the conversation. */
export type Listener = (parties: Parties, message: MessageDocument) => void

/** See the module. */
export class Feed {
  readonly #listeners = new Set<Listener>()

  /** Tells all who listen now. */
  tell(parties: Parties, message: MessageDocument): void {
    for (const listener of [...this.#listeners]) listener(parties, message)
  }

  /**
   * Messages that `wanted` lets through, until the signal aborts.
   * @throws {AlliumError} `BUSY` when the reader is too far behind: nothing is left out silently.
   */
  async *watch(
    wanted: (parties: Parties) => boolean,
    call: { signal: AbortSignal },
  ): AsyncGenerator<MessageDocument, void> {
    const queue = new Queue<MessageDocument>(BEHIND_MAX)
    let behind = false
    const listener: Listener = (parties, message) => {
      if (!wanted(parties) || queue.push(message)) return
      behind = true
      queue.end()
    }
    const end = () => queue.end()
    this.#listeners.add(listener)
    call.signal.addEventListener("abort", end)
    try {
      if (!call.signal.aborted) yield* queue
    } finally {
      this.#listeners.delete(listener)
      call.signal.removeEventListener("abort", end)
    }
    if (behind && !call.signal.aborted)
      throw new AlliumError("BUSY", "Cannot go on watching: the reader is too far behind")
  }

  /**
   * Resolves with the first message for which `test` is true; rejects with what it throws, or the signal's reason.
   */
  first(
    test: (parties: Parties, message: MessageDocument) => boolean,
    call: { signal: AbortSignal },
  ): Promise<MessageDocument> {
    return new Promise((resolve, reject) => {
      const finish = (end: () => void) => {
        this.#listeners.delete(listener)
        call.signal.removeEventListener("abort", abort)
        end()
      }
      const listener: Listener = (parties, message) => {
        try {
          if (test(parties, message)) finish(() => resolve(message))
        } catch (error) {
          finish(() => reject(error))
        }
      }
      const abort = () => finish(() => reject(call.signal.reason))
      this.#listeners.add(listener)
      call.signal.addEventListener("abort", abort)
      if (call.signal.aborted) abort()
    })
  }
}

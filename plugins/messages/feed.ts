/**
 * Tells those who listen what comes and what becomes of it.
 *
 * @module
 */
import { AlliumError, Queue } from "allium/plugin"
import type { Conversation } from "./conversation.ts"
import type { EventDocument, GroupEventDocument } from "./document.ts"

/** How far a watcher may fall behind, in messages. */
const BEHIND_MAX = 1_000

/** Something that happened in a conversation. */
export interface ToldMessage {
  readonly conversation: Conversation
  readonly document: EventDocument
}
/** Something that happened to a group. */
export interface ToldGroup {
  /** Key of our identity. */
  readonly identity: string
  readonly document: GroupEventDocument
}
export type Told = ToldMessage | ToldGroup

/** See the module. */
export class Feed {
  readonly #listeners = new Set<(told: Told) => void>()

  /** Tells all who listen now. */
  tell(told: Told): void {
    for (const listener of [...this.#listeners]) listener(told)
  }

  /**
   * What `wanted` lets through, until the signal aborts.
   * @throws {AlliumError} `BUSY` when the reader is too far behind: nothing is left out silently.
   */
  async *watch(
    wanted: (told: Told) => boolean,
    call: { signal: AbortSignal },
  ): AsyncGenerator<Told, void> {
    const queue = new Queue<Told>(BEHIND_MAX)
    let behind = false
    const listener = (told: Told) => {
      if (!wanted(told) || queue.push(told)) return
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

  /** Resolves with the first message's for which `test` is true; rejects with what it throws, or the signal's reason. */
  first(test: (told: ToldMessage) => boolean, call: { signal: AbortSignal }): Promise<ToldMessage> {
    return new Promise((resolve, reject) => {
      const finish = (end: () => void) => {
        this.#listeners.delete(listener)
        call.signal.removeEventListener("abort", abort)
        end()
      }
      const listener = (told: Told) => {
        try {
          if ("conversation" in told && test(told)) finish(() => resolve(told))
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

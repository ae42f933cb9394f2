/**
 * What is to be done to conversations, in order: many at once in one commit, again when the disk was full, and one that
 * cannot be done keeps nobody else out.
 *
 * @module
 */
import { type Change, type PluginContext, type Reception, toAlliumError } from "allium/plugin"
import type { ConversationBook } from "./book.ts"
import type { Conversation } from "./conversation.ts"
import type { Pen } from "./pen.ts"

/** Letters applied in one commit. */
const TOGETHER_MAX = 64
/** Until a full disk is tried again. */
const RETRY_MS = 2_000
/** Failures that pass by themselves. */
const PASSING = ["STORE_FULL", "STORE_FAILED", "BUSY"]

/** Something to be done to a conversation, and what then leaves the journal. */
export interface Task {
  readonly identity: string
  readonly contact: string
  readonly deed: (pen: Pen) => Promise<void>
  readonly done: readonly Change[]
}

/** See the module. */
export class TaskLines {
  readonly #context: PluginContext
  readonly #book: ConversationBook
  /** By conversation: what waits to be applied. */
  readonly #waiting = new Map<string, Task[]>()

  constructor(context: PluginContext, book: ConversationBook) {
    this.#context = context
    this.#book = book
  }

  /** Behind everything else of its conversation. */
  add(task: Task): void {
    const key = `${task.identity}/${task.contact}`
    const line = this.#waiting.get(key)
    if (line !== undefined) return void line.push(task)
    const fresh = [task]
    this.#waiting.set(key, fresh)
    void this.#drain(key, fresh).catch((error) => this.damaged(error))
  }

  /**
   * Does a deed in a commit of somebody else's, when nothing else is to be done to its conversation.
   * @returns `undefined` when something is, or the deed failed: then it is for {@linkcode add}.
   */
  async join(
    parties: Pick<Task, "identity" | "contact">,
    deed: Task["deed"],
  ): Promise<Reception | undefined> {
    try {
      const conversation = await this.#book.at(parties)
      if (this.#waiting.has(`${parties.identity}/${parties.contact}`)) return undefined
      return await conversation.join(deed)
    } catch (error) {
      this.#context.log.debug("letter.not-joined", { code: toAlliumError(error).code })
      return undefined
    }
  }

  async #drain(key: string, line: Task[]): Promise<void> {
    const { signal, clock } = this.#context
    try {
      const [first] = line
      if (first === undefined) return
      const conversation = await this.#book.at(first)
      while (line.length > 0 && !signal.aborted) {
        const some = line.slice(0, TOGETHER_MAX)
        if (await this.#apply(conversation, some)) line.splice(0, some.length)
        else await clock.sleep(RETRY_MS, { signal })
      }
    } finally {
      this.#waiting.delete(key) // in the turn that found the line empty
    }
  }

  /** Whether that is settled; otherwise it is to be tried again. */
  async #apply(conversation: Conversation, tasks: readonly Task[]): Promise<boolean> {
    try {
      await conversation.change(async (pen) => {
        for (const { deed, done } of tasks) {
          await deed(pen)
          pen.also(...done)
        }
      })
      return true
    } catch (error) {
      const { code } = toAlliumError(error)
      if (PASSING.includes(code)) return false
      if (code === "STORE_CLOSED") return true // at the next start
      for (const task of tasks.length > 1 ? tasks : [])
        while (!(await this.#apply(conversation, [task])))
          await this.#context.clock.sleep(RETRY_MS, { signal: this.#context.signal })
      if (tasks.length === 1) this.damaged(error)
      return true
    }
  }

  /** It stays in the journal, and is tried again at the next start. */
  damaged(error: unknown): void {
    if (this.#context.signal.aborted) return
    this.#context.log.error("letter.not-applied", { code: toAlliumError(error).code })
  }
}

/**
 * "What group is this?" Asked of contacts who speak of a group we know nothing of.
 *
 * @module
 */
import type { Identity, PluginContext } from "allium/plugin"

/** A question about a group we know nothing of goes to the same contact once in so long. */
const QUESTION_MS = 60_000
/** Contacts such questions are remembered of. */
const QUESTIONS_MAX = 1_000

/** See the module. */
export class Questions {
  readonly #context: PluginContext
  /** When whom was asked last; the one asked longest ago first. */
  readonly #asked = new Map<string, number>()

  constructor(context: PluginContext) {
    this.#context = context
  }

  /** Asks who sent it, not too often. */
  async ask(identity: Identity, sender: string, content: Uint8Array): Promise<void> {
    const key = `${identity.key}/${sender}`
    const now = this.#context.clock.monotonicMs()
    const last = this.#asked.get(key)
    if (sender === identity.key || (last !== undefined && now - last < QUESTION_MS)) return
    this.#asked.delete(key)
    this.#asked.set(key, now)
    for (const [oldest] of this.#asked) {
      if (this.#asked.size <= QUESTIONS_MAX) break
      this.#asked.delete(oldest)
    }
    const contact = this.#context.contacts.find(identity, sender)
    const name = `g/question/${Math.floor(this.#context.clock.now())}`
    await this.#context.mail.send({ identity, contact }, { content, name })
  }
}

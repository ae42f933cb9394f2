/**
 * One conversation: with a contact, or in a group. Its history stays on disk and is read when it is asked for.
 *
 * @module
 */
import { type Change, type Reception, type StoreRoom, type Table, Turns, z } from "allium/plugin"
import { type Entry, type Head, keyOf } from "./entry.ts"
import { type Note, Pen } from "./pen.ts"
import { type Expiry, openShelves, type Shelves, textOf } from "./shelves.ts"

/** Messages that are taken out in one commit. */
const CLEARED_AT_ONCE = 64

/** A message with its place in the history, from 1. Gaps are where messages were deleted. */
export type Numbered = readonly [number: number, entry: Entry]

/** What is told of a conversation; it is on disk. */
export interface ConversationListener {
  noted(conversation: Conversation, notes: readonly Note[]): void
  expires(expiries: readonly Expiry[]): void
}

/** See the module. */
export class Conversation {
  readonly #store: StoreRoom
  readonly #shelves: Shelves
  readonly #listener: ConversationListener
  readonly #turns = new Turns()
  #head: Head

  /** @param head - As it is on disk; a new one is written with the first change. */
  constructor(store: StoreRoom, head: Head, listener: ConversationListener) {
    this.#store = store
    this.#shelves = openShelves(store, head)
    this.#listener = listener
    this.#head = head
  }

  /** As it is on disk. */
  get head(): Head {
    return this.#head
  }

  /** Identity and contact or group, one text. */
  get key(): string {
    return keyOf(this.#head)
  }

  /**
   * Does one deed: what `work` writes is on disk when this resolves, or nothing of it is. Deeds run one after another;
   * `work` must not wait for another deed of this conversation.
   *
   * @param commit - Called with all changes, unless there are none; by default they are just written.
   */
  async change<T>(
    work: (pen: Pen) => Promise<T>,
    commit: (changes: readonly Change[]) => Promise<void> = (changes) =>
      this.#store.commit(changes),
  ): Promise<T> {
    return this.#turns.take(async () => {
      const pen = new Pen(this.#shelves, this.#head)
      const result = await work(pen)
      const changes = pen.changes()
      if (changes.length > 0) await this.#write(() => commit(changes))
      this.#written(pen)
      return result
    })
  }

  /**
   * Does one deed in a commit of somebody else's; other deeds wait until they say how it went. It waits for no other deed
   * itself: that one may wait for their commit.
   *
   * @returns `undefined` when another deed runs or waits. Who calls must call `done` or `failed`.
   */
  async join(work: (pen: Pen) => Promise<void>): Promise<Required<Reception> | undefined> {
    if (!this.#turns.isFree) return undefined
    let end = () => {}
    const ended = new Promise<void>((resolve) => (end = resolve))
    void this.#turns.take(() => ended)
    const pen = new Pen(this.#shelves, this.#head)
    try {
      await work(pen)
    } catch (error) {
      end()
      throw error
    }
    const done = () => {
      this.#written(pen)
      end()
    }
    const failed = () => void this.#readAgain().then(end, end)
    return { changes: pen.changes(), done, failed }
  }

  /** What a pen wrote is on disk. */
  #written(pen: Pen): void {
    this.#head = pen.head
    this.#listener.expires(pen.expiries)
    this.#listener.noted(this, pen.notes)
  }

  async #write(commit: () => Promise<void>): Promise<void> {
    try {
      await commit()
    } catch (error) {
      await this.#readAgain()
      throw error
    }
  }

  /** Who fails may have written all the same: then what is on disk counts. */
  async #readAgain(): Promise<void> {
    this.#head = (await this.#shelves.heads.get(this.key)) ?? this.#head
  }

  /** Takes every message out, here alone. @returns How many there were. */
  async clear(): Promise<number> {
    let count = 0
    for (let some = CLEARED_AT_ONCE; some > 0; count += some)
      some = await this.change(async (pen) => {
        let removed = 0
        for await (const [number, entry] of this.read({ limit: CLEARED_AT_ONCE })) {
          await pen.remove(number, entry)
          removed++
        }
        return removed
      })
    return count
  }

  /** One message. */
  async get(number: number): Promise<Entry | undefined> {
    return number > 0 ? this.#shelves.history.get(number) : undefined
  }

  /** Number of a message by its id in hex; `undefined` also when it is gone. */
  async find(hex: string): Promise<number | undefined> {
    return (await this.#shelves.ids.get(hex)) || undefined
  }

  /** Whole text of a message. */
  text(number: number, entry: Entry): Promise<string> {
    return textOf(this.#shelves, number, entry)
  }

  /** Messages as they are read, oldest first or newest first; memory stays flat. */
  read(range: { after?: number; before?: number; limit?: number; reverse?: boolean } = {}) {
    return this.#shelves.history.read(range)
  }

  /**
   * The newest messages before number `before`, oldest of them first: at most `limit`, and fewer when their texts have more
   * than `bytes` together.
   */
  async newest(range: { limit: number; before?: number; bytes: number }): Promise<Numbered[]> {
    const { limit, before } = range
    const found: Numbered[] = []
    let left = range.bytes
    for await (const numbered of this.read({ limit, reverse: true, ...(before && { before }) })) {
      const [number, entry] = numbered
      const text = await this.text(number, entry)
      left -= Buffer.byteLength(text)
      if (left < 0 && found.length > 0) break
      found.push([number, { ...entry, text }])
    }
    return found.reverse()
  }
}

/** Texts that are not sent yet, by key of the conversation. */
export function drafts(store: StoreRoom): Table<string> {
  return store.table("drafts", z.string())
}

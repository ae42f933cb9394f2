/**
 * One conversation on disk: its history, what waits to be sent, and which messages are known already.
 *
 * Each deed is one synced commit, so that a crash before it leaves nothing and a crash after it leaves all.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { AlliumError, type StoreRoom, Turns, z } from "allium/plugin"
import { ID_BYTES, idShape, SENT_AT_STEP_MS, type TextRecord } from "./wire.ts"

/** How many messages may wait for one contact: a year of talk, or two hours of a script gone wild. */
export const OUTBOX_MESSAGES_MAX = 10_000
/** How many bytes of text may wait for one contact. */
export const OUTBOX_BYTES_MAX = 64 * 1024 * 1024

/**
 * Facts only. `queued`: on our disk, not yet acknowledged. `delivered`: on theirs, they said so. `failed`: it will not be
 * sent any more, for the reason that stands with it. `received`: theirs, on our disk.
 */
export const MESSAGE_STATES = ["queued", "delivered", "failed", "received"] as const

const entryShape = z.object({
  id: idShape,
  /** Number among its sender's messages of this conversation, from 1. */
  sequence: z.int().min(1),
  state: z.enum(MESSAGE_STATES),
  /** Code of why it failed. */
  reason: z.string().optional(),
  text: z.string(),
  /** As the sender's clock says, in whole minutes; milliseconds since 1970. */
  sentAt: z.int(),
  /** When it came to our disk, by our clock; milliseconds since 1970. */
  storedAt: z.int(),
})

/** A message in the history. */
export type Entry = z.output<typeof entryShape>
/** A message with its place in the history, from 1. */
export type Numbered = readonly [number: number, entry: Entry]

const headShape = z.object({ sent: z.int() })
const waitingShape = z.object({ byteCount: z.int() })
const HEAD = "head"

/** Opens the conversation that lives in `room`. */
export async function openConversation(
  room: StoreRoom,
  options: { now: () => number },
): Promise<Conversation> {
  const conversation = new Conversation(room, options.now)
  await conversation.load()
  return conversation
}

/** See {@linkcode openConversation}. */
export class Conversation {
  readonly #room: StoreRoom
  readonly #now: () => number
  readonly #turns = new Turns()
  readonly #history
  /** By history number: what is not yet acknowledged. */
  readonly #outbox
  /** By id in hex: where a received message stands in the history. */
  readonly #seen
  readonly #heads
  /** The outbox in order, with the length of each text. */
  readonly #waiting = new Map<number, number>()
  #waitingBytes = 0
  /** What is being written into the outbox. */
  readonly #coming = { count: 0, byteCount: 0 }
  /** The last number given to a message of ours; one whose write failed leaves a gap. */
  #sent = 0

  /** For {@linkcode openConversation} only. */
  constructor(room: StoreRoom, now: () => number) {
    this.#room = room
    this.#now = now
    this.#history = room.journal("history", entryShape)
    this.#outbox = room.table("outbox", waitingShape)
    this.#seen = room.table("seen", z.int())
    this.#heads = room.table("heads", headShape)
  }

  /** For {@linkcode openConversation} only. */
  async load(): Promise<void> {
    this.#sent = (await this.#heads.get(HEAD))?.sent ?? 0
    const found: [number, number][] = []
    for await (const [key, { byteCount }] of this.#outbox.entries())
      found.push([Number(key), byteCount])
    for (const [number, byteCount] of found.sort(([a], [b]) => a - b)) this.#wait(number, byteCount)
  }

  /** How many messages are not yet acknowledged. */
  get waitingCount(): number {
    return this.#waiting.size
  }

  /** Numbers of what is not yet acknowledged, in order of sending. */
  waiting(): IterableIterator<number> {
    return this.#waiting.keys()
  }

  /**
   * Puts a text into the outbox; it is on disk when this resolves. Calls need not wait for each other: what is
   * sent at once shares a synced write, and keeps its order.
   * @throws {AlliumError} `OUTBOX_FULL`, `STORE_FULL`.
   */
  async send(text: string): Promise<Numbered> {
    const byteCount = Buffer.byteLength(text)
    this.#requireRoom(byteCount)
    const entry = this.#compose(text)
    const append = this.#history.append(entry)
    this.#coming.count++
    this.#coming.byteCount += byteCount
    try {
      await this.#room.commit([
        append,
        this.#outbox.put(String(append.sequence), { byteCount }),
        this.#heads.put(HEAD, { sent: entry.sequence }),
      ])
    } finally {
      this.#coming.count--
      this.#coming.byteCount -= byteCount
    }
    this.#wait(append.sequence, byteCount)
    return [append.sequence, entry]
  }

  /** Says of messages of ours how they ended, and takes them out of the outbox. */
  settle(
    numbers: readonly number[],
    end: { state: "delivered" } | { state: "failed"; reason: string },
  ): Promise<Numbered[]> {
    return this.#turns.take(async () => {
      const settled: Numbered[] = []
      for (const number of numbers) {
        const entry = await this.#history.get(number)
        if (entry?.state === "queued") settled.push([number, { ...entry, ...end }])
      }
      await this.#room.commit([
        ...settled.map(([number, entry]) => this.#history.put(number, entry)),
        ...numbers.map((number) => this.#outbox.remove(String(number))),
      ])
      for (const number of numbers) this.#unwait(number)
      return settled
    })
  }

  /**
   * Takes messages of the other side; on disk when this resolves, and only then may they be acknowledged.
   * @returns Those that are new, in order; the others are known already.
   */
  receive(records: readonly TextRecord[]): Promise<Numbered[]> {
    return this.#turns.take(async () => {
      const fresh = await this.#unseen(records)
      const appends = fresh.map((record) => {
        const { id, sequence, sentAt, text } = record
        const entry: Entry = {
          ...{ id, sequence, sentAt, text },
          ...{ state: "received", storedAt: this.#now() },
        }
        return { entry, change: this.#history.append(entry) }
      })
      if (appends.length > 0)
        await this.#room.commit(
          appends.flatMap(({ entry, change }) => [
            change,
            this.#seen.put(toHex(entry.id), change.sequence),
          ]),
        )
      return appends.map(({ entry, change }) => [change.sequence, entry])
    })
  }

  /** One message. */
  get(number: number): Promise<Entry | undefined> {
    return this.#history.get(number)
  }

  /** The newest `limit` messages before number `before`, oldest of them first. */
  async newest(range: { limit: number; before?: number }): Promise<Numbered[]> {
    const found: Numbered[] = []
    for await (const numbered of this.#history.read({ ...range, reverse: true }))
      found.push(numbered)
    return found.reverse()
  }

  async #unseen(records: readonly TextRecord[]): Promise<TextRecord[]> {
    const fresh = new Map<string, TextRecord>()
    for (const record of records) {
      const key = toHex(record.id)
      if (!fresh.has(key) && (await this.#seen.get(key)) === undefined) fresh.set(key, record)
    }
    return [...fresh.values()]
  }

  #compose(text: string): Entry {
    const storedAt = this.#now()
    return {
      id: new Uint8Array(randomBytes(ID_BYTES)),
      sequence: ++this.#sent,
      state: "queued",
      text,
      sentAt: Math.max(0, Math.floor(storedAt / SENT_AT_STEP_MS) * SENT_AT_STEP_MS),
      storedAt,
    }
  }

  #requireRoom(byteCount: number): void {
    const count = this.#waiting.size + this.#coming.count
    const bytes = this.#waitingBytes + this.#coming.byteCount
    if (count < OUTBOX_MESSAGES_MAX && bytes + byteCount <= OUTBOX_BYTES_MAX) return
    throw new AlliumError(
      "OUTBOX_FULL",
      `Cannot queue message: ${count} messages of ${bytes} bytes wait for this contact, expected room`,
    )
  }

  #wait(number: number, byteCount: number): void {
    this.#waiting.set(number, byteCount)
    this.#waitingBytes += byteCount
  }

  #unwait(number: number): void {
    this.#waitingBytes -= this.#waiting.get(number) ?? 0
    this.#waiting.delete(number)
  }
}

/** Bytes in lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex")
}

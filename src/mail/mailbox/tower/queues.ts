/**
 * Queues and doors: envelopes go in at the end and are taken out from the front.
 *
 * @module
 */
import { Alarm } from "../../../base/alarm.ts"
import type { Clock } from "../../../base/clock.ts"
import { AlliumError } from "../../../base/errors.ts"
import { ENVELOPE_BYTES } from "../../envelope/crypto.ts"
import { GREETING_BYTES_MAX, MOVED_BYTES_MAX } from "../limits.ts"
import type { MailCall, PutAnswer, QueueKind, StoredEnvelope } from "../mailbox.ts"
import { EMPTY_INDEX, markOf, type QueueIndex } from "./index-block.ts"
import * as limits from "./limits.ts"
import * as deeds from "./queue-deeds.ts"
import type { Head } from "./rows.ts"
import type { TowerDraft, TowerState } from "./state.ts"
import type { Writer } from "./writer.ts"

/** Envelopes a subscription reads at once. */
const PAGE_ENVELOPES = 4

/** What is put, with the id as its mark. */
export interface PutDeed {
  /** Hash of the receive id. */
  readonly key: string
  readonly id: Uint8Array
  readonly envelope: Uint8Array
}
/** Takes what a door asks for; an answer when it was not paid. */
export type Cashier = (draft: TowerDraft, at: deeds.QueueAt) => Promise<PutAnswer | undefined>

/** See the module. Keys are hashes of receive ids. */
export class Queues {
  readonly #state: TowerState
  readonly #writer: Writer<TowerDraft>
  readonly #clock: Clock
  readonly #bells = new Map<string, Set<Alarm>>()
  #closed = false

  constructor(state: TowerState, writer: Writer<TowerDraft>, clock: Clock) {
    this.#state = state
    this.#writer = writer
    this.#clock = clock
    state.grown = (key) => this.#ring(key)
  }

  /** Room for one more queue. @throws {AlliumError} `MAILBOX_FULL`. */
  requireRoom(draft: TowerDraft): void {
    deeds.requireRoom(draft)
  }

  /** To be called after {@linkcode Queues.requireRoom}. */
  async make(
    draft: TowerDraft,
    queue: { key: string; send: string; kind: QueueKind },
  ): Promise<void> {
    const { kind, send, key } = queue
    const heardS = this.#nowS()
    const fresh = { kind, send, first: 1, next: 1, oldestS: 0, heardS, greetingBytes: 0 }
    await draft.setHead(key, fresh)
    draft.setIndex(key, EMPTY_INDEX)
  }

  /** The answer when no envelope can be put there, whatever it is. */
  closedAnswer(head: Head | undefined): PutAnswer | undefined {
    if (head === undefined) return { kind: "gone" }
    return head.moved && { kind: "gone", moved: head.moved.sealed }
  }

  put({ key, id, envelope }: PutDeed, pay: Cashier): Promise<PutAnswer> {
    if (envelope.length !== ENVELOPE_BYTES)
      throw new AlliumError("BAD_INPUT", `Cannot put ${envelope.length} bytes: expected 4,096`)
    return this.#writer.run(async (draft) => {
      const head = await draft.heads.get(key)
      const closed = this.closedAnswer(head)
      if (closed !== undefined || head === undefined) return closed ?? { kind: "gone" }
      const index = await draft.index(key)
      if (index.has(markOf(id))) return { kind: "duplicate" }
      if (deeds.isFull(head) || !draft.hasRoom(ENVELOPE_BYTES)) return { kind: "full" }
      const unpaid = head.kind === "door" ? await pay(draft, { key, head, index }) : undefined
      if (unpaid !== undefined) return unpaid
      await deeds.append(draft, { key, head, index }, { id, envelope, atS: this.#nowS() })
      return { kind: "ok" }
    })
  }

  async get(key: string, range: { after: number; limit: number }): Promise<StoredEnvelope[]> {
    const head = this.owned(key)
    const found = await this.#page(key, head, range)
    await this.#hear(key)
    return found
  }

  /** Ends when the signal aborts. @throws {AlliumError} `NO_QUEUE`, also when the queue ends meanwhile. */
  async *subscribe(
    key: string,
    range: { after: number },
    call: MailCall & { clock: Clock },
  ): AsyncGenerator<StoredEnvelope, void> {
    const bell = this.#hang(key)
    try {
      this.owned(key)
      await this.#hear(key)
      for (let { after } = range; !this.#isOverFor(call); ) {
        const head = this.owned(key)
        const page = await this.#page(key, head, { after, limit: PAGE_ENVELOPES })
        for (const stored of page) {
          if (this.#isOverFor(call)) return
          after = stored.number
          yield stored
        }
        if (page.length === 0) await bell.wait(call).catch(() => {})
      }
    } finally {
      this.#unhang(key, bell)
    }
  }

  acknowledge(key: string, upTo: number): Promise<void> {
    return this.#asOwner(key, (draft, head) => deeds.drop(draft, key, head, upTo + 1))
  }

  remove(key: string): Promise<void> {
    return this.#asOwner(key, (draft, head) => deeds.end(draft, key, head))
  }

  move(key: string, sealed: Uint8Array): Promise<void> {
    requireLength("place", sealed, MOVED_BYTES_MAX)
    return this.#asOwner(key, (draft, head) =>
      draft.setHead(key, { ...head, moved: { sealed, atS: this.#nowS() } }),
    )
  }

  setGreeting(key: string, greeting: Uint8Array): Promise<void> {
    requireLength("greeting", greeting, GREETING_BYTES_MAX)
    return this.#asDoorkeeper(key, async (draft, head) => {
      deeds.requireRoom(draft, greeting.length - head.greetingBytes)
      draft.greetings.put(key, greeting)
      await draft.setHead(key, { ...head, greetingBytes: greeting.length })
    })
  }

  addTicket(key: string, ticketHash: Uint8Array): Promise<void> {
    return this.#asDoorkeeper(key, async (draft) => {
      const waiting = (await draft.tickets.get(key)) ?? []
      if (waiting.some((one) => Buffer.compare(one, ticketHash) === 0)) return
      if (waiting.length >= limits.DOOR_TICKETS_MAX)
        throw new AlliumError("MAILBOX_FULL", "Cannot add ticket: too many wait at this door")
      draft.tickets.put(key, [...waiting, ticketHash])
    })
  }

  /** Subscriptions end. */
  close(): void {
    this.#closed = true
    for (const key of this.#bells.keys()) this.#ring(key)
  }

  /** Ends what has expired, and drops envelopes that are too old. */
  async sweep(signal: AbortSignal): Promise<void> {
    for (const key of [...this.#state.heads.keys()]) {
      if (signal.aborted) return
      const head = this.#state.heads.get(key)
      if (head === undefined) continue
      if (this.#bells.has(key)) await this.#hear(key)
      const nowS = this.#nowS()
      if (deeds.isDue(head, nowS)) await this.#writer.run((draft) => deeds.expire(draft, key, nowS))
    }
  }

  /** @throws {AlliumError} `NO_QUEUE` when no queue of an owner has this key. */
  owned(key: string): Head {
    return deeds.requireOwned(this.#state.heads.get(key))
  }

  async #page(
    key: string,
    head: Head,
    { after, limit }: { after: number; limit: number },
  ): Promise<StoredEnvelope[]> {
    const first = Math.max(after + 1, head.first)
    const count = Math.max(0, Math.min(limit, head.next - first))
    if (count === 0) return []
    const index = await this.#state.index(key)
    const found = await Promise.all(
      Array.from({ length: count }, (_, at) => this.#read(index, first + at)),
    )
    return found.filter((stored) => stored !== undefined)
  }

  /** `undefined` when it was taken out meanwhile. */
  async #read(index: QueueIndex, number: number): Promise<StoredEnvelope | undefined> {
    const entry = index.entry(number)
    const envelope = entry && (await this.#state.tables.envelopes.get(entry.sequence))
    return envelope && { number, envelope }
  }

  #asOwner(key: string, deed: (draft: TowerDraft, head: Head) => Promise<void>): Promise<void> {
    return this.#writer.run(async (draft) => {
      const head = deeds.requireOwned(await draft.heads.get(key))
      const heardS = this.#nowS()
      const isLate = head.heardS + limits.HEARD_EVERY_S <= heardS
      const heard = isLate ? { ...head, heardS } : head
      if (isLate) await draft.setHead(key, heard)
      await deed(draft, heard)
    })
  }

  #asDoorkeeper(
    key: string,
    deed: (draft: TowerDraft, head: Head) => Promise<void>,
  ): Promise<void> {
    return this.#asOwner(key, async (draft, head) => {
      if (head.kind === "door") return deed(draft, head)
      throw new AlliumError("MAILBOX_REFUSED", "Cannot do that: the queue is no door")
    })
  }

  /** The owner was heard: its life begins anew, as exactly as an hour. */
  async #hear(key: string): Promise<void> {
    const heardS = this.#nowS()
    const head = this.#state.heads.get(key)
    if (head === undefined || head.heardS + limits.HEARD_EVERY_S > heardS) return
    await this.#writer.run(async (draft) => {
      const now = await draft.heads.get(key)
      if (now !== undefined) await draft.setHead(key, { ...now, heardS })
    })
  }

  #isOverFor({ signal }: MailCall): boolean {
    return signal.aborted || this.#closed
  }

  #ring(key: string): void {
    for (const bell of this.#bells.get(key) ?? []) bell.ring()
  }

  #hang(key: string): Alarm {
    const bell = new Alarm()
    const bells = this.#bells.get(key) ?? new Set()
    this.#bells.set(key, bells.add(bell))
    return bell
  }

  #unhang(key: string, bell: Alarm): void {
    const bells = this.#bells.get(key)
    bells?.delete(bell)
    if (bells?.size === 0) this.#bells.delete(key)
  }

  #nowS(): number {
    return Math.floor(this.#clock.now() / 1_000)
  }
}

function requireLength(what: string, bytes: Uint8Array, max: number): void {
  if (bytes.length <= max) return
  throw new AlliumError("TOO_LARGE", `Cannot keep ${what}: it has ${bytes.length} bytes`)
}

/**
 * The engine of a tower: a mailbox for others, on a store of its own.
 *
 * Ids, keys, tokens and invitations are kept as hashes only. What is answered is on disk.
 *
 * @see docs/protocol/mailbox.md#what-a-tower-keeps
 * @module
 */
import type { Clock } from "../../../base/clock.ts"
import { AlliumError } from "../../../base/errors.ts"
import type { RandomBytes } from "../../../base/random.ts"
import type { StoreRoom } from "../../../store/store.ts"
import type { Mailbox, MailCall, NewQueue, PutAnswer } from "../mailbox.ts"
import { Blobs } from "./blobs.ts"
import { Doors } from "./doors.ts"
import { hashText } from "./hash.ts"
import { QUEUE_LIFE_S, SWEEP_EVERY_MS, TOWER_LIMITS, type TowerLimits } from "./limits.ts"
import { Queues } from "./queues.ts"
import { openTables } from "./rows.ts"
import { TowerDraft, TowerState } from "./state.ts"
import { type Invitation, Tills } from "./tills.ts"
import { Writer } from "./writer.ts"

/** What a tower stands on. */
export interface TowerOptions {
  /** Its own room: nothing else is in it. */
  readonly store: StoreRoom
  readonly clock: Clock
  readonly random: RandomBytes
  readonly limits?: Partial<TowerLimits>
}

/** How a tower stands. */
export interface TowerReport {
  /** Doors and moved queues included. */
  readonly queues: number
  readonly envelopes: number
  /** As the cap counts them: envelopes, greetings, blobs, and 4,096 for each queue. */
  readonly bytes: number
  readonly capBytes: number
}

/** A mailbox for others, and what its owner may do. */
export interface TowerEngine extends Mailbox, AsyncDisposable {
  /**
   * Invites a friend to take so many tokens, at most 10,000.
   * @returns The secret, 32 bytes; only its hash is kept. @throws {AlliumError} `BAD_INPUT`, `LIMIT_REACHED`.
   */
  makeInvitation(count: number, label?: string): Promise<Uint8Array>
  listInvitations(): Promise<Invitation[]>
  /** Tokens that were given out stay good. @throws {AlliumError} `NOT_FOUND`. */
  revokeInvitation(name: string): Promise<void>
  report(): TowerReport
}

/**
 * Opens a tower on its room. The store stays the caller's.
 * @throws {AlliumError} `STORE_DAMAGED`, `STORE_FULL`.
 */
export async function openTowerEngine(options: TowerOptions): Promise<TowerEngine> {
  const limits = { ...TOWER_LIMITS, ...options.limits }
  const state = new TowerState(options.store, openTables(options.store), limits)
  await state.load()
  const writer = new Writer(() => new TowerDraft(state))
  const tills = new Tills(state, writer, options)
  const { door } = await tills.keys()
  return new Engine({ ...options, state, writer, tills, door })
}

interface Parts extends TowerOptions {
  readonly state: TowerState
  readonly writer: Writer<TowerDraft>
  readonly tills: Tills
  /** Makes challenges. */
  readonly door: Uint8Array
}

class Engine implements TowerEngine {
  readonly #parts: Parts
  readonly #queues: Queues
  readonly #doors: Doors
  readonly #blobs: Blobs
  readonly #abort = new AbortController()
  readonly #sweeping: Promise<void>

  constructor(parts: Parts) {
    const { state, writer, clock, tills, door } = parts
    this.#parts = parts
    this.#queues = new Queues(state, writer, clock)
    this.#doors = new Doors(state, clock, door)
    this.#blobs = new Blobs(state, writer, tills, clock)
    this.#sweeping = this.#sweep()
  }

  async make({ kind, token }: Parameters<Mailbox["make"]>[0], call: MailCall): Promise<NewQueue> {
    const { tills, writer, random, clock } = this.#parts
    if (token === undefined) throw new AlliumError("BAD_TOKEN", "Cannot make queue: no token came")
    await tills.check(token)
    call.signal.throwIfAborted()
    const [receiveId, sendId] = [random(32), random(32)]
    const queue = { key: hashText("receive", receiveId), send: hashText("send", sendId), kind }
    await writer.run(async (draft) => {
      this.#queues.requireRoom(draft)
      await tills.spend(draft, token)
      await this.#queues.make(draft, queue)
    })
    return { receiveId, sendId, expiresS: Math.floor(clock.now() / 1_000) + QUEUE_LIFE_S }
  }

  async put(item: Parameters<Mailbox["put"]>[0], call: MailCall): Promise<PutAnswer> {
    const { sendId, id, envelope, toll } = item
    const key = this.#parts.state.bySend.get(hashText("send", sendId))
    const head = key === undefined ? undefined : this.#parts.state.heads.get(key)
    const closed = this.#queues.closedAnswer(head)
    if (closed !== undefined || key === undefined || head === undefined)
      return closed ?? { kind: "gone" }
    const put = { key, id, envelope }
    if (head.kind === "queue") return this.#queues.put(put, async () => undefined)
    return this.#queues.put(put, await this.#doors.cashier(head, put, toll, call))
  }

  get(receiveId: Uint8Array, range: { after: number; limit: number }) {
    return this.#queues.get(hashText("receive", receiveId), range)
  }

  subscribe(receiveId: Uint8Array, range: { after: number }, { signal }: MailCall) {
    const call = { signal, clock: this.#parts.clock }
    return this.#queues.subscribe(hashText("receive", receiveId), range, call)
  }

  acknowledge(receiveId: Uint8Array, upTo: number): Promise<void> {
    return this.#queues.acknowledge(hashText("receive", receiveId), upTo)
  }

  remove(receiveId: Uint8Array): Promise<void> {
    return this.#queues.remove(hashText("receive", receiveId))
  }

  async move(receiveId: Uint8Array, sealed: Uint8Array): Promise<void> {
    await this.#queues.move(hashText("receive", receiveId), sealed)
  }

  async setGreeting(receiveId: Uint8Array, greeting: Uint8Array): Promise<void> {
    await this.#queues.setGreeting(hashText("receive", receiveId), greeting)
  }

  async greeting(sendId: Uint8Array): Promise<Uint8Array | undefined> {
    const key = this.#parts.state.bySend.get(hashText("send", sendId))
    return key === undefined ? undefined : this.#parts.state.tables.greetings.get(key)
  }

  addTicket(receiveId: Uint8Array, ticketHash: Uint8Array): Promise<void> {
    return this.#queues.addTicket(hashText("receive", receiveId), ticketHash)
  }

  putBlob(blob: Parameters<Mailbox["putBlob"]>[0]): Promise<void> {
    return this.#blobs.put(blob)
  }

  getBlob(id: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#blobs.get(id)
  }

  issueTokens(wish: Parameters<Mailbox["issueTokens"]>[0]) {
    return this.#parts.tills.issue(wish)
  }

  tokenKey() {
    return this.#parts.tills.tokenKey()
  }

  makeInvitation(count: number, label?: string): Promise<Uint8Array> {
    return this.#parts.tills.invite(count, label)
  }

  listInvitations(): Promise<Invitation[]> {
    return this.#parts.tills.invitations()
  }

  revokeInvitation(name: string): Promise<void> {
    return this.#parts.tills.revoke(name)
  }

  report(): TowerReport {
    const { sums, limits } = this.#parts.state
    return { ...sums, capBytes: limits.capBytes }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    this.#queues.close()
    await this.#sweeping
    await this.#parts.writer.close()
  }

  /** What cannot be swept now (the disk is full) is swept an hour later. */
  async #sweep(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      const look = [this.#queues, this.#blobs, this.#parts.tills]
      for (const room of look) await room.sweep(signal).catch(() => {})
      await this.#parts.clock.sleep(SWEEP_EVERY_MS, { signal }).catch(() => {})
    }
  }
}

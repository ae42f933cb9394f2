/**
 * Keeps one tower of an identity: makes a queue for each correspondent there, pulls them, and empties them when the identity moves on.
 *
 * @module
 */
import { Alarm } from "../base/alarm.ts"
import { openBackoff } from "../base/backoff.ts"
import type { Clock } from "../base/clock.ts"
import { isAlliumError, toAlliumError } from "../base/errors.ts"
import { keepTrying } from "../base/keep-trying.ts"
import type { Log } from "../base/log.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { Slots } from "../base/turns.ts"
import type { Mailbox, MailCall, TokenKey } from "../mail/mailbox/mailbox.ts"
import type { QueueRecord, TowerBook, TowerRecord } from "./tower-book.ts"
import type { Reached, TowerLine } from "./tower-line.ts"
import { pullQueue } from "./tower-pull.ts"
import type { TokenPurse } from "./tower-tokens.ts"
import type { TowerAddress } from "./tower-uri.ts"

/** A tower that is away is asked about every five minutes. */
const RETRY = { firstMs: 3_000, mostMs: 300_000, factor: 1.5 } as const
/** Queues that are made, moved or removed at once. */
const AT_ONCE = 8
/** Between two looks at queues that moved, until they are empty. */
const LOOK_MS = 5_000
/** After a fault of the tower's own: no room, or no tokens. */
const FAULT_MS = 600_000
/** A tower that was left for no other is pulled for this long: contacts may be away. */
export const LEFT_GRACE_MS = 7 * 86_400_000
/** A tower that was left and does not answer is forgotten after this; it keeps envelopes no longer. */
export const LEFT_DEAD_MS = 30 * 86_400_000

/** Facts about the way to a tower. */
export interface TowerHealth {
  /** `opening`: not reached yet. `up`: a link stands. `away`: the last try failed. */
  readonly state: "opening" | "up" | "away"
  readonly reason?: string
}

/** What a keeper stands on. */
export interface TowerKeeperOptions {
  /** As it is now. */
  readonly tower: () => TowerRecord
  readonly book: TowerBook
  readonly line: TowerLine
  readonly purse: TokenPurse
  /** What the tower tells others to be its key. */
  readonly tokenKey: (tower: TowerAddress, call: MailCall) => Promise<TokenKey>
  /** Correspondents who are to have a queue. */
  readonly peers: () => readonly string[]
  readonly take: (peer: string, envelope: Uint8Array) => Promise<unknown>
  /** Of a tower that was left: the new place of a queue, sealed; `undefined` while there is none. */
  readonly sealedPlace: (queue: QueueRecord) => Uint8Array | undefined
  /** Queues were made or lost: contacts must hear of it. */
  readonly placesChanged: () => void
  /** A tower that was left has nothing of ours any more. */
  readonly emptied: () => void
  readonly onHealth: () => void
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
}

/** See the module; begins at once. */
export class TowerKeeper implements AsyncDisposable {
  readonly #options: TowerKeeperOptions
  readonly #scope = new Scope()
  readonly #alarm = new Alarm()
  readonly #ended: Promise<void>
  #pulling = new Map<string, AbortController>()
  #health: TowerHealth = { state: "opening" }
  #fault: string | undefined

  constructor(options: TowerKeeperOptions) {
    this.#options = options
    this.#ended = this.#run().catch(() => {})
  }

  /** How the tower is; a fault of the tower's own answers shows while the link stands. */
  get health(): TowerHealth {
    return this.#fault === undefined ? this.#health : { ...this.#health, reason: this.#fault }
  }

  /** Contacts, tokens or the tower's own state changed. */
  ring(): void {
    this.#alarm.ring()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close()
    await this.#ended
  }

  async #run(): Promise<void> {
    const { clock, chance, line, tower } = this.#options
    const { signal } = this.#scope
    const backoff = openBackoff({ ...RETRY, chance })
    const attempt = async () => {
      if (this.#isOver()) return "done" as const
      const reached = await line.reach(tower(), { signal })
      backoff.reset()
      this.#tell({ state: "up" })
      await this.#serve(reached)
      return this.#isOver() ? ("done" as const) : ("again" as const)
    }
    const failed = (error: unknown) =>
      this.#tell({ state: "away", reason: toAlliumError(error).code })
    await keepTrying(attempt, { clock, signal, backoff, alarm: this.#alarm, failed })
    if (!signal.aborted) this.#options.emptied()
  }

  #isOver(): boolean {
    const { tower, book, clock } = this.#options
    const { state, sinceMs, id } = tower()
    if (state === "used") return false
    return book.queues(id).length === 0 || clock.now() - sinceMs > LEFT_DEAD_MS
  }

  /** Until the link is lost, or nothing is left to do. */
  async #serve({ mailbox, lost }: Reached): Promise<void> {
    const life = new AbortController()
    const signal = AbortSignal.any([this.#scope.signal, lost, life.signal])
    this.#pulling = new Map()
    try {
      while (!signal.aborted && !this.#isOver()) {
        await this.#tend(mailbox, { signal })
        await this.#alarm.wait({ signal, clock: this.#options.clock, ...this.#patience() })
      }
    } catch (error) {
      if (!lost.aborted) throw error
    } finally {
      life.abort()
      if (lost.aborted) this.#tell({ state: "away", reason: "LINK_LOST" })
    }
  }

  #patience(): { atMostMs?: number } {
    if (this.#queues().some(({ state }) => state === "moved")) return { atMostMs: LOOK_MS }
    return this.#fault === undefined && !this.#moving() ? {} : { atMostMs: FAULT_MS }
  }

  #moving(): boolean {
    return this.#options.tower().state === "left"
  }

  async #tend(mailbox: Mailbox, call: MailCall): Promise<void> {
    this.#fault = undefined
    for (const queue of this.#queues()) this.#pull(queue, mailbox, call)
    const made = this.#moving() ? [] : this.#missing()
    await this.#each(made, (peer) => this.#make(peer, mailbox, call), call)
    if (made.length > 0) this.#options.placesChanged()
    const before = new Set(this.#queues())
    await this.#each([...before], (queue) => this.#settle(queue, mailbox, call), call)
    const after = this.#queues()
    const same = after.length === before.size && after.every((queue) => before.has(queue))
    if (!same) this.ring()
    this.#options.onHealth()
  }

  /** Runs `deed` for each, several at once; the first fault of the tower's own is kept and shown. */
  async #each<T>(
    items: readonly T[],
    deed: (item: T) => Promise<void>,
    call: MailCall,
  ): Promise<void> {
    const slots = new Slots(AT_ONCE)
    const careful = async (item: T) => {
      if (this.#fault === "BAD_TOKEN" || this.#fault === "MAILBOX_FULL") return
      await deed(item).catch((error: unknown) => {
        call.signal.throwIfAborted()
        this.#fault = toAlliumError(error).code
      })
    }
    await Promise.all(items.map((item) => slots.take(() => careful(item), call)))
  }

  #queues(): readonly QueueRecord[] {
    const { book, tower } = this.#options
    return book.queues(tower().id)
  }

  #missing(): string[] {
    const { book, peers, tower } = this.#options
    return peers().filter((peer) => book.queue(tower().id, peer) === undefined)
  }

  async #make(peer: string, mailbox: Mailbox, call: MailCall): Promise<void> {
    const { book, purse, random, tower, tokenKey } = this.#options
    const { id, invitation } = tower()
    const source = { mailbox, invitation, key: (how: MailCall) => tokenKey(tower(), how) }
    const { receiveId, sendId } = await purse.spend(id, source, call, (token) =>
      mailbox.make({ kind: "queue", token }, call),
    )
    const ids = { receiveId: new Uint8Array(receiveId), sendId: new Uint8Array(sendId) }
    const moveKey = new Uint8Array(random(32))
    const queue: QueueRecord = { tower: id, peer, ...ids, moveKey, state: "open" }
    await book.putQueue(queue)
    this.#pull(queue, mailbox, call)
  }

  /** Brings a queue that is not to stay one step nearer to its end. */
  async #settle(queue: QueueRecord, mailbox: Mailbox, call: MailCall): Promise<void> {
    const { book, sealedPlace, tower, clock } = this.#options
    if (queue.state === "ended") return this.#end(queue, mailbox, call)
    if (queue.state === "moved") return this.#dropEmpty(queue, mailbox, call)
    if (tower().state === "used") return
    const sealed = sealedPlace(queue)
    if (sealed !== undefined) {
      await mailbox.move(queue.receiveId, sealed, call)
      await book.putQueue({ ...queue, state: "moved" })
    } else if (tower().successor === undefined && clock.now() - tower().sinceMs > LEFT_GRACE_MS)
      await book.putQueue({ ...queue, state: "ended" })
  }

  async #end(queue: QueueRecord, mailbox: Mailbox, call: MailCall): Promise<void> {
    this.#pulling.get(queue.peer)?.abort()
    await mailbox.remove(queue.receiveId, call).catch((error: unknown) => {
      if (!isAlliumError(error, "NO_QUEUE")) throw error
    })
    await this.#options.book.removeQueue(queue)
  }

  /** Nothing can be put any more; what says where to stays at the tower until it ends by itself. */
  async #dropEmpty(queue: QueueRecord, mailbox: Mailbox, call: MailCall): Promise<void> {
    const left = await mailbox
      .get(queue.receiveId, { after: 0, limit: 1 }, call)
      .catch((error: unknown) => {
        if (isAlliumError(error, "NO_QUEUE")) return []
        throw error
      })
    if (left.length > 0) return
    this.#pulling.get(queue.peer)?.abort()
    await this.#options.book.removeQueue(queue)
  }

  #pull(queue: QueueRecord, mailbox: Mailbox, call: MailCall): void {
    const { peer } = queue
    if (this.#pulling.has(peer) || queue.state === "ended") return
    const abort = new AbortController()
    this.#pulling.set(peer, abort)
    const signal = AbortSignal.any([call.signal, abort.signal])
    const failed = (error: unknown) => this.#debug("pull.failed", error)
    const { take, clock, chance } = this.#options
    void pullQueue({ queue, mailbox, take, signal, failed, clock, chance })
      .then((fate) => (fate === "gone" ? this.#lostQueue(queue) : undefined))
      .catch((error: unknown) => this.#debug("pull.ended", error))
  }

  /** The tower forgot it: another one is made, if it is still wanted. */
  async #lostQueue(queue: QueueRecord): Promise<void> {
    this.#pulling.delete(queue.peer)
    await this.#options.book.removeQueue(queue)
    this.ring()
  }

  #tell(health: TowerHealth): void {
    const before = this.#health
    this.#health = health
    this.#fault = undefined
    if (before.state === health.state && before.reason === health.reason) return
    const { state, reason } = health
    this.#options.log.info("tower.state", { state, ...(reason && { code: reason }) })
    this.#options.onHealth()
  }

  #debug(event: string, error: unknown): void {
    if (!this.#scope.signal.aborted)
      this.#options.log.debug(`tower.${event}`, { code: toAlliumError(error).code })
  }
}

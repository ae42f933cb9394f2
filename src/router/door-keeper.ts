/**
 * Keeps the doors of an identity at one tower: makes them, leaves greetings, takes what strangers put, and removes them.
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
import type { EnvelopeCrypto, MailSelf } from "../mail/envelope/crypto.ts"
import type { Mailbox, MailCall, NewQueue } from "../mail/mailbox/mailbox.ts"
import { type DoorBook, type DoorRecord, nameOfDoor } from "./door-book.ts"
import { writeGreeting } from "./door-greeting.ts"
import { currentKeys, forgetKeys } from "./door-keys.ts"
import { sealDoorMove } from "./door-move.ts"
import type { DoorPlace } from "./given.ts"
import type { TowerLine } from "./tower-line.ts"
import { pullQueue } from "./tower-pull.ts"
import type { TowerAddress } from "./tower-uri.ts"

/** A tower that is away is asked about every five minutes. */
const RETRY = { firstMs: 3_000, mostMs: 300_000, factor: 1.5 } as const
/** Between two looks whether prekeys are too old, and after a fault of the tower's own. */
const LOOK_MS = 600_000

/** What a keeper stands on. */
export interface DoorKeeperOptions {
  readonly tower: TowerAddress
  readonly book: DoorBook
  /** From addresses of its own: who knows the card knows the door, and must not learn which queues are ours. */
  readonly openLine: () => TowerLine
  /** Our keys that count now. */
  readonly self: () => MailSelf & { readonly key: string }
  readonly crypto: Pick<EnvelopeCrypto, "makePrekeys" | "ownerOf">
  /** Cards that are to have a door here and have none. */
  readonly missing: () => readonly string[]
  /** Makes a door with a token. */
  readonly pay: (
    call: MailCall,
    deed: (token: Uint8Array) => Promise<NewQueue>,
  ) => Promise<NewQueue>
  /** A signed card that names the tower. */
  readonly card: () => Promise<string>
  /** Where the card of a door is held now that its tower was left; `undefined` when nowhere, or withdrawn. */
  readonly successor: (door: DoorRecord) => DoorPlace | undefined
  /** Told when a door came or went. */
  readonly onDoors: () => void
  /** On our disk when it resolves. */
  readonly take: (door: DoorRecord, envelope: Uint8Array) => Promise<void>
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
}

/** See the module; begins at once. */
export class DoorKeeper implements AsyncDisposable {
  readonly #options: DoorKeeperOptions
  readonly #scope = new Scope()
  readonly #alarm = new Alarm()
  readonly #ended: Promise<void>
  #pulling = new Map<string, AbortController>()
  /** Code of the last failure; `undefined` while all is well. */
  fault: string | undefined

  constructor(options: DoorKeeperOptions) {
    this.#options = options
    this.#ended = this.#run().catch(() => {})
  }

  /** Cards or towers changed. */
  ring(): void {
    this.#alarm.ring()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.close()
    await this.#ended
  }

  async #run(): Promise<void> {
    const { clock, openLine } = this.#options
    const { signal } = this.#scope
    while (!signal.aborted) {
      while (!this.#hasWork()) await this.#alarm.wait({ signal, clock })
      await using line = openLine() // ends, with its address, when there are no doors any more
      await this.#keep(line)
    }
  }

  async #keep(line: TowerLine): Promise<void> {
    const { clock, chance, tower } = this.#options
    const { signal } = this.#scope
    const backoff = openBackoff({ ...RETRY, chance })
    const attempt = async () => {
      if (!this.#hasWork()) return "done" as const
      const { mailbox, lost } = await line.reach(tower, { signal })
      backoff.reset()
      await this.#serve(mailbox, lost)
      return this.#hasWork() ? ("again" as const) : ("done" as const)
    }
    const failed = (error: unknown) => this.#failed("away", error)
    await keepTrying(attempt, { clock, signal, backoff, alarm: this.#alarm, failed })
  }

  #hasWork(): boolean {
    return this.#doors().length > 0 || this.#options.missing().length > 0
  }

  #doors(): DoorRecord[] {
    const { book, tower } = this.#options
    return [...book.doors.rows.values()].filter((door) => door.tower.key === tower.key)
  }

  async #serve(mailbox: Mailbox, lost: AbortSignal): Promise<void> {
    const life = new AbortController()
    const signal = AbortSignal.any([this.#scope.signal, lost, life.signal])
    this.#pulling = new Map()
    try {
      while (!signal.aborted && this.#hasWork()) {
        await this.#tend(mailbox, { signal })
        await this.#alarm.wait({ signal, clock: this.#options.clock, atMostMs: LOOK_MS })
      }
    } catch (error) {
      if (!lost.aborted) throw error
    } finally {
      life.abort()
    }
  }

  /** One door that fails must not keep the others from their strangers. */
  async #tend(mailbox: Mailbox, call: MailCall): Promise<void> {
    this.fault = undefined
    for (const card of this.#options.missing())
      await this.#careful(call, () => this.#make(card, mailbox, call))
    for (const door of this.#doors())
      await this.#careful(call, () => this.#tendOne(door, mailbox, call))
  }

  async #careful(call: MailCall, deed: () => Promise<void>): Promise<void> {
    try {
      await deed()
    } catch (error) {
      call.signal.throwIfAborted()
      this.#failed("door", error)
    }
  }

  async #make(card: string, mailbox: Mailbox, call: MailCall): Promise<void> {
    const { book, pay, tower } = this.#options
    const made = await pay(call, (token) => mailbox.make({ kind: "door", token }, call))
    const receiveId = new Uint8Array(made.receiveId)
    const sendId = new Uint8Array(made.sendId)
    const { key, address } = tower
    const door: DoorRecord = { card, tower: { key, address }, receiveId, sendId, state: "open" }
    // A backup may have come back meanwhile.
    if (!(await book.addDoor(door))) return mailbox.remove(receiveId, call)
    this.#options.onDoors()
  }

  async #tendOne(door: DoorRecord, mailbox: Mailbox, call: MailCall): Promise<void> {
    if (door.state === "ended") return this.#end(door, mailbox, call)
    await this.#greet(door, mailbox, call)
    this.#pull(door, mailbox, call)
    await this.#announce(door, mailbox, call)
  }

  /** Tickets of those who were introduced to us; who finds no room for theirs works. */
  async #announce(door: DoorRecord, mailbox: Mailbox, call: MailCall): Promise<void> {
    const { tickets, commit } = this.#options.book
    for (const [name, ticket] of tickets.rows) {
      if (ticket.door !== nameOfDoor(door)) continue
      await mailbox.addTicket(door.receiveId, ticket.hash, call).catch((error: unknown) => {
        if (!isAlliumError(error, "MAILBOX_FULL", "NO_QUEUE")) throw error
      })
      await commit(tickets.remove(name))
    }
  }

  /** The prekeys are on disk before anybody can use them. */
  async #greet(door: DoorRecord, mailbox: Mailbox, call: MailCall): Promise<void> {
    const { book, crypto, clock, card, random } = this.#options
    const self = this.#options.self()
    const name = nameOfDoor(door)
    const nowMs = clock.now()
    const { id, keys, edits } = currentKeys(book, name, { crypto, self, nowMs })
    await book.commit(...edits)
    if (door.greeted === id) return
    const { key } = self
    const { sendId, receiveId } = door
    const greeting = { bundle: keys.bundle, card: await card() }
    try {
      await mailbox.setGreeting(receiveId, writeGreeting({ key, sendId }, greeting, random), call)
    } catch (error) {
      if (isAlliumError(error, "NO_QUEUE")) return this.#lost(door)
      throw error
    }
    await this.#change(door, (now) => ({ ...now, greeted: id }))
  }

  async #end(door: DoorRecord, mailbox: Mailbox, call: MailCall): Promise<void> {
    this.#pulling.get(idOf(door))?.abort()
    try {
      await this.#leaveNote(door, mailbox, call)
      await mailbox.remove(door.receiveId, call)
    } catch (error) {
      if (!isAlliumError(error, "NO_QUEUE")) throw error
    }
    await this.#forget(door)
  }

  /** Who comes with the card later hears where to ask. */
  async #leaveNote(door: DoorRecord, mailbox: Mailbox, call: MailCall): Promise<void> {
    const { successor, self, random } = this.#options
    const next = successor(door)
    if (next === undefined) return
    const old = { key: self().key, sendId: door.sendId }
    await mailbox.move(door.receiveId, sealDoorMove(old, next, random), call)
  }

  #pull(door: DoorRecord, mailbox: Mailbox, call: MailCall): void {
    const name = nameOfDoor(door)
    if (this.#pulling.has(idOf(door))) return
    const abort = new AbortController()
    this.#pulling.set(idOf(door), abort)
    const { clock, chance, take } = this.#options
    void pullQueue({
      queue: { receiveId: door.receiveId, peer: name },
      mailbox,
      take: (_, envelope) => take(door, envelope),
      signal: AbortSignal.any([call.signal, abort.signal]),
      failed: (error) => this.#failed("pull", error),
      ...{ clock, chance },
    })
      .then((fate) => (fate === "gone" ? this.#lost(door) : undefined))
      .catch((error: unknown) => this.#failed("pull", error))
  }

  /** The tower forgot it: another one is made, with another address. */
  async #lost(door: DoorRecord): Promise<void> {
    this.#options.log.warn("door.lost", {})
    this.#pulling.get(idOf(door))?.abort()
    await this.#forget(door)
    this.ring()
  }

  async #forget(door: DoorRecord): Promise<void> {
    const { book } = this.#options
    const name = nameOfDoor(door)
    const change = (now: DoorRecord) => (isSame(now, door) ? ("gone" as const) : undefined)
    await book.changeDoor(name, change, () => forgetKeys(book, name))
    this.#pulling.delete(idOf(door))
    this.#options.onDoors()
  }

  /** Only while it is still that door: the user may have withdrawn the card meanwhile. */
  async #change(door: DoorRecord, change: (now: DoorRecord) => DoorRecord): Promise<void> {
    await this.#options.book.changeDoor(nameOfDoor(door), (now) =>
      isSame(now, door) ? change(now) : undefined,
    )
  }

  #failed(event: string, error: unknown): void {
    if (this.#scope.signal.aborted) return
    this.fault = toAlliumError(error).code
    this.#options.log.debug(`door.${event}`, { code: this.fault })
  }
}

function idOf({ receiveId }: DoorRecord): string {
  return Buffer.from(receiveId).toString("hex")
}

function isSame(one: DoorRecord, other: DoorRecord): boolean {
  return Buffer.compare(one.receiveId, other.receiveId) === 0
}

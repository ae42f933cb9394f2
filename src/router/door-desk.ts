/**
 * The doors of one identity: cards that are held at a tower, who asks there, and whom we ask at doors of others.
 *
 * @see docs/protocol/contact.md "At a tower"
 * @module
 */
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { type ContactBook, presentKeyOf } from "../identity/contacts.ts"
import type { DoorBook as CardBook, Door } from "../identity/doors.ts"
import type { Identity, IdentityKeys } from "../identity/identity.ts"
import type { EnvelopeCrypto } from "../mail/envelope/crypto.ts"
import type { Introduction, Place, Post } from "../mail/post/post.ts"
import type { Change, StoreRoom } from "../store/store.ts"
import { carryNo, NOES_MAX, sealNo, writeYes } from "./door-answers.ts"
import { askAtDoor } from "./door-asking.ts"
import { type AskRecord, type DoorBook, openDoorsBook } from "./door-book.ts"
import { Errands } from "./door-errands.ts"
import { type DoorRequestRead, writeRequest } from "./door-request.ts"
import { CONTACTS_TOPIC } from "./introduction-letters.ts"
import { devicesOf } from "./mail-devices.ts"
import { OwnDoors } from "./own-doors.ts"
import type { TowerDesk } from "./tower-desk.ts"
import type { TowerLine } from "./tower-line.ts"

/** As long as any place is. */
const LONGEST_PLACE: Place = {
  kind: "tower",
  key: "A".repeat(43),
  address: `${"a".repeat(52)}.b32.i2p`,
  sendId: new Uint8Array(32),
  moveKey: new Uint8Array(32),
}

/** Somebody asks at a door of ours. */
export interface DoorArrival extends DoorRequestRead {
  readonly identity: Identity
  /** The card they have, which is good. */
  readonly door: Door
  /** Version of our key by which they know us. */
  readonly told: number
  /** To be committed with what becomes of it. */
  readonly also: readonly Change[]
}

/** A change that is to be committed with others, and what to do when it is on disk. */
export interface Deed {
  readonly changes: readonly Change[]
  readonly done: () => void
}

/** Whom we ask, where, and with what words. */
export type AskWish = Pick<AskRecord, "key" | "tower" | "greeting" | "ownName" | "ticket">

/** How a request of ours stands; facts only. */
export interface AskReport {
  readonly state: AskRecord["state"]
  /** Code of the last failure. */
  readonly reason?: string
}

/** See the module. */
export interface DoorDesk extends AsyncDisposable {
  /** Begins to reach towers; once. */
  start(): void
  /** Cards, towers, reach or contacts changed. */
  changed(): void
  /** Our own doors, which end with the desk. */
  readonly own: OwnDoors
  /** @throws {AlliumError} `TOO_LARGE` when the request would not fit one envelope. */
  ask(wish: AskWish): Promise<Deed>
  /** How a request of ours stands. */
  asking(key: string): AskReport | undefined
  /** Whether letters about contacts are taken from somebody who has not accepted yet. */
  awaits(key: string): boolean
  /** Those of whom that is so, as names of correspondents. */
  awaited(): readonly string[]
  /** Whether somebody can be answered by a tower of theirs. */
  canAnswer(key: string): boolean
  /** Tells somebody who asked, and whom the user accepted. */
  welcome(key: string): void
  /** Tells somebody who asked no. */
  refuse(key: string): Deed
  /** Nothing is asked any more, nor refused; what they told stays with `keepAsked`. */
  drop(key: string, how?: { readonly keepAsked: boolean }): Deed
}

/** What the desk stands on. */
export interface DoorDeskOptions {
  readonly identity: Identity
  readonly room: StoreRoom
  readonly crypto: EnvelopeCrypto
  readonly contacts: ContactBook
  readonly cards: CardBook
  /** A signed card. */
  readonly card: (what: { name?: string; door?: string; version?: number }) => Promise<string>
  readonly towers: Pick<TowerDesk, "used" | "spend">
  readonly post: () => Pick<Post, "introduce" | "meet" | "send" | "knows" | "beginAnew">
  readonly isReachable: () => boolean
  /** For our own doors: from addresses that nothing else comes from. */
  readonly openDoorLine: () => TowerLine
  /** For doors and queues of others. */
  readonly putLine: TowerLine
  /** Enters who asks; says what they are to us then. */
  readonly onRequest: (arrival: DoorArrival) => Promise<string | undefined>
  /** Told when a door of ours came or went. */
  readonly onDoors: () => void
  /** Told when a request of ours stands otherwise. */
  readonly onAsk: (key: string) => void
  readonly clock: Clock
  readonly chance: Chance
  readonly random: RandomBytes
  readonly log: Log
}

/** Reads what is kept; nothing is reached before {@linkcode DoorDesk.start}. */
export async function openDoorDesk(options: DoorDeskOptions): Promise<DoorDesk> {
  return new Desk(options, await openDoorsBook(options.room))
}

class Desk implements DoorDesk {
  readonly own: OwnDoors
  readonly #options: DoorDeskOptions
  readonly #book: DoorBook
  readonly #asks: Errands
  readonly #answers: Errands
  readonly #scope = new Scope()
  #started = false

  constructor(options: DoorDeskOptions, book: DoorBook) {
    this.#options = options
    this.#book = book
    this.#asks = this.#scope.use(new Errands(options))
    this.#answers = this.#scope.use(new Errands(options))
    const welcome = (key: string) => this.welcome(key)
    this.own = this.#scope.use(new OwnDoors({ ...options, book, welcome }))
  }

  start(): void {
    this.#started = true
    for (const key of this.#book.asks.rows.keys()) this.#startAsk(key)
    for (const key of this.#book.noes.rows.keys()) this.#startNo(key)
    for (const key of this.#book.asked.rows.keys()) this.#settleAsked(key)
    this.own.start()
  }

  changed(): void {
    if (!this.#started || this.#scope.signal.aborted) return
    this.#asks.ring()
    this.own.changed()
  }

  async ask(wish: AskWish): Promise<Deed> {
    await this.#requireFits(wish)
    const ask: AskRecord = { ...wish, state: "trying", leftCount: 0, leftMs: 0 }
    const edit = this.#book.asks.put(wish.key, ask)
    const done = () => {
      edit.apply()
      this.#startAsk(wish.key)
    }
    return { changes: [edit.change], done }
  }

  asking(key: string): AskReport | undefined {
    const ask = this.#book.asks.rows.get(key)
    const reason = ask?.state === "trying" ? this.#asks.faultOf(key) : undefined
    return ask && { state: ask.state, ...(reason !== undefined && { reason }) }
  }

  awaits(key: string): boolean {
    return this.#book.asks.rows.has(key) && this.#isRequested(key)
  }

  awaited(): readonly string[] {
    const keys = [...this.#book.asks.rows.keys()].filter((key) => this.#isRequested(key))
    return keys.flatMap((key) => devicesOf({ key }))
  }

  canAnswer(key: string): boolean {
    const places = this.#book.asked.rows.get(key)?.places ?? []
    return places.some(({ kind }) => kind === "tower")
  }

  welcome(key: string): void {
    if (!this.#book.asked.rows.has(key) || this.#scope.signal.aborted) return
    this.#answers.start(key, async () => {
      await this.#welcome(key)
      return "done"
    })
  }

  refuse(key: string): Deed {
    const { asked, noes } = this.#book
    const told = asked.rows.get(key)
    const hasRoom = noes.rows.size < NOES_MAX
    const no =
      told && hasRoom
        ? sealNo({ ...this.#tools(), self: this.#keysFor(key) }, key, told)
        : undefined
    const edits = [asked.remove(key), ...(no ? [noes.put(key, no)] : [])]
    const done = () => {
      for (const { apply } of edits) apply()
      this.#startNo(key)
    }
    return { changes: edits.map(({ change }) => change), done }
  }

  drop(key: string, { keepAsked }: { keepAsked: boolean } = { keepAsked: false }): Deed {
    const { asks, asked, noes } = this.#book
    const edits = [asks, noes, ...(keepAsked ? [] : [asked])]
      .filter(({ rows }) => rows.has(key))
      .map((rows) => rows.remove(key))
    const done = () => {
      for (const { apply } of edits) apply()
      this.#asks.stop(key)
      this.#answers.stop(key)
    }
    return { changes: edits.map(({ change }) => change), done }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.close()
  }

  #tools() {
    const { crypto, clock, chance, random, log } = this.#options
    return { crypto, clock, chance, random, log }
  }

  /** By which they know us; whom we do not know will, by our present ones. */
  #keysFor(key: string): IdentityKeys {
    const { contacts, identity } = this.#options
    const isKnown = contacts.byKey(key) !== undefined
    return isKnown ? identity.keysAt(contacts.told(key)) : identity.present
  }

  #isRequested(key: string): boolean {
    return this.#options.contacts.byKey(key)?.state === "requested"
  }

  /** A card of ours as it will be, with one place: the least that must fit. */
  async #requireFits({ greeting, ownName }: Pick<AskRecord, "greeting" | "ownName">) {
    const { crypto, identity } = this.#options
    const card = await this.#ownCard(identity.present, ownName)
    const { bundle } = crypto.makePrekeys(identity.present)
    writeRequest({ card, greeting, introduction: { bundle, places: [LONGEST_PLACE] } })
  }

  #ownCard({ version }: IdentityKeys, ownName: string | undefined): Promise<string> {
    return this.#options.card({ version, ...(ownName !== undefined && { name: ownName }) })
  }

  #startAsk(key: string): void {
    if (!this.#started) return
    const { putLine, contacts, onAsk } = this.#options
    const options = {
      ...this.#tools(),
      ...{ book: this.#book, line: putLine, onChange: onAsk },
      self: (one: string) => this.#keysFor(one),
      presentKey: (one: string) => {
        const contact = contacts.byKey(one)
        return contact === undefined ? one : presentKeyOf(contact)
      },
      card: (one: string, ownName: string | undefined) =>
        this.#ownCard(this.#keysFor(one), ownName),
      introduce: (one: string) => this.#introduce(one),
      isWaiting: (one: string) => this.#isRequested(one),
    }
    this.#asks.start(key, (call) => askAtDoor(options, key, call))
  }

  /** A place at our tower first: whom we ask may not come to us. */
  async #introduce(key: string): Promise<Introduction> {
    const [peer = ""] = devicesOf({ key })
    const { bundle, places } = await this.#options.post().introduce(peer)
    const towers = places.filter(({ kind }) => kind === "tower")
    const usesTower = this.#options.towers.used().length > 0
    if (places.length === 0 || (usesTower && towers.length === 0))
      throw new AlliumError("NO_TOWER", "Cannot ask: there is no place for the answer yet")
    const self = places.filter(({ kind }) => kind === "self")
    return { bundle, places: [...towers, ...self] }
  }

  #startNo(key: string): void {
    if (!this.#started || !this.#book.noes.rows.has(key)) return
    const { putLine: line, clock } = this.#options
    this.#answers.start(key, (call) => carryNo({ book: this.#book, line, clock }, key, call))
  }

  /** After a crash: who was accepted is told, who is nobody any more is forgotten. */
  #settleAsked(key: string): void {
    const state = this.#options.contacts.byKey(key)?.state
    if (state === "accepted") this.welcome(key)
    else if (state !== "asking" && state !== "blocked")
      this.#book
        .commit(this.#book.asked.remove(key))
        .catch((error: unknown) => this.#tell("asked", error))
  }

  /** Our post knows them from now on; the letter says yes, and is on disk when what they told is forgotten. */
  async #welcome(key: string): Promise<void> {
    const { contacts, card, random } = this.#options
    const asked = this.#book.asked.rows.get(key)
    if (asked === undefined || contacts.byKey(key)?.state !== "accepted") return
    const [peer = ""] = devicesOf({ key })
    const post = this.#options.post()
    // They asked though they were a contact: they know nothing of us any more.
    const isAgain = post.knows(peer)
    await post.meet(peer, asked)
    if (isAgain) await post.beginAnew(peer)
    const content = writeYes(await card({ version: contacts.told(key) }))
    const name = Buffer.from(random(16)).toString("hex")
    const edit = this.#book.asked.remove(key)
    await post.send(peer, { topic: CONTACTS_TOPIC, content, name }, [edit.change])
    edit.apply()
  }

  #tell(event: string, error: unknown): undefined {
    if (!this.#scope.signal.aborted)
      this.#options.log.debug(`door.${event}`, { code: toAlliumError(error).code })
  }
}

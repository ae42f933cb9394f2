/**
 * The doors of one identity: cards that are held at a tower, who asks there, and whom we ask at doors of others.
 *
 * @see docs/protocol/contact.md "At a tower"
 * @module
 */
import { createHash } from "node:crypto"
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance, RandomBytes } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import type { TowerAddress as CardAtTower } from "../identity/contact-uri.ts"
import { type ContactBook, presentKeyOf } from "../identity/contacts.ts"
import type { DoorBook as CardBook, Door } from "../identity/doors.ts"
import type { Identity, IdentityKeys } from "../identity/identity.ts"
import { keyToText } from "../identity/keys.ts"
import type { EnvelopeCrypto } from "../mail/envelope/crypto.ts"
import type { MailCall } from "../mail/mailbox/mailbox.ts"
import type { Introduction, Place, Post } from "../mail/post/post.ts"
import type { Change, StoreRoom } from "../store/store.ts"
import { carryNo, NOES_MAX, sealNo, writeYes } from "./door-answers.ts"
import { askAtDoor } from "./door-asking.ts"
import {
  type AskRecord,
  cardOf,
  type DoorBook,
  type DoorRecord,
  type DoorsAtTowers,
  nameOfDoor,
  openDoorsBook,
} from "./door-book.ts"
import { Errands } from "./door-errands.ts"
import { DoorKeeper } from "./door-keeper.ts"
import { forgetKeys, openAtDoor } from "./door-keys.ts"
import { type DoorRequestRead, readRequest, writeRequest } from "./door-request.ts"
import { CONTACTS_TOPIC } from "./introduction-letters.ts"
import { devicesOf } from "./mail-devices.ts"
import type { TowerDesk } from "./tower-desk.ts"
import { LEFT_DEAD_MS, LEFT_GRACE_MS } from "./tower-keeper.ts"
import type { TowerLine } from "./tower-line.ts"
import type { TowerAddress } from "./tower-uri.ts"

/** As long as any place is. */
const LONGEST_PLACE: Place = {
  kind: "tower",
  key: "A".repeat(43),
  address: `${"a".repeat(52)}.b32.i2p`,
  sendId: new Uint8Array(32),
  moveKey: new Uint8Array(32),
}
/** Between two looks at doors of towers that were left. */
const TIDY_MS = 3_600_000
/** Between two looks whether a door that is waited for stands. */
const LOOK_MS = 250

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
  /** Where a card is held, when strangers can ask there now. */
  placeOf(door: Door): CardAtTower | undefined
  /** Why a card has no place yet; `undefined` when nothing failed. */
  readonly fault: string | undefined
  /** Whether every card is held at a tower: the identity is pull-only. */
  readonly isAlways: boolean
  /** Whether a card is to be held at a tower. */
  isHeld(door: Door): boolean
  /**
   * Has a card held at a tower from now on, and waits until it is.
   * @throws {AlliumError} `NO_TOWER`; the signal's reason: it goes on then.
   */
  hold(door: Door, call: MailCall): Promise<CardAtTower>
  /** @throws {AlliumError} `TOO_LARGE` when the request would not fit one envelope. */
  ask(wish: AskWish): Promise<Deed>
  /** Lets who shows this ticket ask at the door of our plain card, once, without work. */
  expect(ticket: Uint8Array): Deed
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
  /** For a backup. */
  keep(): DoorsAtTowers
  /** Takes up doors of a backup, in place of those there are: their addresses were given away. */
  bring(kept: DoorsAtTowers): Promise<void>
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
  readonly #options: DoorDeskOptions
  readonly #book: DoorBook
  readonly #asks: Errands
  readonly #answers: Errands
  readonly #keepers = new Map<string, DoorKeeper>()
  readonly #scope = new Scope()
  #started = false

  constructor(options: DoorDeskOptions, book: DoorBook) {
    this.#options = options
    this.#book = book
    this.#asks = this.#scope.use(new Errands(options))
    this.#answers = this.#scope.use(new Errands(options))
    this.#scope.defer(() =>
      Promise.all([...this.#keepers.values()].map((keeper) => keeper[Symbol.asyncDispose]())),
    )
  }

  get fault(): string | undefined {
    return [...this.#keepers.values()].find(({ fault }) => fault !== undefined)?.fault
  }

  get isAlways(): boolean {
    return !this.#options.isReachable()
  }

  start(): void {
    this.#started = true
    for (const key of this.#book.asks.rows.keys()) this.#startAsk(key)
    for (const key of this.#book.noes.rows.keys()) this.#startNo(key)
    for (const key of this.#book.asked.rows.keys()) this.#settleAsked(key)
    void this.#tidyOften().catch(() => {})
  }

  changed(): void {
    if (!this.#started || this.#scope.signal.aborted) return
    this.#asks.ring()
    this.#tidy().catch((error: unknown) => this.#tell("tidy", error))
  }

  placeOf(door: Door): CardAtTower | undefined {
    const found = this.#doorsOf(door).find(
      ({ tower, greeted }) => greeted !== undefined && this.#isUsed(tower),
    )
    if (found === undefined) return undefined
    const { key, address } = found.tower
    const sendId = Buffer.from(found.sendId).toString("base64url")
    return { key: this.#options.identity.present.key, tower: { key, address, sendId } }
  }

  isHeld(door: Door): boolean {
    return this.isAlways || this.#book.held.rows.has(cardOf(door))
  }

  async hold(door: Door, { signal }: MailCall): Promise<CardAtTower> {
    if (this.#options.towers.used().length === 0)
      throw new AlliumError("NO_TOWER", "Cannot hold card at a tower: the identity uses none")
    const card = cardOf(door)
    if (!this.#book.held.rows.has(card)) await this.#book.commit(this.#book.held.put(card, true))
    this.changed()
    for (;;) {
      const place = this.placeOf(door)
      if (place !== undefined) return place
      await this.#options.clock.sleep(LOOK_MS, { signal })
    }
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

  expect(ticket: Uint8Array): Deed {
    const plain = this.#options.cards.byId(undefined)
    const hash = new Uint8Array(createHash("sha256").update(ticket).digest())
    const edits = (plain === undefined ? [] : this.#doorsOf(plain)).map((door) => {
      const name = nameOfDoor(door)
      const row = `${name}/${Buffer.from(hash).toString("hex")}`
      return this.#book.tickets.put(row, { door: name, hash })
    })
    const done = () => {
      for (const { apply } of edits) apply()
      for (const keeper of this.#keepers.values()) keeper.ring()
    }
    return { changes: edits.map(({ change }) => change), done }
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

  keep(): DoorsAtTowers {
    const { doors, held } = this.#book
    const plain = ({ greeted: _, ...door }: DoorRecord) => door
    return { doors: [...doors.rows.values()].map(plain), held: [...held.rows.keys()] }
  }

  async bring(kept: DoorsAtTowers): Promise<void> {
    await this.#book.bring(kept)
    this.changed()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.close()
  }

  async #tidyOften(): Promise<void> {
    const { signal } = this.#scope
    for (;;) {
      this.changed()
      await this.#options.clock.sleep(TIDY_MS, { signal })
    }
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

  #isUsed(tower: TowerAddress): boolean {
    return this.#options.towers.used().some(({ key }) => key === tower.key)
  }

  #doorsOf(door: Door): DoorRecord[] {
    const card = cardOf(door)
    return [...this.#book.doors.rows.values()].filter(
      (one) => one.card === card && one.state === "open",
    )
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

  async #take(record: DoorRecord, envelope: Uint8Array): Promise<void> {
    const { identity, clock, onRequest, cards } = this.#options
    const { crypto, contacts } = this.#options
    const selfFor = (bundle: Uint8Array) =>
      identity.keysAt(
        identity.keysOf(keyToText(crypto.ownerOf(bundle)))?.version ?? identity.present.version,
      )
    const opened = openAtDoor(this.#book, nameOfDoor(record), selfFor, envelope)
    if (opened === undefined) return
    const door = cards.byId(idOf(record.card))
    const request = await readRequest(opened, opened.payload, clock.now()).catch((error: unknown) =>
      this.#tell("request", error),
    )
    if (request === undefined || door === undefined || record.state !== "open")
      return this.#book.commit(opened.remember)
    const { bundle, places } = request.introduction
    const told = { bundle: new Uint8Array(bundle), places: [...places].map(plainPlace) }
    const name = contacts.byAnyKey(request.key)?.key ?? request.key
    const asked = this.#book.asked.put(name, told)
    const edits = [asked, opened.remember]
    const also = edits.map(({ change }) => change)
    const state = await onRequest({ ...request, identity, door, also, told: opened.told })
    if (state === undefined) return this.#book.commit(opened.remember)
    for (const { apply } of edits) apply()
    if (state === "accepted") this.welcome(name)
  }

  #successor({ card: name }: DoorRecord): CardAtTower["tower"] | undefined {
    const card = this.#options.cards.byId(idOf(name))
    return card && this.placeOf(card)?.tower
  }

  /** Cards that are wanted here and have no door. */
  #missing(tower: TowerAddress): string[] {
    const [first] = this.#options.towers.used()
    const open = [...this.#book.doors.rows.values()].filter((door) => this.#isUsed(door.tower))
    if (first?.key !== tower.key) return []
    return this.#options.cards
      .list()
      .filter((door) => this.isHeld(door))
      .map(cardOf)
      .filter((card) => !open.some((door) => door.card === card))
  }

  /** Ends doors of cards that were withdrawn, or of towers that were left a while ago. */
  async #tidy(): Promise<void> {
    const { cards, clock, towers } = this.#options
    const good = new Set(cards.list().map(cardOf))
    const nowMs = clock.now()
    const { doors, held } = this.#book
    for (const name of doors.rows.keys())
      await this.#book.changeDoor(
        name,
        (door) => this.#asOf(nowMs, door, good),
        () => forgetKeys(this.#book, name),
      )
    // A card that was given away is held as long as it is good, whatever the identity is later.
    const more = this.isAlways ? [...good].filter((card) => !held.rows.has(card)) : []
    const less = [...held.rows.keys()].filter((card) => !good.has(card))
    const noDoor = [...this.#book.tickets.rows].filter(([, { door }]) => !doors.rows.has(door))
    await this.#book.commit(
      ...noDoor.map(([name]) => this.#book.tickets.remove(name)),
      ...more.map((card) => held.put(card, true)),
      ...less.map((card) => held.remove(card)),
    )
    const all = [...towers.used(), ...[...this.#book.doors.rows.values()].map(({ tower }) => tower)]
    for (const tower of all) this.#keep(tower)
    for (const keeper of this.#keepers.values()) keeper.ring()
  }

  /** `undefined` when a door stays as it is. */
  #asOf(nowMs: number, door: DoorRecord, good: ReadonlySet<string>) {
    const { leftMs: before, ...rest } = door
    const leftMs = this.#isUsed(door.tower) ? undefined : (before ?? nowMs)
    const leftForMs = leftMs === undefined ? 0 : nowMs - leftMs
    if (leftForMs > LEFT_DEAD_MS) return "gone"
    const isOver = leftForMs > LEFT_GRACE_MS
    const state = isOver || !good.has(door.card) ? ("ended" as const) : door.state
    if (state === door.state && leftMs === before) return undefined
    return { ...rest, state, ...(leftMs !== undefined && { leftMs }) }
  }

  #keep(tower: TowerAddress): void {
    if (this.#keepers.has(tower.key) || this.#scope.signal.aborted) return
    const { identity, openDoorLine, card, towers, onDoors } = this.#options
    const { key, address } = tower
    const keeper = new DoorKeeper({
      ...this.#tools(),
      tower: { key, address },
      book: this.#book,
      openLine: openDoorLine,
      onDoors,
      self: () => identity.present,
      missing: () => this.#missing(tower),
      successor: (door) => this.#successor(door),
      pay: (call, deed) => towers.spend(tower, call, deed),
      card: () => card({ door: address }),
      take: (door, envelope) => this.#take(door, envelope),
    })
    this.#keepers.set(key, keeper)
  }

  #tell(event: string, error: unknown): undefined {
    if (!this.#scope.signal.aborted)
      this.#options.log.debug(`door.${event}`, { code: toAlliumError(error).code })
  }
}

function idOf(card: string): string | undefined {
  return card === cardOf({}) ? undefined : card
}

/** For the disk. */
function plainPlace(place: Place) {
  if (place.kind === "self") return { kind: "self" } as const
  const { sendId, moveKey } = place
  return { ...place, sendId: new Uint8Array(sendId), moveKey: new Uint8Array(moveKey) }
}

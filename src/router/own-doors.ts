/**
 * Our own doors at towers: which cards are held where, kept as long as they are good, and who asks there.
 *
 * @see docs/protocol/contact.md "At a tower"
 * @module
 */
import { createHash } from "node:crypto"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { TowerAddress as CardAtTower } from "../identity/contact-uri.ts"
import type { Door } from "../identity/doors.ts"
import { keyToText } from "../identity/keys.ts"
import type { MailCall } from "../mail/mailbox/mailbox.ts"
import type { Place } from "../mail/post/post.ts"
import {
  cardOf,
  type DoorBook,
  type DoorRecord,
  type DoorsAtTowers,
  nameOfDoor,
} from "./door-book.ts"
import type { Deed, DoorDeskOptions } from "./door-desk.ts"
import { DoorKeeper } from "./door-keeper.ts"
import { forgetKeys, openAtDoor } from "./door-keys.ts"
import { readRequest } from "./door-request.ts"
import { LEFT_DEAD_MS, LEFT_GRACE_MS } from "./tower-keeper.ts"
import type { TowerAddress } from "./tower-uri.ts"

/** Between two looks at doors of towers that were left. */
const TIDY_MS = 3_600_000
/** Between two looks whether a door that is waited for stands. */
const LOOK_MS = 250

/** What our doors stand on. */
export interface OwnDoorsOptions extends DoorDeskOptions {
  readonly book: DoorBook
  /** Tells somebody who asked, and whom the user has accepted already. */
  readonly welcome: (key: string) => void
}

/** See the module. Nothing is reached before {@linkcode OwnDoors.start}. */
export class OwnDoors implements AsyncDisposable {
  readonly #options: OwnDoorsOptions
  readonly #book: DoorBook
  readonly #keepers = new Map<string, DoorKeeper>()
  readonly #end = new AbortController()
  #started = false

  constructor(options: OwnDoorsOptions) {
    this.#options = options
    this.#book = options.book
  }

  /** Why a card has no place yet; `undefined` when nothing failed. */
  get fault(): string | undefined {
    return [...this.#keepers.values()].find(({ fault }) => fault !== undefined)?.fault
  }

  /** Whether every card is held at a tower: the identity is pull-only. */
  get isAlways(): boolean {
    return !this.#options.isReachable()
  }

  /** Begins to reach towers; once. */
  start(): void {
    this.#started = true
    void this.#tidyOften().catch(() => {})
  }

  /** Cards, towers or reach changed. */
  changed(): void {
    if (!this.#started || this.#end.signal.aborted) return
    this.#tidy().catch((error: unknown) => this.#tell("tidy", error))
  }

  /** Where a card is held, when strangers can ask there now. */
  placeOf(door: Door): CardAtTower | undefined {
    const found = this.#doorsOf(door).find(
      ({ tower, greeted }) => greeted !== undefined && this.#isUsed(tower),
    )
    if (found === undefined) return undefined
    const { key, address } = found.tower
    const sendId = Buffer.from(found.sendId).toString("base64url")
    return { key: this.#options.identity.present.key, tower: { key, address, sendId } }
  }

  /** Whether a card is to be held at a tower. */
  isHeld(door: Door): boolean {
    return this.isAlways || this.#book.held.rows.has(cardOf(door))
  }

  /**
   * Has a card held at a tower from now on, and waits until it is.
   * @throws {AlliumError} `NO_TOWER`; the signal's reason: it goes on then.
   */
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

  /** Lets who shows this ticket ask at the door of our plain card, once, without work. */
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

  /** For a backup. */
  keep(): DoorsAtTowers {
    const { doors, held } = this.#book
    const plain = ({ greeted: _, ...door }: DoorRecord) => door
    return { doors: [...doors.rows.values()].map(plain), held: [...held.rows.keys()] }
  }

  /** Takes up doors of a backup, in place of those there are: their addresses were given away. */
  async bring(kept: DoorsAtTowers): Promise<void> {
    await this.#book.bring(kept)
    this.changed()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort()
    await Promise.all([...this.#keepers.values()].map((keeper) => keeper[Symbol.asyncDispose]()))
  }

  async #tidyOften(): Promise<void> {
    const { signal } = this.#end
    for (;;) {
      this.changed()
      await this.#options.clock.sleep(TIDY_MS, { signal })
    }
  }

  #tools() {
    const { crypto, clock, chance, random, log } = this.#options
    return { crypto, clock, chance, random, log }
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
    if (state === "accepted") this.#options.welcome(name)
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
    if (this.#keepers.has(tower.key) || this.#end.signal.aborted) return
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
    if (!this.#end.signal.aborted)
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

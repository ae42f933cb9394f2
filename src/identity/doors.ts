/**
 * The cards of one identity: the plain one, and others that can each be withdrawn when they leak.
 *
 * What tells them apart is a *door id* in their address: who asks names the door their card names.
 *
 * @see docs/protocol/card.md
 * @module
 */
import { z } from "zod"
import type { Clock } from "../base/clock.ts"
import { AlliumError } from "../base/errors.ts"
import type { RandomBytes } from "../base/random.ts"
import { Turns } from "../base/turns.ts"
import type { StoreRoom, Table } from "../store/store.ts"
import { DOOR_ID_BYTES, doorText } from "./contact-uri.ts"
import { checkPersonName, freeName, nameShape } from "./names.ts"

/** The label of the card without a door id. */
export const PLAIN_CARD = "plain"
/** One for each place a card is left at; all in memory and in every backup. */
const DOORS_MAX = 64

/** 26 characters of base32. */
export const doorShape: z.ZodType<string> = z.string().regex(/^[a-z2-7]{25}[aeimquy4]$/)
const recordShape = z.strictObject({
  label: nameShape,
  /** Milliseconds since 1970. */
  created: z.number().nonnegative(),
  /** Stands at the plain card only; other cards are forgotten when they are withdrawn. */
  withdrawn: z.boolean(),
})
type DoorRecord = z.output<typeof recordShape>

/** One card of an identity. */
export interface Door {
  /** What the user calls this card; nobody else sees it. */
  readonly label: string
  /** Door id; absent for the plain card. */
  readonly id?: string
  /** Milliseconds since 1970; absent for the plain card, which is as old as the identity. */
  readonly created?: number
}

/** What a backup holds of it. */
export const doorsShape: z.ZodType<DoorsKept> = z.strictObject({
  plain: z.boolean(),
  doors: z
    .array(z.strictObject({ label: nameShape, id: doorShape, created: z.number().nonnegative() }))
    .max(DOORS_MAX),
})
/** See {@linkcode doorsShape}. */
export interface DoorsKept {
  /** Whether the plain card is good. */
  readonly plain: boolean
  readonly doors: readonly Required<Door>[]
}

/** Cards of one identity, at most 64 beside the plain one. What a call changes is on disk when it resolves. */
export interface DoorBook {
  /** Every card that is good: the plain one first, then in order of making. */
  list(): readonly Door[]
  /** @throws {AlliumError} `NOT_FOUND`, also for a card that was withdrawn. */
  find(label: string): Door
  /** The card with this door id, or the plain one; `undefined` when it is unknown or withdrawn. */
  byId(id: string | undefined): Door | undefined
  /** A new card, or the plain one again. @throws {AlliumError} `ALREADY_EXISTS`, `LIMIT_REACHED`, `BAD_INPUT`. */
  make(label: string): Promise<Door>
  /** From now on who asks with this card is a stranger who is ignored. @throws {AlliumError} `NOT_FOUND`. */
  withdraw(label: string): Promise<Door>
  /** For a backup. */
  keep(): DoorsKept
  /** Brings a backup's cards back, beside those there are. */
  bring(kept: DoorsKept): Promise<void>
}

/** Opens the cards of one identity. @throws {AlliumError} `STORE_DAMAGED`. */
export async function openDoorBook(options: {
  /** A room of the identity's own. */
  readonly store: StoreRoom
  readonly clock: Clock
  readonly random: RandomBytes
}): Promise<DoorBook> {
  const book = new StoredDoors(options)
  await book.load()
  return book
}

class StoredDoors implements DoorBook {
  readonly #options: { store: StoreRoom; clock: Clock; random: RandomBytes }
  readonly #table: Table<DoorRecord>
  readonly #doors = new Map<string, Required<Door>>()
  #plain = true
  readonly #turns = new Turns()

  constructor(options: { store: StoreRoom; clock: Clock; random: RandomBytes }) {
    this.#options = options
    this.#table = options.store.table("doors", recordShape)
  }

  async load(): Promise<void> {
    const records: [string, DoorRecord][] = []
    for await (const entry of this.#table.entries()) records.push(entry)
    records.sort(([, one], [, other]) => one.created - other.created)
    this.#doors.clear()
    this.#plain = true
    for (const [id, { label, created }] of records)
      if (id === PLAIN_CARD) this.#plain = false
      else this.#doors.set(id, { id, label, created })
  }

  list(): readonly Door[] {
    return [...(this.#plain ? [{ label: PLAIN_CARD }] : []), ...this.#doors.values()]
  }

  find(label: string): Door {
    const normal = label.normalize("NFC")
    const found = this.list().find((door) => door.label === normal)
    if (found !== undefined) return found
    throw new AlliumError("NOT_FOUND", "Cannot find card: none is called that, or it is withdrawn")
  }

  byId(id: string | undefined): Door | undefined {
    if (id !== undefined) return this.#doors.get(id)
    return this.#plain ? { label: PLAIN_CARD } : undefined
  }

  make(label: string): Promise<Door> {
    return this.#turns.take(async () => {
      const normal = checkPersonName(label)
      if (this.list().some((door) => door.label === normal))
        throw new AlliumError("ALREADY_EXISTS", "Cannot make card: one is called that")
      return normal === PLAIN_CARD ? this.#reopenPlain() : this.#makeDoor(normal)
    })
  }

  withdraw(label: string): Promise<Door> {
    return this.#turns.take(async () => {
      const door = this.find(label)
      const created = this.#options.clock.now()
      const change =
        door.id === undefined
          ? this.#table.put(PLAIN_CARD, { label: PLAIN_CARD, created, withdrawn: true })
          : this.#table.remove(door.id)
      await this.#options.store.commit([change])
      if (door.id === undefined) this.#plain = false
      else this.#doors.delete(door.id)
      return door
    })
  }

  keep(): DoorsKept {
    return { plain: this.#plain, doors: [...this.#doors.values()] }
  }

  bring({ plain, doors }: DoorsKept): Promise<void> {
    return this.#turns.take(async () => {
      const closed = { label: PLAIN_CARD, created: this.#options.clock.now(), withdrawn: true }
      const isTaken = (label: string) => this.list().some((door) => door.label === label)
      const back = doors.filter(({ id }) => !this.#doors.has(id))
      const records = back.map(({ id, label, created }) => ({
        id,
        record: { label: freeName(label, isTaken), created, withdrawn: false },
      }))
      await this.#options.store.commit([
        ...(plain ? [] : [this.#table.put(PLAIN_CARD, closed)]),
        ...records.map(({ id, record }) => this.#table.put(id, record)),
      ])
      await this.load()
    })
  }

  async #reopenPlain(): Promise<Door> {
    await this.#options.store.commit([this.#table.remove(PLAIN_CARD)])
    this.#plain = true
    return { label: PLAIN_CARD }
  }

  async #makeDoor(label: string): Promise<Door> {
    const { clock, random, store } = this.#options
    if (this.#doors.size >= DOORS_MAX)
      throw new AlliumError("LIMIT_REACHED", `Cannot make card: expected at most ${DOORS_MAX}`)
    const id = doorText(random(DOOR_ID_BYTES))
    const created = clock.now()
    await store.commit([this.#table.put(id, { label, created, withdrawn: false })])
    const door = { id, label, created }
    this.#doors.set(id, door)
    return door
  }
}

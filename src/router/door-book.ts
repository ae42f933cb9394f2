/**
 * What one identity keeps about doors: its own at towers, with their prekeys, and what is between it and strangers.
 *
 * @module
 */
import { z } from "zod"
import { Turns } from "../base/turns.ts"
import { PLAIN_CARD } from "../identity/doors.ts"
import { placeShape } from "../mail/post/introduction.ts"
import type { Change, StoreRoom, Table } from "../store/store.ts"
import { GREETING_CHARACTERS_MAX } from "./contact-wire.ts"
import { towerAddressShape } from "./tower-book.ts"

const bytes = z.instanceof(Uint8Array)
const bytesOf = (length: number) => bytes.refine((value) => value.length === length)
const bundleBytes = bytes.refine((value) => value.length > 0 && value.length <= 4_096)

const doorShape = z.object({
  /** Door id of the card, or `plain`. */
  card: z.string(),
  tower: towerAddressShape,
  receiveId: bytesOf(32),
  sendId: bytesOf(32),
  /** Which prekeys its greeting has; until there are any, nobody is told of it. */
  greeted: z.string().optional(),
  /** `ended`: to be removed from the tower. */
  state: z.enum(["open", "ended"]),
  /** Since the identity no longer uses the tower; milliseconds since 1970. */
  leftMs: z.number().optional(),
})
/** A door of ours at a tower. Its ids are rights; the send id is public as far as the card is. */
export type DoorRecord = z.output<typeof doorShape>

const keysShape = z.object({
  /** Name of the door. */
  door: z.string(),
  secret: bytes,
  bundle: bundleBytes,
  madeMs: z.number(),
  retiredMs: z.number().optional(),
})
/** Prekeys that a greeting has, or had. */
export type DoorKeys = z.output<typeof keysShape>

const askedShape = z.object({
  bundle: bundleBytes,
  places: z.array(placeShape).max(4),
})
/** What somebody who asked at a door of ours told, for the answer. */
export type AskedRecord = z.output<typeof askedShape>

const askShape = z.object({
  /** Whom we ask: their identity key, base64url. */
  key: z.string(),
  tower: towerAddressShape.extend({ sendId: z.string() }),
  greeting: z.string().max(GREETING_CHARACTERS_MAX),
  ownName: z.string().max(64).optional(),
  /** `trying`: on its way. `left`: lies at their tower. `gone`: the card was withdrawn. */
  state: z.enum(["trying", "left", "gone"]),
  /** How often it was left there, and when last; milliseconds since 1970. */
  leftCount: z.number(),
  leftMs: z.number(),
  /** How often their door had moved. */
  moves: z.number().optional(),
  /** Pays the door once, unless it does not know of it. */
  ticket: bytesOf(32).optional(),
  /** What was sealed and is not known to lie there. */
  sealed: z.object({ id: bytesOf(16), envelope: bytesOf(4_096) }).optional(),
})
/** A request of ours at a door of somebody else. */
export type AskRecord = z.output<typeof askShape>

const ticketShape = z.object({
  /** Name of the door. */
  door: z.string(),
  /** SHA-256 of the ticket. */
  hash: bytesOf(32),
})
/** A ticket that a door of ours is to be told of. */
export type TicketRecord = z.output<typeof ticketShape>

const noShape = z.object({
  /** Whom to tell. */
  key: z.string(),
  places: z.array(placeShape).max(4),
  id: bytesOf(16),
  envelope: bytesOf(4_096),
  /** Milliseconds since 1970. */
  sinceMs: z.number(),
})
/** A refusal on its way. */
export type NoRecord = z.output<typeof noShape>

/** What a backup holds of doors: no prekeys, so new ones are made, and who asked with old ones asks again. */
export const doorsKeptShape: z.ZodType<DoorsAtTowers> = z.strictObject({
  doors: z.array(doorShape.omit({ greeted: true })).max(256),
  held: z.array(z.string()).max(256),
})
/** See {@linkcode doorsKeptShape}. */
export interface DoorsAtTowers {
  readonly doors: Omit<DoorRecord, "greeted">[]
  readonly held: string[]
}

/** Rows in memory; what a commit changes is on disk first. */
export interface Rows<T> {
  readonly rows: ReadonlyMap<string, T>
  put(key: string, value: T): Edit
  remove(key: string): Edit
}

/** A change of the disk, and the same in memory. */
export interface Edit {
  readonly change: Change
  readonly apply: () => void
}

/** See the module. */
export interface DoorBook {
  readonly doors: Rows<DoorRecord>
  readonly keys: Rows<DoorKeys>
  /** Requests that came, by name of their envelope: the prekeys they came with. */
  readonly seen: Rows<string>
  /** Cards that are to be held at a tower: door id, or `plain`. */
  readonly held: Rows<boolean>
  /** By key of who asked. */
  readonly asked: Rows<AskedRecord>
  /** By key of whom we ask. */
  readonly asks: Rows<AskRecord>
  /** By key of whom we refused. */
  readonly noes: Rows<NoRecord>
  /** By door and hash. */
  readonly tickets: Rows<TicketRecord>
  commit(...edits: readonly Edit[]): Promise<void>
  /** Adds a door, unless there is one of that name. */
  addDoor(door: DoorRecord): Promise<boolean>
  /** Doors and cards of a backup, in place of those of the same name. */
  bring(kept: DoorsAtTowers): Promise<void>
  /**
   * One after another, so that no change of a door undoes another. Nothing happens when it is gone, or `change` returns
   * `undefined`; `gone` takes it out, together with `also`.
   */
  changeDoor(
    name: string,
    change: (now: DoorRecord) => DoorRecord | "gone" | undefined,
    also?: () => readonly Edit[],
  ): Promise<void>
}

/** Reads the book of one identity. */
export async function openDoorsBook(room: StoreRoom): Promise<DoorBook> {
  const doors = await openRows(room, "doors", doorShape)
  const held = await openRows(room, "held", z.boolean())
  const turns = new Turns()
  const commit = async (...edits: readonly Edit[]) => {
    if (edits.length > 0) await room.commit(edits.map(({ change }) => change))
    for (const { apply } of edits) apply()
  }
  return {
    doors,
    keys: await openRows(room, "keys", keysShape),
    seen: await openRows(room, "seen", z.string()),
    held,
    asked: await openRows(room, "asked", askedShape),
    asks: await openRows(room, "asks", askShape),
    noes: await openRows(room, "noes", noShape),
    tickets: await openRows(room, "tickets", ticketShape),
    commit,
    addDoor: (door) =>
      turns.take(async () => {
        const isNew = !doors.rows.has(nameOfDoor(door))
        if (isNew) await commit(doors.put(nameOfDoor(door), door))
        return isNew
      }),
    bring: (kept) =>
      turns.take(() =>
        commit(
          ...kept.doors.map((door) => doors.put(nameOfDoor(door), door)),
          ...kept.held.map((card) => held.put(card, true)),
        ),
      ),
    changeDoor: (name, change, also = () => []) =>
      turns.take(async () => {
        const now = doors.rows.get(name)
        const next = now && change(now)
        if (next === "gone") await commit(doors.remove(name), ...also())
        else if (next !== undefined) await commit(doors.put(name, next))
      }),
  }
}

/** Name of a door: one card has at most one at each tower. */
export function nameOfDoor({ card, tower }: Pick<DoorRecord, "card" | "tower">): string {
  return `${card}/${tower.key}`
}

/** What a card is called here. */
export function cardOf({ id }: { readonly id?: string }): string {
  return id ?? PLAIN_CARD
}

async function openRows<T>(room: StoreRoom, name: string, shape: z.ZodType<T>): Promise<Rows<T>> {
  const table: Table<T> = room.table(name, shape)
  const rows = new Map<string, T>()
  for await (const [key, value] of table.entries()) rows.set(key, value)
  return {
    rows,
    put: (key, value) => ({ change: table.put(key, value), apply: () => rows.set(key, value) }),
    remove: (key) => ({ change: table.remove(key), apply: () => rows.delete(key) }),
  }
}

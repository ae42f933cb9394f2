/**
 * What is kept of one correspondent: on disk, and as it is held in memory while in use.
 *
 * @module
 */
import { z } from "zod"
import type { Journal, StoreRoom, Table } from "../../store/store.ts"
import type { CryptoSession } from "../envelope/crypto.ts"
import { placeShape } from "./introduction.ts"
import type { Place } from "./post.ts"
import type { Range } from "./ranges.ts"

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
const count = z.int().min(0)

const scrollShape = z.object({
  /** Of theirs. */
  origin: bytes,
  /** Where the next letter begins that was not handed over. */
  next: count,
  /** Whether they are to be told what we have. */
  owed: z.boolean(),
  /** It cannot be read on until they say where the next letter begins. */
  broken: z.boolean(),
})

/** What they send us, under one origin. */
export type Scroll = z.output<typeof scrollShape>

const stateShape = z.object({
  /** Of our scroll to them. */
  origin: bytes,
  /** Of theirs, the newest. */
  peerOrigin: bytes.optional(),
  /** All of theirs we ever heard, newest last. */
  origins: z.array(bytes),
  /** Highest of any session. */
  epoch: count,
  /** Where the oldest letter begins that is not acknowledged. */
  base: count,
  /** How far the scroll is cut into the envelopes of `flight`. */
  cut: count,
  /** How far it was ever cut. */
  top: count,
  /** Letters before this were reported to be stored. */
  stored: count,
  /** What they have of the scroll beyond `base`, merged. */
  held: z.array(z.tuple([count, count]).readonly()),
  incoming: z.array(scrollShape),
  /** Whether they wait for a sign of life: they began a session. */
  answer: z.boolean(),
  /** Our identity key in the session that was begun last, by either side. */
  boundTo: bytes.optional(),
  /** Hash of what they were last told of us. */
  introduced: bytes.optional(),
  /** When we began sessions, in the last hour; milliseconds since 1970. */
  begunAt: z.array(z.int()),
  /** Sessions that were begun with prekeys that are still kept. */
  seenCount: count,
  /** Short hashes of envelopes taken last, joined. */
  recent: bytes,
})
/** See the module. */
export type State = z.output<typeof stateShape>

const sessionShape = z.object({
  bytes,
  epoch: count,
  /** Their origin, since something of theirs was opened; before, what was known when we began. */
  peerOrigin: bytes.optional(),
})
/** A ratchet with what we must know to choose among several. */
export interface Session {
  /** Hexadecimal. */
  readonly name: string
  readonly crypto: CryptoSession
  readonly epoch: number
  readonly peerOrigin: Uint8Array | undefined
}

const prekeysShape = z.object({
  secret: bytes,
  bundle: bytes,
  madeAt: z.int(),
  /** When others took their place. */
  retiredAt: z.int().optional(),
})
/** Prekeys that were handed to the correspondent. */
export type KeptPrekeys = z.output<typeof prekeysShape>

const theirsShape = z.object({
  bundle: bytes.optional(),
  places: z.array(placeShape).readonly(),
})
/** What we know of them. */
export interface Theirs {
  readonly bundle?: Uint8Array | undefined
  readonly places: readonly Place[]
}

const outboxShape = z.object({ topic: z.string(), name: z.string(), byteCount: count })
/** A letter that waits, without its content. */
export type Waiting = z.output<typeof outboxShape>

const flyingShape = z.object({
  id: bytes,
  envelope: bytes,
  session: z.string(),
  from: count,
  to: count,
})
/** A sealed envelope that is not acknowledged. */
export interface Flying {
  readonly key: number
  /** Its name for mailboxes. */
  readonly id: Uint8Array
  /** Name of its session. */
  readonly session: string
  /** What it carries of our scroll; empty when it is an acknowledgement only. */
  readonly range: Range
}

const putShape = z.object({
  /** Name of the place. */
  place: z.string(),
  isTower: z.boolean(),
  /** Milliseconds since 1970. */
  at: z.int(),
})
/** Where an envelope in flight lies. */
export type Put = z.output<typeof putShape>

const partShape = z.object({ origin: bytes, from: count, bytes })
/** A part of theirs that came before the letter it belongs to was whole. */
export interface HeldPart {
  readonly key: string
  /** Of the scroll, in hexadecimal. */
  readonly origin: string
  readonly range: Range
}

/** The tables of a correspondent's room. */
export function openTables(room: StoreRoom) {
  return {
    state: room.table("state", stateShape),
    theirs: room.table("theirs", theirsShape),
    sessions: room.table("sessions", sessionShape),
    prekeys: room.table("prekeys", prekeysShape),
    /** By session name: the prekeys it was begun with. */
    seen: room.table("seen", z.string()),
    outbox: room.journal("outbox", outboxShape),
    letters: room.table("letters", bytes),
    flight: room.table("flight", flyingShape),
    /** By key of {@linkcode flight}; what is missing here is put once more after a restart. */
    puts: room.table("puts", putShape),
    parts: room.table("parts", partShape),
    taken: room.journal("taken", bytes),
  }
}
/** See {@linkcode openTables}. */
export type Tables = ReturnType<typeof openTables>

/** All that is held in memory; replaced as a whole after each commit. */
export interface Memory {
  readonly state: State
  readonly theirs: Theirs
  readonly sessions: readonly Session[]
  readonly prekeys: ReadonlyMap<string, KeptPrekeys>
  readonly flight: ReadonlyMap<number, Flying>
  readonly parts: readonly HeldPart[]
}

/** Bytes in lower-case hexadecimal. */
export function toHex(value: Uint8Array): string {
  return Buffer.from(value).toString("hex")
}

/** Every entry of a table. */
export async function listTable<T>(table: Table<T>): Promise<[string, T][]> {
  const found: [string, T][] = []
  for await (const entry of table.entries()) found.push(entry)
  return found
}

/** Every entry of a journal, in order. */
export async function listJournal<T>(journal: Journal<T>): Promise<[number, T][]> {
  const found: [number, T][] = []
  for await (const entry of journal.read()) found.push(entry)
  return found
}

/** As a table keeps it. */
export function readFlying([key, kept]: [string, z.output<typeof flyingShape>]): [number, Flying] {
  const { id, session, from, to } = kept
  return [Number(key), { key: Number(key), id, session, range: [from, to] }]
}

/** As a table keeps it. */
export function readPart([key, kept]: [string, z.output<typeof partShape>]): HeldPart {
  const range = [kept.from, kept.from + kept.bytes.length] as const
  return { key, origin: toHex(kept.origin), range }
}

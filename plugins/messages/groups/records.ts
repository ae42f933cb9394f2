/**
 * What members of a group say to each other, in letters of the messages plugin.
 *
 * @see docs/protocol/groups.md
 * @module
 */
import { pack, unpack, z } from "allium/plugin"
import { badRecord, bytesOf, bytesUpTo, HASH_BYTES, hashOf, keyBytes } from "./bytes.ts"
import { signedShape } from "./entry.ts"
import { LOG_ENTRIES_MAX } from "./log.ts"

/** What a post may hold: the longest text, and 1,024 bytes for the rest of its record. */
export const BODY_BYTES_MAX = 66_560
/** A body and 192 bytes for the rest. */
export const POST_BYTES_MAX = BODY_BYTES_MAX + 192
/** A post that is passed on, and 512 bytes for the rest. */
export const RECORD_BYTES_MAX = POST_BYTES_MAX + 512
/** Random bytes that name a chain of posts: one for each home of an identity. */
export const ERA_BYTES = 8
/** How many hands a record may go through. */
export const HOPS_MAX = 4
/** Entries of one `log` record. */
export const LOG_RECORD_ENTRIES_MAX = 64
/** Entries of a `log` record that we write take at most this, so that the letter fits one envelope. */
export const LOG_RECORD_BYTES = 1_400
/** What posts are hashed for. */
const POST_DOMAIN = "allium group post v1"

const RECORD_LIMITS = { bytesMax: RECORD_BYTES_MAX, depthMax: 4, itemsMax: 512 }
const POST_LIMITS = { bytesMax: POST_BYTES_MAX, depthMax: 2, itemsMax: 32 }

const hash = bytesOf(HASH_BYTES)
const key = bytesOf(HASH_BYTES)
const era = bytesOf(ERA_BYTES)
const headShape = z.strictObject({ number: z.int().min(1).max(LOG_ENTRIES_MAX), hash })

const postShape = z.strictObject({
  era,
  /** Number among the author's posts of this era, from 1. */
  sequence: z.int().min(1),
  /** Hash of the author's post before; absent in the first. */
  previous: hash.optional(),
  /** The newest entry the author knew. */
  head: headShape,
  /** What is said, packed, as between two contacts. */
  body: bytesUpTo(BODY_BYTES_MAX),
})
/** One thing said to a group. */
export type Post = z.output<typeof postShape>

const about = { v: z.literal(1), kind: z.literal("group"), group: hash }
const plainShape = z.discriminatedUnion("do", [
  z.strictObject({
    ...about,
    do: z.literal("log"),
    entries: z.array(signedShape).min(1).max(LOG_RECORD_ENTRIES_MAX),
  }),
  z.strictObject({ ...about, do: z.literal("post"), post: bytesUpTo(POST_BYTES_MAX) }),
  /** "Send me what I lack": entries after `log`, posts of the reader's own chain from `from` to `upto`. */
  z.strictObject({
    ...about,
    do: z.literal("ask"),
    log: z.int().min(0).max(LOG_ENTRIES_MAX).optional(),
    posts: z.strictObject({ era, from: z.int().min(1), upto: z.int().min(1) }).optional(),
  }),
  /** "This is how far I am": so that the other sees what they, or we, lack. */
  z.strictObject({
    ...about,
    do: z.literal("here"),
    head: headShape,
    era,
    /** Number of the last post of this chain; 0 when there is none. */
    sequence: z.int().min(0),
    /** Posts up to this number the reader never gets: said before they joined, or no longer kept. */
    floor: z.int().min(0),
    /** Whether the same is asked back. */
    reply: z.boolean(),
  }),
  /** The writer's agreement key with its proof: signed, so anybody may pass it on. */
  z.strictObject({
    ...about,
    do: z.literal("keys"),
    agreement: key,
    proof: bytesOf(64),
    reply: z.boolean(),
  }),
  z.strictObject({ ...about, do: z.literal("leave"), joined: z.int().min(1), wish: bytesOf(64) }),
  /** "Your posts up to this one are on my disk", for posts that were passed on. */
  z.strictObject({ ...about, do: z.literal("got"), era, upto: z.int().min(1) }),
])
/** What one member says to another, passed on or not. */
export type PlainRecord = z.output<typeof plainShape>

const passShape = z.strictObject({
  ...about,
  do: z.literal("pass"),
  from: key,
  to: key,
  hops: z.int().min(1).max(HOPS_MAX),
  /** HMAC-SHA-256 of the record with the key of these two; absent where the record proves itself. */
  mac: hash.optional(),
  /** A packed {@linkcode PlainRecord}. */
  record: bytesUpTo(RECORD_BYTES_MAX - 256),
})
/** A record on its way between two who are no contacts of each other. */
export type PassRecord = z.output<typeof passShape>
/** A letter's content. */
export type GroupRecord = PlainRecord | PassRecord

const recordShape = z.union([plainShape, passShape])

/** @throws {AlliumError} `BAD_RECORD`, `BAD_PACK`; they do not quote the content. */
export function readRecord(bytes: Uint8Array): GroupRecord {
  return read(recordShape, unpack(bytes, RECORD_LIMITS))
}

/** The record inside of a {@linkcode PassRecord}. @throws {AlliumError} as {@linkcode readRecord}. */
export function readPlain(bytes: Uint8Array): PlainRecord {
  return read(plainShape, unpack(bytes, RECORD_LIMITS))
}

/** A record without what all of them begin with. */
export type Bare<R extends GroupRecord = GroupRecord> = R extends GroupRecord
  ? Omit<R, "v" | "kind">
  : never

/** A letter's content. */
export function writeRecord(record: Bare): Uint8Array {
  return pack({ v: 1, kind: "group", ...record })
}

/** @throws {AlliumError} `BAD_RECORD`, `BAD_PACK`. */
export function readPost(bytes: Uint8Array): Post {
  return read(postShape, unpack(bytes, POST_LIMITS))
}

export function writePost(post: Post): Uint8Array {
  return pack(post)
}

/** What the author's next post names as `previous`. */
export function postHash(group: Uint8Array, author: string, post: Uint8Array): Uint8Array {
  return hashOf(POST_DOMAIN, group, keyBytes(author), post)
}

function read<T>(shape: z.ZodType<T>, value: unknown): T {
  const result = shape.safeParse(value)
  if (result.success) return result.data
  throw badRecord("group record", "its shape is not that of a group record")
}

/**
 * What stands on a `/files/1` channel: who opens it asks, the other side answers, in order.
 *
 * @see docs/protocol/files.md
 * @module
 */
import { AlliumError, z } from "allium/plugin"

/** The protocol's name on a link. */
export const PROTOCOL = "/files/1"
/** Verified, and if need be sent again, as one. */
export const CHUNK_BYTES = 1_048_576
/** Most payload of one data record. */
export const DATA_BYTES_MAX = 65_536
/** SHA-256. */
export const HASH_BYTES = 32
/** Chunk hashes that travel and are kept together: 32 KiB. */
export const BLOCK_HASHES = 1_024
/** Longest file, 8 TiB: its chunk hashes take 256 MiB. */
export const FILE_BYTES_MAX = 2 ** 43
/** Longest name that is read; it is made safe and shorter afterwards. */
const NAME_BYTES_MAX = 1_024
/** Longest question: an offer with the longest name, and 200 bytes for the rest. */
export const QUESTION_BYTES_MAX = NAME_BYTES_MAX + 256
/** Longest answer: a data record. */
export const ANSWER_BYTES_MAX = DATA_BYTES_MAX + 128

/** Why there is nothing more to be had, or nothing more will be taken. */
export const REASONS = [
  "REFUSED",
  "CANCELLED",
  "FILE_CHANGED",
  "FILE_GONE",
  "FILE_CORRUPT",
  "UNKNOWN",
] as const
/** See {@linkcode REASONS}. */
export type Reason = (typeof REASONS)[number]

/** A byte string whose length passes `test`. */
export function bytesShape(test: (length: number) => boolean): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>((value) => value instanceof Uint8Array && test(value.length))
}

const bytes = (length: number) => bytesShape((found) => found === length)
const id = bytes(16)
const reason = z.enum(REASONS)
const offset = z.int().min(0).max(FILE_BYTES_MAX)
const block = z.int().min(0)

const questionShape = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("offer"),
    id,
    name: z.string().refine((name) => Buffer.byteLength(name) <= NAME_BYTES_MAX),
    size: z.int().min(0).max(FILE_BYTES_MAX),
    /** SHA-256 of the file. */
    sha256: bytes(HASH_BYTES),
    /** SHA-256 of all chunk hashes, one after the other. */
    root: bytes(HASH_BYTES),
  }),
  z.strictObject({ kind: z.literal("withdraw"), id, reason }),
  z.strictObject({ kind: z.literal("decline"), id, reason }),
  z.strictObject({ kind: z.literal("complete"), id }),
  z.strictObject({ kind: z.literal("manifest"), id, block }),
  z.strictObject({
    kind: z.literal("get"),
    id,
    offset,
    byteCount: z.int().min(1).max(CHUNK_BYTES),
    /** Bytes from the file's beginning that the asker has verified and synced. */
    have: offset,
  }),
])
const answerShape = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("noted"), id }),
  z.strictObject({ kind: z.literal("busy"), id }),
  z.strictObject({ kind: z.literal("gone"), id, reason }),
  z.strictObject({
    kind: z.literal("manifest"),
    id,
    block,
    hashes: bytesShape((length) => length <= BLOCK_HASHES * HASH_BYTES),
  }),
  z.strictObject({
    kind: z.literal("data"),
    id,
    offset,
    bytes: bytesShape((length) => length > 0 && length <= DATA_BYTES_MAX),
  }),
])

/** What the opener of a channel may say. */
export type Question = z.output<typeof questionShape>
/** What comes back. */
export type Answer = z.output<typeof answerShape>

/** @throws {AlliumError} `BAD_RECORD`; it does not quote the content. */
export function readQuestion(value: unknown): Question {
  return read(questionShape, value, "question")
}

/** @throws {AlliumError} `BAD_RECORD`. */
export function readAnswer(value: unknown): Answer {
  return read(answerShape, value, "answer")
}

function read<T>(shape: z.ZodType<T>, value: unknown, what: string): T {
  const result = shape.safeParse(value)
  if (result.success) return result.data
  throw new AlliumError("BAD_RECORD", `Cannot read ${what}: its shape is not that of ${PROTOCOL}`)
}

/** How many chunks a file of `size` bytes has. */
export function countChunks(size: number): number {
  return Math.ceil(size / CHUNK_BYTES)
}

/** How many blocks its chunk hashes take. */
export function countBlocks(size: number): number {
  return Math.ceil(countChunks(size) / BLOCK_HASHES)
}

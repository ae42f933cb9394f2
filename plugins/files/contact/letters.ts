/**
 * What two files plugins say to each other in letters: what is offered, and what became of it.
 *
 * @see docs/protocol/transfer.md#letters
 * @module
 */
import { AlliumError, pack, unpack, z } from "allium/plugin"
import { FILE_BYTES_MAX } from "../size.ts"
import { CHUNK_SALT_BYTES } from "./chunks.ts"
import { OFFER_KEY_BYTES, TRANSFER_ID_BYTES } from "./line-keys.ts"

/** Longest name that is read; it is made safe and shorter afterwards. */
const OFFER_NAME_BYTES_MAX = 1_024
/** Files that an offer lists for whoever decides; the rest is counted. */
export const FILES_LISTED_MAX = 100
/** Files of one transfer. */
export const FILES_OFFERED_MAX = 20_000
/** Other members of a group that an offer names; a group has 32. */
export const FELLOWS_MAX = 31
/** A few words that go with an offer. */
export const OFFER_NOTE_BYTES_MAX = 1_024
/** A whole letter: 100 paths of 400 bytes, and the rest. */
const FILE_LETTER_BYTES_MAX = 49_152
const VERSION = 1

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

/** A byte string of so many bytes. */
export function bytesShape(byteCount: number): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === byteCount)
}

const text = (bytesMax: number) => z.string().refine((one) => Buffer.byteLength(one) <= bytesMax)
const v = z.literal(VERSION)
const id = bytesShape(TRANSFER_ID_BYTES)
const reason = z.enum(REASONS)
const size = z.int().min(0).max(FILE_BYTES_MAX)

const offerShape = z.strictObject({
  v,
  kind: z.literal("offer"),
  id,
  name: text(OFFER_NAME_BYTES_MAX),
  isFolder: z.boolean(),
  size,
  fileCount: z.int().min(0).max(FILES_OFFERED_MAX),
  /** The first files, by path below the folder; nothing in it is believed. */
  files: z.array(z.strictObject({ path: text(OFFER_NAME_BYTES_MAX), size })).max(FILES_LISTED_MAX),
  infohash: bytesShape(20),
  /** SHA-256 of the info dictionary. */
  info: bytesShape(32),
  /** SHA-256 of the file; of a folder, that of the SHA-256 of its files, one after the other in the torrent's order. */
  sha256: bytesShape(32),
  key: bytesShape(OFFER_KEY_BYTES),
  note: text(OFFER_NOTE_BYTES_MAX).optional(),
  /** Offered to a group: its id, and the keys of the others to whom it was offered. */
  group: z
    .strictObject({ id: bytesShape(32), fellows: z.array(bytesShape(32)).max(FELLOWS_MAX) })
    .optional(),
})
const letterShape = z.discriminatedUnion("kind", [
  offerShape,
  z.strictObject({ v, kind: z.literal("withdraw"), id, reason }),
  z.strictObject({ v, kind: z.literal("accept"), id }),
  z.strictObject({ v, kind: z.literal("decline"), id, reason }),
  z.strictObject({ v, kind: z.literal("done"), id }),
  z.strictObject({
    ...{ v, kind: z.literal("stored"), id, salt: bytesShape(CHUNK_SALT_BYTES) },
    /** Of the tower: base64url, and its `.b32.i2p` name. */
    ...{
      key: z.string().regex(/^[\w-]{43}$/),
      address: z.string().regex(/^[a-z2-7]{52,56}\.b32\.i2p$/),
    },
  }),
])

/** One letter. */
export type FileLetter = z.output<typeof letterShape>
/** The letter that begins it all. */
export type OfferLetter = z.output<typeof offerShape>
type WithoutVersion<T> = T extends unknown ? Omit<T, "v"> : never
/** What is to be written. */
export type PlainLetter = WithoutVersion<FileLetter>

/** @throws {RangeError} When it is longer than a letter may be. */
export function writeLetter(letter: PlainLetter): Uint8Array {
  const bytes = pack({ v: VERSION, ...letter })
  if (bytes.length > FILE_LETTER_BYTES_MAX) throw new RangeError("A letter about files is short")
  return bytes
}

/** @throws {AlliumError} `BAD_RECORD`; it does not quote the content. */
export function readLetter(bytes: Uint8Array): FileLetter {
  const value = bytes.length > FILE_LETTER_BYTES_MAX ? undefined : unpackSafely(bytes)
  const { success, data } = letterShape.safeParse(value)
  if (success) return data
  throw new AlliumError("BAD_RECORD", "Cannot read letter: it is not one about files")
}

function unpackSafely(bytes: Uint8Array): unknown {
  try {
    return unpack(bytes)
  } catch {
    return undefined
  }
}

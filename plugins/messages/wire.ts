/**
 * What stands in a letter between two messages plugins: one packed record.
 *
 * @see docs/protocol/messages.md
 * @module
 */
import { AlliumError, pack, unpack, z } from "allium/plugin"

/** Version of the records; stands in each as `v`. */
export const RECORD_VERSION = 1
/** Longest text, in bytes of UTF-8: a book. Longer things are files. */
export const TEXT_BYTES_MAX = 1_048_576
/** Random bytes that name a message everywhere. */
export const ID_BYTES = 16
/** Longest record: the longest text, all attachments, and room for the rest. */
export const RECORD_BYTES_MAX = TEXT_BYTES_MAX + 16_384
/** Times are told in whole minutes: a finer clock would tell machines apart. */
export const SENT_AT_STEP_MS = 60_000
/** Files that may go with one text. */
export const ATTACHMENTS_MAX = 16
/** Longest name of an attachment, in bytes of UTF-8: no file system takes more. */
const NAME_BYTES_MAX = 255
/** Longest reaction, in bytes of UTF-8: the longest emoji sequences have 35. */
const EMOJI_BYTES_MAX = 64
/** Longest time after which a message disappears: a year. */
export const TIMER_MAX_S = 31_622_400

/** The last minute of the year 9999: later times break calendars. */
const SENT_AT_MAX_MS = Date.UTC(9999, 11, 31, 23, 59)
/** SHA-256. */
const HASH_BYTES = 32

const bytesShape = (length: number) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === length)

/** A message's name: 16 random bytes. */
export const idShape: z.ZodType<Uint8Array> = bytesShape(ID_BYTES)

/** Text of at most so many bytes of UTF-8, no lone surrogates. */
function boundedText(bytesMax: number, tooLong: string) {
  return z
    .string()
    .refine((text) => Buffer.byteLength(text) <= bytesMax, tooLong)
    .refine((text) => Buffer.from(text).toString() === text, "not well-formed Unicode")
}

/** Text as it may be sent: at most 1 MiB. */
export const textShape = boundedText(TEXT_BYTES_MAX, "longer than 1 MiB: send it as a file")

/** A reaction; empty takes it back. */
export const emojiShape = boundedText(EMOJI_BYTES_MAX, "longer than 64 bytes").refine(
  (emoji) => !/[\s\p{Cc}]/u.test(emoji),
  "holds spaces or control characters",
)

/** Seconds after which a message disappears. */
const expiresShape = z.int().min(1).max(TIMER_MAX_S)

/** What an attachment is to the eye and the ear. */
export const ATTACHMENT_KINDS = ["file", "picture", "voice"] as const

/** A file that goes with a text, by the files plugin. */
export const attachmentShape = z.strictObject({
  /** Id of the transfer, the same on both sides. */
  transfer: idShape,
  name: boundedText(NAME_BYTES_MAX, "longer than 255 bytes").min(1),
  /** Bytes. */
  size: z.int().min(0),
  kind: z.enum(ATTACHMENT_KINDS),
  /** Of the file; left out for files too long to be hashed before sending. */
  sha256: bytesShape(HASH_BYTES).optional(),
})
/** A file that goes with a text. */
export type Attachment = z.output<typeof attachmentShape>

const common = { v: z.literal(RECORD_VERSION) }
const textRecordShape = z
  .strictObject({
    ...common,
    kind: z.literal("text"),
    id: idShape,
    /** Milliseconds since 1970, whole minutes. */
    sentAt: z.int().min(0).max(SENT_AT_MAX_MS).multipleOf(SENT_AT_STEP_MS),
    /** Empty only when something is attached. */
    text: textShape,
    replyTo: idShape.optional(),
    expiresS: expiresShape.optional(),
    attachments: z.array(attachmentShape).min(1).max(ATTACHMENTS_MAX).optional(),
  })
  .refine(({ text, attachments }) => text !== "" || attachments !== undefined)

const recordShape = z.discriminatedUnion("kind", [
  textRecordShape,
  z.strictObject({
    ...common,
    kind: z.literal("edit"),
    target: idShape,
    text: textShape.refine((text) => text !== ""),
  }),
  z.strictObject({ ...common, kind: z.literal("delete"), target: idShape }),
  z.strictObject({ ...common, kind: z.literal("react"), target: idShape, emoji: emojiShape }),
  /** This message of the receiver's and all before it were read. */
  z.strictObject({ ...common, kind: z.literal("read"), upTo: idShape }),
  /** From now on messages of this conversation disappear after so long; 0 for never. */
  z.strictObject({ ...common, kind: z.literal("timer"), seconds: z.int().min(0).max(TIMER_MAX_S) }),
  z.strictObject({ ...common, kind: z.literal("typing") }),
])

/** What one letter says. */
export type MessageRecord = z.output<typeof recordShape>
/** A text. */
export type TextRecord = Extract<MessageRecord, { kind: "text" }>
/** A record without its version. */
export type RecordBody = MessageRecord extends infer R
  ? R extends MessageRecord
    ? Omit<R, "v">
    : never
  : never

/** @throws {AlliumError} `BAD_RECORD` for what is no packed value; it does not quote the content. */
export function unpackRecord(content: Uint8Array): unknown {
  try {
    return unpack(content, { bytesMax: RECORD_BYTES_MAX, depthMax: 8, itemsMax: 4_096 })
  } catch {
    throw badRecord()
  }
}

/** @throws {AlliumError} `BAD_RECORD` for anything that is not a record of this version. */
export function readRecord(value: unknown): MessageRecord {
  const result = recordShape.safeParse(value)
  if (result.success) return result.data
  throw badRecord()
}

/** Content of a letter. */
export function packRecord(body: RecordBody): Uint8Array {
  return pack({ v: RECORD_VERSION, ...body })
}

function badRecord(): AlliumError {
  return new AlliumError("BAD_RECORD", "Cannot read message: its shape is not that of version 1")
}

/** Bytes in lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex")
}

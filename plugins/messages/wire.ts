/**
 * What stands on a `/messages/1` channel: texts one way, acknowledgements the other.
 *
 * @see docs/protocol/messages.md
 * @module
 */
import { AlliumError, z } from "allium/plugin"

/** The protocol's name on a link. */
export const PROTOCOL = "/messages/1"
/** Longest text, in bytes of UTF-8: a chapter, not a file. */
const TEXT_BYTES_MAX = 65_536
/** Random bytes that name a message everywhere. */
export const ID_BYTES = 16
/** Longest record: the longest text and 128 bytes for the rest (at most 76). */
export const RECORD_BYTES_MAX = TEXT_BYTES_MAX + 128
/** How many ids one acknowledgement may carry. */
export const ACK_IDS_MAX = 64
/** Times are told in whole minutes: a finer clock would tell machines apart. */
export const SENT_AT_STEP_MS = 60_000

/** The last minute of the year 9999: later times break calendars. */
const SENT_AT_MAX_MS = Date.UTC(9999, 11, 31, 23, 59)

/** A message's name: 16 random bytes. */
export const idShape = z
  .instanceof(Uint8Array)
  .refine((id) => id.length === ID_BYTES, `expected ${ID_BYTES} bytes`)

/** Text as it may be sent: 1 to 65,536 bytes, no lone surrogates. */
export const textShape = z
  .string()
  .min(1)
  .refine((text) => Buffer.byteLength(text) <= TEXT_BYTES_MAX, "longer than 65,536 bytes")
  .refine((text) => Buffer.from(text).toString() === text, "not well-formed Unicode")

const textRecordShape = z.strictObject({
  kind: z.literal("text"),
  id: idShape,
  /** Number among the sender's messages of this conversation, from 1. */
  sequence: z.int().min(1),
  /** Milliseconds since 1970, whole minutes. */
  sentAt: z.int().min(0).max(SENT_AT_MAX_MS).multipleOf(SENT_AT_STEP_MS),
  text: textShape,
})
const ackRecordShape = z.strictObject({
  kind: z.literal("ack"),
  ids: z.array(idShape).min(1).max(ACK_IDS_MAX),
})

/** A message on the wire. */
export type TextRecord = z.output<typeof textRecordShape>
/** "These are on my disk." */
export type AckRecord = z.output<typeof ackRecordShape>

/** @throws {AlliumError} `BAD_RECORD` for anything else; it does not quote the content. */
export function readText(value: unknown): TextRecord {
  return read(textRecordShape, value, "message")
}

/** @throws {AlliumError} `BAD_RECORD` for anything else. */
export function readAck(value: unknown): AckRecord {
  return read(ackRecordShape, value, "acknowledgement")
}

function read<T>(shape: z.ZodType<T>, value: unknown, what: string): T {
  const result = shape.safeParse(value)
  if (result.success) return result.data
  throw new AlliumError("BAD_RECORD", `Cannot read ${what}: its shape is not that of ${PROTOCOL}`)
}

/**
 * What is asked and answered on `/mailbox/1`, byte by byte.
 *
 * @see docs/protocol/mailbox.md
 * @module
 */
import type { ErrorCode } from "../../base/error-codes.ts"
import { AlliumError, toAlliumError } from "../../base/errors.ts"
import { ENVELOPE_BYTES } from "../envelope/crypto.ts"
import {
  badFrame,
  bytes,
  choice,
  type Field,
  list,
  maybe,
  number48,
  requireZeros,
  unsigned,
  varied,
} from "./fields.ts"
import { CHUNK_FRAME_BYTES, type Frame, frameCodec, type Kinds } from "./frames.ts"
import { GREETING_BYTES_MAX, ISSUE_TOKENS_MAX, MOVED_BYTES_MAX } from "./limits.ts"
import {
  ENVELOPE_ID_BYTES,
  QUEUE_ID_BYTES,
  TOKEN_BYTES,
  type Toll,
  WORK_NONCE_BYTES,
} from "./mailbox.ts"

/** Name of the protocol on a link. */
export const MAILBOX_PROTOCOL = "/mailbox/1"
/** Bytes of a blob that one frame carries. */
export const CHUNK_BYTES: number = CHUNK_FRAME_BYTES - 8

const id = bytes(QUEUE_ID_BYTES)
const point = bytes(32)
const points = list(32, ISSUE_TOKENS_MAX)
const token = maybe(bytes(TOKEN_BYTES))
const chunk = varied(CHUNK_BYTES)
const moved = varied(MOVED_BYTES_MAX)
const greeting = varied(GREETING_BYTES_MAX)

/** A kind (0 none, 1 work, 2 introduction), then 32 bytes: nonce and zeros, or ticket. */
const toll: Field<Toll | undefined> = {
  size: 33,
  write(to, at, value) {
    if (value === undefined) return
    to.setUint8(at, value.kind === "work" ? 1 : 2)
    if (value.kind === "work") bytes(WORK_NONCE_BYTES).write(to, at + 1, value.nonce)
    else id.write(to, at + 1, value.ticket)
  },
  read(from, at) {
    const kind = from.getUint8(at)
    if (kind === 2) return { kind: "introduction", ticket: id.read(from, at + 1) }
    if (kind > 2) throw badFrame("its toll is unknown")
    const used = kind === 1 ? WORK_NONCE_BYTES : 0
    requireZeros(from, at + 1 + used, at + 33)
    return kind === 0
      ? undefined
      : { kind: "work", nonce: bytes(WORK_NONCE_BYTES).read(from, at + 1) }
  },
}

/** What a client sends; types from 0x40 are large, from 0x80 chunks. */
export const REQUESTS = {
  make: [0x01, { queue: choice("queue", "door"), token }],
  get: [0x02, { receiveId: id, after: number48, limit: unsigned(1) }],
  subscribe: [0x03, { receiveId: id, after: number48, credit: unsigned(2) }],
  more: [0x04, { credit: unsigned(2) }],
  cancel: [0x05, {}],
  acknowledge: [0x06, { receiveId: id, upTo: number48 }],
  remove: [0x07, { receiveId: id }],
  greeting: [0x08, { sendId: id }],
  putBlob: [0x09, { id, writeKey: id, size: unsigned(4), token }],
  getBlob: [0x0a, { id }],
  tokenKey: [0x0b, {}],
  addTicket: [0x0c, { receiveId: id, ticketHash: id }],
  put: [0x41, { sendId: id, id: bytes(ENVELOPE_ID_BYTES), toll, envelope: bytes(ENVELOPE_BYTES) }],
  move: [0x42, { receiveId: id, sealed: moved }],
  issueTokens: [0x43, { invitation: id, blinded: points }],
  setGreeting: [0x81, { receiveId: id, greeting }],
  chunk: [0x82, { bytes: chunk }],
} as const satisfies Kinds

/** Codes that cross the wire; their numbers are their places, from 1. The others become `BUSY`. */
export const WIRE_CODES = [
  "BUSY",
  "MAILBOX_REFUSED",
  "NO_QUEUE",
  "BAD_TOKEN",
  "MAILBOX_FULL",
  "TOO_LARGE",
  "BAD_INPUT",
] as const satisfies readonly ErrorCode[]

/** What a mailbox answers. */
export const ANSWERS = {
  done: [0x01, {}],
  failed: [0x02, { code: choice(...WIRE_CODES) }],
  made: [0x03, { receiveId: id, sendId: id, expiresS: number48 }],
  put: [0x04, { answer: choice("ok", "duplicate", "full", "gone") }],
  toll: [0x05, { challenge: id, difficulty: unsigned(1) }],
  none: [0x06, {}],
  blob: [0x07, { size: unsigned(4) }],
  tokenKey: [0x08, { epoch: unsigned(4), publicKey: point }],
  envelope: [0x41, { number: number48, envelope: bytes(ENVELOPE_BYTES) }],
  moved: [0x42, { sealed: moved }],
  issued: [0x43, { epoch: unsigned(4), publicKey: point, proof: bytes(64), evaluated: points }],
  greeting: [0x81, { greeting }],
  chunk: [0x82, { bytes: chunk }],
} as const satisfies Kinds

/** One request. */
export type Request = Frame<typeof REQUESTS>
/** One answer. */
export type Answer = Frame<typeof ANSWERS>
/** Requests to bytes and back. */
export const requests = frameCodec(REQUESTS)
/** Answers to bytes and back. */
export const answers = frameCodec(ANSWERS)

/** What a failure is called on the wire: nothing of its sentence crosses. */
export function wireCodeOf(thrown: unknown): (typeof WIRE_CODES)[number] {
  const { code } = toAlliumError(thrown)
  if (code === "STORE_FULL") return "MAILBOX_FULL"
  return WIRE_CODES.find((known) => known === code) ?? "BUSY"
}

/** The error a client gives its caller. */
export function failureOf(code: (typeof WIRE_CODES)[number]): AlliumError {
  return new AlliumError(code, `Cannot use mailbox: it answered ${code}`)
}

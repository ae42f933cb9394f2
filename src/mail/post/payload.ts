/**
 * What stands inside an envelope: parts of the sender's scroll of letters, acknowledgements, a flash letter.
 *
 * @see docs/protocol/letter.md "Payload"
 * @module
 */
import { AlliumError } from "../../base/errors.ts"
import type { Range } from "./ranges.ts"

/** Names one run of numbers of one sender: a device that lost its memory begins another. */
export const ORIGIN_BYTES = 8
/** Version, origin, epoch. */
export const PAYLOAD_HEAD_BYTES = 13
/** Kind and length of an item. */
const ITEM_HEAD_BYTES = 3
/** What a part takes besides its bytes. */
export const PART_HEAD_BYTES = ITEM_HEAD_BYTES + 12
/** What a flash letter takes besides its bytes. */
export const FLASH_HEAD_BYTES = ITEM_HEAD_BYTES
/** What an acknowledgement takes besides its ranges. */
export const ACK_HEAD_BYTES = ITEM_HEAD_BYTES + 14
/** A range in an acknowledgement. */
export const RANGE_BYTES = 12
/** Ranges of one acknowledgement; what is not named is sent again. */
export const ACK_RANGES_MAX = 32
/** Acknowledgements in one payload: one for each origin of theirs that we still hear. */
export const ACKS_MAX = 4

const VERSION = 1
const ACK = 1
const PART = 2
const FLASH = 3
const OFFSET_BYTES = 6

/** Some bytes of the sender's scroll. */
export interface Part {
  /** Where on the scroll its first byte stands. */
  readonly offset: number
  /** Nothing before this will be sent (again); begins a letter; at most `offset`. */
  readonly base: number
  /** At least one. */
  readonly bytes: Uint8Array
}

/** What the sender of it has of our scroll. */
export interface Ack {
  /** Ours, 8 bytes. */
  readonly origin: Uint8Array
  /** All letters before this are where they belong, on disk. */
  readonly upto: number
  /** What is on disk from there on, ascending, with gaps between. */
  readonly ranges: readonly Range[]
}

/** Everything one envelope says. */
export interface Payload {
  /** The sender's. */
  readonly origin: Uint8Array
  /** Of the session: the higher one is used for sending. */
  readonly epoch: number
  readonly acks: readonly Ack[]
  readonly part?: Part
  /** A letter that is neither numbered nor kept: topic and content, as on the scroll but without length. */
  readonly flash?: Uint8Array
}

/** @returns Bytes of the caller's own. */
export function writePayload(payload: Payload): Uint8Array {
  const head = Buffer.alloc(PAYLOAD_HEAD_BYTES)
  head.writeUInt8(VERSION, 0)
  head.set(payload.origin, 1)
  head.writeUInt32BE(payload.epoch, 9)
  const items = payload.acks.map((ack) => item(ACK, [ack.origin, ...offsets(ack)]))
  const { part, flash } = payload
  if (part !== undefined)
    items.push(item(PART, [offset(part.base), offset(part.offset), part.bytes]))
  if (flash !== undefined) items.push(item(FLASH, [flash]))
  return new Uint8Array(Buffer.concat([head, ...items]))
}

function offsets(ack: Ack): Uint8Array[] {
  return [ack.upto, ...ack.ranges.flat()].map(offset)
}

function offset(value: number): Uint8Array {
  const bytes = Buffer.alloc(OFFSET_BYTES)
  bytes.writeUIntBE(value, 0, OFFSET_BYTES)
  return bytes
}

function item(kind: number, pieces: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(pieces)
  const head = Buffer.alloc(ITEM_HEAD_BYTES)
  head.writeUInt8(kind, 0)
  head.writeUInt16BE(body.length, 1)
  return Buffer.concat([head, body])
}

/**
 * @param bytes - Untrusted, though sealed by the correspondent; what comes back does not share them.
 * @throws {AlliumError} `BAD_RECORD` for whatever {@linkcode writePayload} does not write; it quotes nothing.
 */
export function readPayload(bytes: Uint8Array): Payload {
  const view = Buffer.from(bytes)
  must(view.length >= PAYLOAD_HEAD_BYTES && view[0] === VERSION)
  const items = readItems(view.subarray(PAYLOAD_HEAD_BYTES))
  const of = (kind: number) => items.filter((one) => one.kind === kind).map(({ body }) => body)
  const acks = of(ACK).map(readAck)
  const [part] = of(PART).map(readPart)
  const [flash] = of(FLASH)
  must(acks.length <= ACKS_MAX && of(PART).length <= 1 && of(FLASH).length <= 1)
  return {
    ...{ origin: copy(view.subarray(1, 9)), epoch: view.readUInt32BE(9), acks },
    ...(part && { part }),
    ...(flash && { flash: copy(flash) }),
  }
}

interface Item {
  readonly kind: number
  readonly body: Buffer
}

/** Items stand in ascending order of kind. */
function readItems(view: Buffer): Item[] {
  const items: Item[] = []
  for (let at = 0; at < view.length; ) {
    must(view.length - at >= ITEM_HEAD_BYTES)
    const kind = view.readUInt8(at)
    const end = at + ITEM_HEAD_BYTES + view.readUInt16BE(at + 1)
    must(kind >= (items.at(-1)?.kind ?? ACK) && kind <= FLASH && end <= view.length)
    items.push({ kind, body: view.subarray(at + ITEM_HEAD_BYTES, end) })
    at = end
  }
  return items
}

function readAck(body: Buffer): Ack {
  const rangeBytes = body.length - ORIGIN_BYTES - OFFSET_BYTES
  must(rangeBytes >= 0 && rangeBytes % RANGE_BYTES === 0)
  must(rangeBytes <= ACK_RANGES_MAX * RANGE_BYTES)
  const upto = body.readUIntBE(ORIGIN_BYTES, OFFSET_BYTES)
  const ranges: Range[] = []
  for (let at = ORIGIN_BYTES + OFFSET_BYTES; at < body.length; at += RANGE_BYTES) {
    const [from, to] = [body.readUIntBE(at, 6), body.readUIntBE(at + OFFSET_BYTES, 6)]
    must(from < to && from >= (ranges.length === 0 ? upto : ranges.at(-1)![1] + 1))
    ranges.push([from, to])
  }
  return { origin: copy(body.subarray(0, ORIGIN_BYTES)), upto, ranges }
}

function readPart(body: Buffer): Part {
  must(body.length > 2 * OFFSET_BYTES)
  const base = body.readUIntBE(0, OFFSET_BYTES)
  const from = body.readUIntBE(OFFSET_BYTES, OFFSET_BYTES)
  const bytes = copy(body.subarray(2 * OFFSET_BYTES))
  must(base <= from && from + bytes.length < 2 ** 48)
  return { base, offset: from, bytes }
}

function copy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

function must(holds: boolean): asserts holds {
  if (holds) return
  throw new AlliumError("BAD_RECORD", "Cannot read payload: its shape is not that of letters")
}

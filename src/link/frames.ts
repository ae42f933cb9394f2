/**
 * The frames of a link, and nothing else: bytes in, typed frames out, and back.
 *
 * A frame is a 7-byte head (payload length, type, channel; big-endian) and its payload. Channel 0 is
 * the link itself.
 *
 * @see docs/protocol/link.md#frames
 * @module
 */
import { FRAME_BYTES_MAX } from "./limits.ts"
import { linkProtocolError } from "./link-errors.ts"

/** Payload length (2 bytes), type (1), channel (4). */
export const FRAME_HEAD_BYTES = 7

/** One frame as both sides understand it. Counts are bytes since the link began, at most 2^53 - 1. */
export type Frame =
  | { readonly type: "data"; readonly channel: number; readonly bytes: Buffer }
  | {
      readonly type: "open"
      readonly channel: number
      readonly windowBytes: number
      readonly protocol: string
    }
  | { readonly type: "credit"; readonly channel: number; readonly byteCount: number }
  | { readonly type: "end"; readonly channel: number }
  | { readonly type: "delivered"; readonly channel: number }
  | { readonly type: "reset"; readonly channel: number; readonly code: number }
  | { readonly type: "ping"; readonly received: number; readonly token: number }
  | { readonly type: "pong"; readonly received: number; readonly token: number }
  | { readonly type: "ack"; readonly received: number }
  | { readonly type: "goaway" }
  | { readonly type: "close"; readonly code: number }

type FrameName = Frame["type"]

/** Type byte, whose frame it is, and how long its payload may be. The order is the type byte. */
const SHAPES: readonly {
  readonly name: FrameName
  readonly of: "channel" | "link"
  readonly bytes: readonly [number, number]
}[] = [
  { name: "data", of: "channel", bytes: [1, FRAME_BYTES_MAX] },
  { name: "open", of: "channel", bytes: [4 + 2, 4 + 64] },
  { name: "credit", of: "channel", bytes: [4, 4] },
  { name: "end", of: "channel", bytes: [0, 0] },
  { name: "delivered", of: "channel", bytes: [0, 0] },
  { name: "reset", of: "channel", bytes: [2, 2] },
  { name: "ping", of: "link", bytes: [12, 12] },
  { name: "pong", of: "link", bytes: [12, 12] },
  { name: "ack", of: "link", bytes: [8, 8] },
  { name: "goaway", of: "link", bytes: [0, 0] },
  { name: "close", of: "link", bytes: [2, 2] },
]

/** `/name/version`, such as `/messages/1`; 2 to 64 characters of lower-case ASCII. */
const PROTOCOL = /^(?:\/[a-z0-9][a-z0-9-]*)+$/

/** True for a name a channel may carry. */
export function isProtocolName(name: string): boolean {
  return name.length >= 2 && name.length <= 64 && PROTOCOL.test(name)
}

/** Room for a frame, its head written; the caller fills the payload from {@linkcode FRAME_HEAD_BYTES}. */
export function blankFrame(name: FrameName, channel: number, payloadBytes: number): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + payloadBytes)
  frame.writeUInt16BE(payloadBytes, 0)
  frame[2] = SHAPES.findIndex((shape) => shape.name === name)
  frame.writeUInt32BE(channel, 3)
  return frame
}

/** Writes a frame. The caller has checked its values. */
export function encodeFrame(frame: Frame): Buffer {
  const payload = encodePayload(frame)
  const bytes = blankFrame(frame.type, "channel" in frame ? frame.channel : 0, payload.length)
  payload.copy(bytes, FRAME_HEAD_BYTES)
  return bytes
}

function encodePayload(frame: Frame): Buffer {
  switch (frame.type) {
    case "data":
      return frame.bytes
    case "open":
      return Buffer.concat([uint32(frame.windowBytes), Buffer.from(frame.protocol, "latin1")])
    case "credit":
      return uint32(frame.byteCount)
    case "reset":
    case "close":
      return uint16(frame.code)
    case "ping":
    case "pong":
      return Buffer.concat([uint64(frame.received), uint32(frame.token)])
    case "ack":
      return uint64(frame.received)
    default:
      return Buffer.alloc(0)
  }
}

/**
 * Cuts a byte stream into frames, however it was split. Holds one unfinished frame at most.
 */
export class FrameParser {
  readonly #head = Buffer.alloc(FRAME_HEAD_BYTES)
  #headBytes = 0
  #payload: Buffer | undefined
  #payloadBytes = 0;

  /**
   * Gives every frame that is whole now. `data` payloads are views of `chunk` where it holds them
   * whole: use or copy them at once.
   *
   * @throws {AlliumError} `LINK_PROTOCOL` for a type, channel or length nobody may send; the parser
   * is of no use afterwards.
   */
  *push(chunk: Buffer): Generator<Frame, void> {
    let at = 0
    while (at < chunk.length) {
      at += this.#fillHead(chunk, at)
      if (this.#headBytes < FRAME_HEAD_BYTES) return
      const wanted = this.#check()
      const whole = this.#payloadBytes === 0 && chunk.length - at >= wanted
      if (whole) {
        const payload = chunk.subarray(at, at + wanted)
        at += wanted
        yield this.#finish(payload)
        continue
      }
      at += this.#fillPayload(chunk, at, wanted)
      if (this.#payloadBytes === wanted) yield this.#finish(this.#payload!)
    }
  }

  #fillHead(chunk: Buffer, at: number): number {
    const copied = chunk.copy(this.#head, this.#headBytes, at)
    this.#headBytes += copied
    return copied
  }

  #fillPayload(chunk: Buffer, at: number, wanted: number): number {
    this.#payload ??= Buffer.allocUnsafeSlow(wanted)
    const copied = chunk.copy(this.#payload, this.#payloadBytes, at)
    this.#payloadBytes += copied
    return copied
  }

  /** Judges the head before a byte of the payload is kept. */
  #check(): number {
    const shape = SHAPES[this.#head[2]!]
    if (shape === undefined) throw linkProtocolError(`frame type is ${this.#head[2]}`)
    const byteCount = this.#head.readUInt16BE(0)
    const [least, most] = shape.bytes
    if (byteCount < least || byteCount > most)
      throw linkProtocolError(`${shape.name} frame has ${byteCount} bytes`, `${least} to ${most}`)
    const channel = this.#head.readUInt32BE(3)
    if ((channel === 0) !== (shape.of === "link"))
      throw linkProtocolError(`${shape.name} frame names channel ${channel}`)
    return byteCount
  }

  #finish(payload: Buffer): Frame {
    const { name } = SHAPES[this.#head[2]!]!
    const channel = this.#head.readUInt32BE(3)
    this.#headBytes = 0
    this.#payloadBytes = 0
    this.#payload = undefined
    return decodeFrame(name, channel, payload)
  }
}

function decodeFrame(type: FrameName, channel: number, payload: Buffer): Frame {
  switch (type) {
    case "data":
      return { type, channel, bytes: payload }
    case "open":
      return decodeOpen(channel, payload)
    case "credit":
      return { type, channel, byteCount: payload.readUInt32BE(0) }
    case "end":
    case "delivered":
      return { type, channel }
    case "reset":
      return { type, channel, code: payload.readUInt16BE(0) }
    case "ping":
    case "pong":
      return { type, received: readCount(payload), token: payload.readUInt32BE(8) }
    case "ack":
      return { type, received: readCount(payload) }
    case "goaway":
      return { type }
    case "close":
      return { type, code: payload.readUInt16BE(0) }
  }
}

function decodeOpen(channel: number, payload: Buffer): Frame {
  const protocol = payload.toString("latin1", 4)
  if (!isProtocolName(protocol)) throw linkProtocolError("open frame names no protocol")
  return { type: "open", channel, windowBytes: payload.readUInt32BE(0), protocol }
}

/** Reads an unsigned 64-bit count that must be exact as a number. */
export function readCount(bytes: Buffer, at = 0): number {
  const count = bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4)
  if (!Number.isSafeInteger(count)) throw linkProtocolError("byte count is above 2^53")
  return count
}

/** 8 bytes, big-endian. */
export function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32BE(Math.floor(value / 2 ** 32), 0)
  bytes.writeUInt32BE(value % 2 ** 32, 4)
  return bytes
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

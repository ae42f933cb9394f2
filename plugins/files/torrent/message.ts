/**
 * Messages between peers: BEP 3, the fast extension (BEP 6), and the frame of extensions (BEP 10).
 *
 * @see https://www.bittorrent.org/beps/bep_0003.html#peer-messages
 * @module
 */
import { AlliumError } from "allium/plugin"
import type { Block } from "./geometry.ts"

/** Longest block anybody may send or ask for. */
export const BLOCK_BYTES_MAX = 128 * 1_024
/** Longest message: a bitfield has at most 64 KiB, a page of metadata 16 KiB, a peer exchange a few KiB. */
export const PEER_MESSAGE_BYTES_MAX = BLOCK_BYTES_MAX + 16
/** The first byte of the message that carries a block. */
export const PIECE_TYPE = 7

/** What a peer says. */
export type PeerMessage =
  | { readonly kind: "keep-alive" | (typeof PLAIN)[keyof typeof PLAIN] }
  | { readonly kind: (typeof OF_PIECE)[keyof typeof OF_PIECE]; readonly piece: number }
  | ({ readonly kind: (typeof OF_BLOCK)[keyof typeof OF_BLOCK] } & Block)
  | { readonly kind: "bitfield"; readonly bits: Uint8Array }
  | {
      readonly kind: "piece"
      readonly piece: number
      readonly begin: number
      readonly bytes: Uint8Array
    }
  | { readonly kind: "port"; readonly port: number }
  | { readonly kind: "extended"; readonly id: number; readonly payload: Uint8Array }
  /** Of later versions; to be passed over. */
  | { readonly kind: "unknown"; readonly type: number }

const PLAIN = {
  0: "choke",
  1: "unchoke",
  2: "interested",
  3: "not interested",
  14: "have all",
  15: "have none",
} as const
const OF_PIECE = { 4: "have", 13: "suggest", 17: "allowed fast" } as const
const OF_BLOCK = { 6: "request", 8: "cancel", 16: "reject" } as const
const TYPES = { bitfield: 5, piece: PIECE_TYPE, port: 9, extended: 20 } as const

const TYPE_OF = new Map<string, number>(
  [PLAIN, OF_PIECE, OF_BLOCK].flatMap((kinds) =>
    Object.entries(kinds).map(([type, kind]) => [kind as string, Number(type)] as const),
  ),
)

/** The message with its length before it; bytes the caller owns. */
export function encodeMessage(message: PeerMessage): Uint8Array {
  switch (message.kind) {
    case "keep-alive":
      return new Uint8Array(4)
    case "bitfield":
      return frame(TYPES.bitfield, [], message.bits)
    case "piece":
      return frame(TYPES.piece, [message.piece, message.begin], message.bytes)
    case "port":
      return frame(TYPES.port, [], Uint8Array.of(message.port >>> 8, message.port & 0xff))
    case "extended":
      return frame(TYPES.extended, [], Uint8Array.of(message.id), message.payload)
    case "unknown":
      throw new RangeError("A message has a kind")
    default:
      return frame(TYPE_OF.get(message.kind)!, numbersOf(message))
  }
}

function numbersOf(message: object): number[] {
  const { piece, begin, length }: Partial<Block> = { ...message }
  return [piece, begin, length].filter((number) => number !== undefined)
}

function frame(
  type: number,
  numbers: readonly number[],
  ...parts: readonly Uint8Array[]
): Uint8Array {
  const rest = parts.reduce((sum, part) => sum + part.length, 0)
  const bytes = new Uint8Array(5 + numbers.length * 4 + rest)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, bytes.length - 4)
  bytes[4] = type
  for (const [index, number] of numbers.entries()) view.setUint32(5 + index * 4, number)
  let at = 5 + numbers.length * 4
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/**
 * Reads one message without its length.
 *
 * @param body - Empty for keep-alive.
 * @returns Its byte strings are views of `body`.
 * @throws {AlliumError} `PEER_PROTOCOL` when a known message has not the length it must have.
 */
export function decodeMessage(body: Uint8Array): PeerMessage {
  const type = body[0]
  if (type === undefined) return { kind: "keep-alive" }
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  if (type in PLAIN) {
    requireLength(body, 1)
    return { kind: PLAIN[type as keyof typeof PLAIN] }
  }
  if (type in OF_PIECE) {
    requireLength(body, 5)
    return { kind: OF_PIECE[type as keyof typeof OF_PIECE], piece: view.getUint32(1) }
  }
  if (type in OF_BLOCK) {
    requireLength(body, 13)
    const kind = OF_BLOCK[type as keyof typeof OF_BLOCK]
    const block = { begin: view.getUint32(5), length: view.getUint32(9) }
    return { kind, piece: view.getUint32(1), ...block }
  }
  return decodeLong(type, body, view)
}

function decodeLong(type: number, body: Uint8Array, view: DataView): PeerMessage {
  switch (type) {
    case TYPES.bitfield:
      return { kind: "bitfield", bits: body.subarray(1) }
    case TYPES.piece: {
      if (body.length < 10 || body.length > BLOCK_BYTES_MAX + 9) throw badLength(body)
      const place = { piece: view.getUint32(1), begin: view.getUint32(5) }
      return { kind: "piece", ...place, bytes: body.subarray(9) }
    }
    case TYPES.port:
      requireLength(body, 3)
      return { kind: "port", port: view.getUint16(1) }
    case TYPES.extended:
      if (body.length < 2) throw badLength(body)
      return { kind: "extended", id: body[1]!, payload: body.subarray(2) }
    default:
      return { kind: "unknown", type }
  }
}

function requireLength(body: Uint8Array, expected: number): void {
  if (body.length !== expected) throw badLength(body)
}

function badLength(body: Uint8Array): AlliumError {
  const found = `type ${body[0]} with ${body.length} bytes`
  return new AlliumError("PEER_PROTOCOL", `Cannot read message of a peer: ${found}`)
}

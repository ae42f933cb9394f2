/**
 * Datagrams on the wire between us and the router. Pure.
 *
 * @see https://geti2p.net/en/docs/api/samv3#datagram
 * @module
 */
import { encodeBase32 } from "../base/base32.ts"
import { AlliumError } from "../base/errors.ts"
import { decodeBase64 } from "./base64.ts"
import { type Destination, parseDestination } from "./destination.ts"
import { formatSamLine, SENT_LINE_BYTES_MAX } from "./message.ts"
import type { SessionStyle } from "./session-options.ts"

/** Largest payload, in bytes: what the specification allows repliable ones, and what i2pd does not cut. */
export const DATAGRAM_BYTES_MAX = 31_744
const HASH_CHARACTERS = 44
const NEWLINE = 0x0a
/** The longest first line that is read: a destination and three options. */
const HEAD_BYTES_MAX = 4096

/** Styles that carry datagrams. */
export type DatagramStyle = Exclude<SessionStyle, "STREAM" | "PRIMARY">

/** Ports and protocol, for routers that know them; i2pd drops repliable datagrams which have any. */
export interface DatagramPorts {
  readonly fromPort?: number | undefined
  readonly toPort?: number | undefined
  /** 0 to 255, of raw datagrams; 18 unless given. */
  readonly protocol?: number | undefined
}

/** One datagram that arrived. */
export interface Datagram extends DatagramPorts {
  readonly payload: Uint8Array
  /** Who sent it, proven by the router; `undefined` for raw ones, and where only the hash is known. */
  readonly peer: Destination | undefined
  /** `.b32.i2p` name of the sender; of DATAGRAM3 it is a claim, not proven. */
  readonly peerB32: string | undefined
}

/**
 * The UDP packet for the router: `3.0 ID DESTINATION`, options if any, a newline, the payload.
 *
 * @throws {AlliumError} `TOO_LARGE` above {@linkcode DATAGRAM_BYTES_MAX}: i2pd would cut it silently.
 */
export function formatPacket(
  id: string,
  target: Destination,
  payload: Uint8Array,
  ports: DatagramPorts = {},
): Uint8Array {
  requireSize(payload)
  const words = ["3.0", id, target.base64, ...portValues(ports).map((pair) => pair.join("="))]
  return Buffer.concat([Buffer.from(`${words.join(" ")}\n`), payload])
}

/**
 * The same for the control socket: `DATAGRAM SEND` or `RAW SEND`, and the payload behind it.
 *
 * @throws {AlliumError} `TOO_LARGE` above 7,500 bytes with the line: i2pd 2.45.1 reads commands into 8,192
 * bytes, and takes no more of them after a longer one (measured).
 */
export function formatSend(
  style: "DATAGRAM" | "RAW",
  target: Destination,
  payload: Uint8Array,
  ports: DatagramPorts = {},
): Uint8Array {
  requireSize(payload)
  const line = formatSamLine(style, "SEND", [
    ["DESTINATION", target.base64],
    ["SIZE", String(payload.length)],
    ...portValues(ports),
  ])
  if (line.length + payload.length > SENT_LINE_BYTES_MAX)
    throw tooLarge(payload, SENT_LINE_BYTES_MAX - line.length)
  return Buffer.concat([Buffer.from(`${line}\n`), payload])
}

/**
 * Reads a UDP packet from the router.
 *
 * @param packet - Kept: the payload is a part of it.
 * @returns `undefined` for what is no datagram of this style: anybody may send us packets.
 */
export function parsePacket(style: DatagramStyle, packet: Uint8Array): Datagram | undefined {
  if (style === "RAW") return { payload: packet, peer: undefined, peerB32: undefined }
  const end = packet.subarray(0, HEAD_BYTES_MAX).indexOf(NEWLINE)
  if (end < 0) return undefined
  const [address = "", ...options] = Buffer.from(packet.subarray(0, end)).toString().split(" ")
  const values = new Map(options.map((option) => option.split("=", 2) as [string, string]))
  return assemble(address, values, packet.subarray(end + 1))
}

/** Reads `DATAGRAM RECEIVED` or `RAW RECEIVED` from the control socket. */
export function parseReceived(
  values: ReadonlyMap<string, string>,
  payload: Uint8Array,
): Datagram | undefined {
  const address = values.get("DESTINATION")
  if (address !== undefined) return assemble(address, values, payload)
  return { payload, peer: undefined, peerB32: undefined, ...readPorts(values) }
}

function assemble(
  address: string,
  values: ReadonlyMap<string, string>,
  payload: Uint8Array,
): Datagram | undefined {
  try {
    if (address.length === HASH_CHARACTERS) {
      const peerB32 = `${encodeBase32(decodeBase64(address))}.b32.i2p`
      return { payload, peer: undefined, peerB32, ...readPorts(values) }
    }
    const peer = parseDestination(address)
    return { payload, peer, peerB32: peer.b32, ...readPorts(values) }
  } catch (error) {
    if (error instanceof AlliumError) return undefined
    throw error
  }
}

function portValues({ fromPort, toPort, protocol }: DatagramPorts): [string, string][] {
  const values: [string, number | undefined][] = [
    ["FROM_PORT", fromPort],
    ["TO_PORT", toPort],
    ["PROTOCOL", protocol],
  ]
  return values.flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]]))
}

function readPorts(values: ReadonlyMap<string, string>): DatagramPorts {
  const number = (key: string): number | undefined => {
    const text = values.get(key)
    return text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : undefined
  }
  const [fromPort, toPort, protocol] = [number("FROM_PORT"), number("TO_PORT"), number("PROTOCOL")]
  return {
    ...(fromPort !== undefined && { fromPort }),
    ...(toPort !== undefined && { toPort }),
    ...(protocol !== undefined && { protocol }),
  }
}

function requireSize(payload: Uint8Array): void {
  if (payload.length > DATAGRAM_BYTES_MAX || payload.length === 0)
    throw tooLarge(payload, DATAGRAM_BYTES_MAX)
}

function tooLarge(payload: Uint8Array, most: number): AlliumError {
  const found = `has ${payload.length} bytes, expected 1 to ${most}`
  return new AlliumError("TOO_LARGE", `Cannot send datagram: ${found}`)
}

/**
 * What a SOCKS proxy answers.
 *
 * @see https://www.rfc-editor.org/rfc/rfc1928#section-6
 * @module
 */
import { isIPv6 } from "node:net"
import { type AlliumError, type HostPort, toAlliumError } from "allium/tunnel"

/** Reply codes of version 5. */
export const REPLY = {
  done: 0,
  failed: 1,
  notAllowed: 2,
  networkUnreachable: 3,
  hostUnreachable: 4,
  refused: 5,
  timedOut: 6,
  badCommand: 7,
  badAddress: 8,
} as const

const FOUR_DONE = 0x5a
const FOUR_FAILED = 0x5b
const NOWHERE: HostPort = { host: "0.0.0.0", port: 0 }

/**
 * Answer with an address: our made-up one for RESOLVE, that of our UDP port for UDP ASSOCIATE, else none.
 *
 * @param at - Its IP address is dotted; version 5 can say IPv6 too.
 */
export function formatReply(version: 4 | 5, code: number, at = NOWHERE): Uint8Array {
  const port = [at.port >> 8, at.port & 255]
  if (isIPv6(at.host)) return Uint8Array.of(5, code, 0, 4, ...wideBytes(at.host), ...port)
  const address = at.host.split(".").map(Number)
  return version === 4
    ? Uint8Array.of(0, code === REPLY.done ? FOUR_DONE : FOUR_FAILED, ...port, ...address)
    : Uint8Array.of(5, code, 0, 1, ...address, ...port)
}

/** The 16 bytes of an IPv6 address that has no dotted part. */
function wideBytes(host: string): number[] {
  const [head = [], tail = []] = host.split("::").map((half) => half.split(":").filter(Boolean))
  const zeros = Array<string>(8 - head.length - tail.length).fill("0")
  const words = [...head, ...zeros, ...tail].map((word) => Number.parseInt(word, 16))
  return words.flatMap((word) => [word >> 8, word & 255])
}

/** Answer with a name, for RESOLVE_PTR; version 5 only. */
export function formatName(name: string): Uint8Array {
  const bytes = Buffer.from(name, "latin1")
  return Uint8Array.of(5, REPLY.done, 0, 3, bytes.length, ...bytes, 0, 0)
}

const CODES: Readonly<Partial<Record<AlliumError["code"], number>>> = {
  PROXY_REFUSED: REPLY.notAllowed,
  ACCESS_DENIED: REPLY.notAllowed,
  BRIDGE_UNREACHABLE: REPLY.networkUnreachable,
  BRIDGE_SILENT: REPLY.networkUnreachable,
  BRIDGE_FAILED: REPLY.networkUnreachable,
  SESSION_LOST: REPLY.networkUnreachable,
  SESSION_CLOSED: REPLY.networkUnreachable,
  NAME_NOT_FOUND: REPLY.hostUnreachable,
  BAD_NAME: REPLY.hostUnreachable,
  PEER_UNREACHABLE: REPLY.hostUnreachable,
  PEER_REFUSED: REPLY.refused,
  PEER_TIMED_OUT: REPLY.timedOut,
  TIMED_OUT: REPLY.timedOut,
  METHOD_NOT_ALLOWED: REPLY.badCommand,
  BAD_INPUT: REPLY.badAddress,
}

/** The reply code for a failure. */
export function replyFor(thrown: unknown): number {
  return CODES[toAlliumError(thrown).code] ?? REPLY.failed
}

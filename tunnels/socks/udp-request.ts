/**
 * What a SOCKS program puts ahead of each datagram, and is told ahead of each answer. Pure.
 *
 * @see https://www.rfc-editor.org/rfc/rfc1928#section-7
 * @module
 */
import type { SocksAddress } from "./request.ts"

/** Two bytes of nothing, and the number of a fragment: only whole datagrams are carried. */
const HEAD = Uint8Array.of(0, 0, 0)
const PORT_BYTES = 2

/** One datagram of a program. */
export interface UdpRequest {
  /** Of a kind that is known. */
  readonly address: SocksAddress
  /** Address and port as they were said: type, address, port. */
  readonly said: Uint8Array
  readonly payload: Uint8Array
}

/** Reads one; `undefined` when it is damaged or a fragment. What is given out are parts of `bytes`. */
export function parseUdpRequest(bytes: Uint8Array): UdpRequest | undefined {
  if (HEAD.some((byte, index) => bytes[index] !== byte)) return undefined
  const rest = bytes.subarray(HEAD.length)
  const [type = 0, first = 0] = rest
  const sizes: Readonly<Record<number, number>> = { 1: 1 + 4, 3: 2 + first, 4: 1 + 16 }
  const end = (sizes[type] ?? Number.POSITIVE_INFINITY) + PORT_BYTES
  if (rest.length < end) return undefined
  const said = rest.subarray(0, end)
  return { address: readAddress(said), said, payload: rest.subarray(end) }
}

/** @param said - As {@linkcode UdpRequest} has it. */
export function formatUdpAnswer(said: Uint8Array, payload: Uint8Array): Uint8Array {
  return Buffer.concat([HEAD, said, payload])
}

function readAddress(said: Uint8Array): SocksAddress {
  const address = said.subarray(1, -PORT_BYTES)
  if (said[0] === 1) return { kind: "ipv4", ip: address.join(".") }
  if (said[0] === 4) return { kind: "ipv6" }
  return { kind: "name", name: Buffer.from(address.subarray(1)).toString("utf8") }
}

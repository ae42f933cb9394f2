/**
 * An address for somebody who has none: made of the hash of their destination, so that programs which only know
 * addresses can tell visitors apart, count them and shut them out.
 *
 * @see https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
 * @module
 */
import { decodeBase32 } from "../base32.ts"

/** How a program is told who connects. `loopback`: by a source address in 127.0.0.0/8, Linux only. */
export const CLIENT_ADDRESSES = ["none", "loopback", "proxy-v1", "proxy-v2"] as const
export type ClientAddress = (typeof CLIENT_ADDRESSES)[number]

const HASH_BYTES = 32

/** The hash in a `.b32.i2p` name of 52 characters. */
function hashOf(b32: string): Uint8Array {
  const hash = decodeBase32(b32.replace(/\.b32\.i2p$/, ""))
  if (hash?.length !== HASH_BYTES) throw new RangeError("Cannot make address: no .b32.i2p name")
  return hash
}

/**
 * 127.x.y.z from the first three bytes of the hash, as i2pd makes it; except that x is never 0, so that nobody can make
 * a destination that looks like 127.0.0.1.
 */
export function loopbackFor(b32: string): string {
  const [first = 0, second = 0, third = 0] = hashOf(b32)
  return `127.${first === 0 ? 1 : first}.${second}.${third}`
}

/** 16 bytes of the unique local address `fd00::/8`: `fd` and the first 15 bytes of the hash. */
function uniqueLocal(b32: string): Uint8Array {
  return Uint8Array.of(0xfd, ...hashOf(b32).subarray(0, 15))
}

/** `fdab:cdef:…`, eight groups of four digits. */
export function uniqueLocalFor(b32: string): string {
  const digits = Buffer.from(uniqueLocal(b32)).toString("hex")
  return (digits.match(/.{4}/g) ?? []).join(":")
}

const V2_SIGNATURE = Uint8Array.of(13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10)
/** Version 2, a connection by proxy. */
const V2_COMMAND = 0x21
/** IPv6, a stream. */
const V2_FAMILY = 0x21
/** First type for own use: holds the `.b32.i2p` name. */
const V2_TYPE_B32 = 0xe0
/** Both addresses and both ports. */
const V2_ADDRESSES_BYTES = 36

/**
 * What goes first on a connection to the program.
 *
 * @param port - Of the program.
 * @returns At most 150 bytes; a line for version 1, binary for version 2 with the whole name in a field of type 0xE0.
 */
export function proxyHeader(version: "proxy-v1" | "proxy-v2", b32: string, port: number): Buffer {
  if (version === "proxy-v1")
    return Buffer.from(`PROXY TCP6 ${uniqueLocalFor(b32)} ::1 0 ${port}\r\n`)
  const name = Buffer.from(b32)
  const head = Buffer.alloc(4)
  head.set([V2_COMMAND, V2_FAMILY])
  head.writeUInt16BE(V2_ADDRESSES_BYTES + 3 + name.length, 2)
  const addresses = Buffer.alloc(V2_ADDRESSES_BYTES)
  addresses.set(uniqueLocal(b32))
  addresses[31] = 1
  addresses.writeUInt16BE(port, 34)
  const field = Uint8Array.of(V2_TYPE_B32, name.length >> 8, name.length & 255)
  return Buffer.concat([V2_SIGNATURE, head, addresses, field, name])
}

/**
 * The first 68 bytes of each direction: which torrent, who, and which extensions.
 *
 * @see https://www.bittorrent.org/beps/bep_0003.html#peer-protocol
 * @module
 */
import { AlliumError } from "allium/plugin"

/** Name and its length, reserved bits, infohash, peer id. */
export const PEER_HANDSHAKE_BYTES = 68
const PROTOCOL = Buffer.from("\x13BitTorrent protocol", "latin1")
/** Byte and mask of each reserved bit. */
const EXTENDED = [25, 0x10] as const
const FAST = [27, 0x04] as const

/** What a side says first. The bits for DHT and v2, which others set, mean nothing over I2P. */
export interface Handshake {
  /** 20 bytes. */
  readonly infohash: Uint8Array
  /** 20 bytes; random for each torrent, so that it names nobody. */
  readonly peerId: Uint8Array
  /** BEP 10. */
  readonly isExtended: boolean
  /** BEP 6. Off while the metadata is not known: "have all" says nothing then. */
  readonly isFast: boolean
}

/** 68 bytes. */
export function encodeHandshake({ infohash, peerId, isExtended, isFast }: Handshake): Uint8Array {
  if (infohash.length !== 20 || peerId.length !== 20)
    throw new RangeError("An infohash and a peer id have 20 bytes")
  const bytes = new Uint8Array(PEER_HANDSHAKE_BYTES)
  bytes.set(PROTOCOL)
  if (isExtended) bytes[EXTENDED[0]]! |= EXTENDED[1]
  if (isFast) bytes[FAST[0]]! |= FAST[1]
  bytes.set(infohash, 28)
  bytes.set(peerId, 48)
  return bytes
}

/**
 * Reads what has come so far.
 *
 * @returns `undefined` while bytes are missing. Its byte strings are copies.
 * @throws {AlliumError} `PEER_PROTOCOL` at the first byte that does not fit: others, such as HTTP, are known at once.
 */
export function decodeHandshake(bytes: Uint8Array): Handshake | undefined {
  const length = Math.min(bytes.length, PROTOCOL.length)
  if (Buffer.compare(bytes.subarray(0, length), PROTOCOL.subarray(0, length)) !== 0)
    throw new AlliumError("PEER_PROTOCOL", "Cannot read handshake: it is not BitTorrent's")
  if (bytes.length < PEER_HANDSHAKE_BYTES) return undefined
  return {
    infohash: bytes.slice(28, 48),
    peerId: bytes.slice(48, 68),
    isExtended: (bytes[EXTENDED[0]]! & EXTENDED[1]) !== 0,
    isFast: (bytes[FAST[0]]! & FAST[1]) !== 0,
  }
}

/**
 * Peers as trackers and other peers name them: SHA-256 of a destination, sometimes the destination itself.
 *
 * @see https://geti2p.net/en/docs/applications/bittorrent
 * @module
 */
import { createHash } from "node:crypto"
import { decodeBase32 } from "allium/plugin"

/** SHA-256. */
const HASH_BYTES = 32
/** A destination without certificate payload, and the longest that is in use. */
const DESTINATION_BYTES_MIN = 387
const DESTINATION_BYTES_MAX = 1_024

/** A peer, and its whole destination when that was said: asking the network for it takes seconds. */
export interface PeerAddress {
  /** 32 bytes; in base32 it is the `.b32.i2p` name. */
  readonly hash: Uint8Array
  /** I2P's base64, without `.i2p`. */
  readonly destination?: string
}

/** Cuts a string of hashes, each a copy, each once, at most `max`; a rest that is no hash is dropped. */
export function splitHashes(bytes: Uint8Array, max: number): Uint8Array[] {
  const hashes = new Map<string, Uint8Array>()
  for (let end = HASH_BYTES; end <= bytes.length && hashes.size < max; end += HASH_BYTES) {
    const hash = bytes.slice(end - HASH_BYTES, end)
    hashes.set(Buffer.from(hash).toString("latin1"), hash)
  }
  return [...hashes.values()]
}

/** Reads `<base64 of a destination>.i2p` or `….b32.i2p`; `undefined` for everything else, IP addresses first. */
export function parsePeerAddress(text: string): PeerAddress | undefined {
  const name = text.replace(/\.i2p$/i, "")
  if (/^[a-z2-7]{52}\.b32$/i.test(name)) {
    const hash = decodeBase32(name.slice(0, 52))
    return hash && { hash }
  }
  if (!/^[A-Za-z0-9~-]+={0,2}$/.test(name) || name.length > DESTINATION_BYTES_MAX * 2)
    return undefined
  const standard = name.replaceAll("-", "+").replaceAll("~", "/")
  const bytes = Buffer.from(standard, "base64")
  if (!isDestination(bytes)) return undefined
  return { hash: new Uint8Array(createHash("sha256").update(bytes).digest()), destination: name }
}

/** 387 bytes, and as many more as the certificate's length says. */
function isDestination(bytes: Buffer): boolean {
  if (bytes.length < DESTINATION_BYTES_MIN || bytes.length > DESTINATION_BYTES_MAX) return false
  return bytes.length === DESTINATION_BYTES_MIN + bytes.readUInt16BE(DESTINATION_BYTES_MIN - 2)
}

/**
 * `.b32.i2p` addresses: the hash of a destination (52 characters), or the blinded key of an
 * encrypted LeaseSet (56 and more, called b33).
 *
 * @see https://geti2p.net/spec/b32encrypted
 * @module
 */
import { crc32 } from "node:zlib"
import { decodeBase32, encodeBase32 } from "../base/base32.ts"
import { AlliumError } from "../base/errors.ts"

const SUFFIX = ".b32.i2p"
const HASH_CHARACTERS = 52
/** Flags, two one-byte signature types, a key of 32 bytes. */
const BLINDED_BYTES_MIN = 35
/** Flags, two two-byte signature types, a P-521 key. */
const BLINDED_BYTES_MAX = 1 + 4 + 132
const TWO_BYTE_TYPES = 1
const SECRET_REQUIRED = 2
const CLIENT_KEY_REQUIRED = 4
const FLAGS_KNOWN = 7
/** Public key bytes by signature type; others cannot be blinded. */
const KEY_BYTES: ReadonlyMap<number, number> = new Map([
  [1, 64],
  [2, 96],
  [3, 132],
  [7, 32],
  [11, 32],
])

/** What the address of an encrypted LeaseSet says. */
export interface BlindedAddress {
  readonly kind: "blinded"
  /** Signing key of the destination behind it, not blinded yet. */
  readonly publicKey: Uint8Array
  readonly signatureType: number
  /** Signature type of the blinded key: 11, RedDSA, for Ed25519. */
  readonly blindedSignatureType: number
  /** Looking it up needs a shared secret. */
  readonly secretRequired: boolean
  /** Looking it up needs a private key of one's own. */
  readonly clientKeyRequired: boolean
}

/** What the ordinary address says. */
export interface HashAddress {
  readonly kind: "hash"
  /** SHA-256 of the destination, 32 bytes. */
  readonly hash: Uint8Array
}

/** A `.b32.i2p` address, taken apart. */
export type Address = HashAddress | BlindedAddress

/**
 * Takes a `.b32.i2p` address apart, in either case.
 *
 * @throws {AlliumError} `BAD_NAME` for anything that is not a complete address: a wrong length, a
 * foreign character, a checksum that does not fit, flags or signature types nobody knows.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict"
 * import { parseAddress, readDestination } from "allium/sam"
 * const { b32 } = readDestination(new Uint8Array(387))
 * assert.equal(parseAddress(b32).kind, "hash")
 * ```
 */
export function parseAddress(text: string): Address {
  const name = text.toLowerCase()
  if (!name.endsWith(SUFFIX)) throw bad(`does not end with ${SUFFIX}, expected an address`)
  const letters = name.slice(0, -SUFFIX.length)
  const bytes = decodeBase32(letters)
  if (bytes === undefined) throw bad("has something that is not base32, expected a-z and 2-7")
  if (letters.length === HASH_CHARACTERS) return { kind: "hash", hash: bytes }
  if (bytes.length < BLINDED_BYTES_MIN || bytes.length > BLINDED_BYTES_MAX)
    throw bad(`has ${letters.length} characters before ${SUFFIX}, expected 52, or 56 to 220`)
  return readBlinded(bytes)
}

/** Writes an address; lower case. The inverse of {@linkcode parseAddress}. */
export function formatAddress(address: Address): string {
  const bytes = address.kind === "hash" ? address.hash : writeBlinded(address)
  return `${encodeBase32(bytes)}${SUFFIX}`
}

function readBlinded(masked: Uint8Array): BlindedAddress {
  const bytes = maskHead(masked)
  const flags = bytes[0] ?? 0
  if (flags > FLAGS_KNOWN) throw bad("checksum does not fit, expected an address without a slip")
  const typeBytes = flags & TWO_BYTE_TYPES ? 2 : 1
  const signatureType = readNumber(bytes.subarray(1, 1 + typeBytes))
  const blindedSignatureType = readNumber(bytes.subarray(1 + typeBytes, 1 + 2 * typeBytes))
  const publicKey = bytes.slice(1 + 2 * typeBytes)
  if (!fits(signatureType, publicKey) || !fits(blindedSignatureType, publicKey))
    throw bad("checksum does not fit, expected known signature types and their key length")
  return {
    kind: "blinded",
    publicKey,
    signatureType,
    blindedSignatureType,
    secretRequired: (flags & SECRET_REQUIRED) !== 0,
    clientKeyRequired: (flags & CLIENT_KEY_REQUIRED) !== 0,
  }
}

function writeBlinded(address: BlindedAddress): Uint8Array {
  const { publicKey, signatureType, blindedSignatureType } = address
  if (!fits(signatureType, publicKey) || !fits(blindedSignatureType, publicKey))
    throw new RangeError("Cannot write address: key length and signature types disagree")
  const flags =
    (address.secretRequired ? SECRET_REQUIRED : 0) |
    (address.clientKeyRequired ? CLIENT_KEY_REQUIRED : 0)
  return maskHead(Uint8Array.of(flags, signatureType, blindedSignatureType, ...publicKey))
}

/** The first three bytes carry the checksum of the rest, by exclusive or: the same both ways. */
function maskHead(bytes: Uint8Array): Uint8Array {
  const checksum = crc32(bytes.subarray(3))
  const masked = bytes.slice()
  for (let at = 0; at < 3; at++) masked[at] = (masked[at] ?? 0) ^ ((checksum >>> (8 * at)) & 255)
  return masked
}

function fits(type: number, key: Uint8Array): boolean {
  return KEY_BYTES.get(type) === key.length
}

function readNumber(bigEndian: Uint8Array): number {
  return bigEndian.reduce((number, byte) => number * 256 + byte, 0)
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_NAME", `Cannot read address: ${found}`)
}

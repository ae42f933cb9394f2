/**
 * Destinations: the public half of an I2P address, and its `.b32.i2p` name.
 *
 * @see https://geti2p.net/spec/common-structures#destination
 * @module
 */
import { createHash } from "node:crypto"
import { encodeBase32 } from "../base/base32.ts"
import { AlliumError, isAlliumError } from "../base/errors.ts"
import { decodeBase64, encodeBase64 } from "./base64.ts"

/** Destination without certificate payload, in bytes: 256 key + 128 signing key + 3 certificate. */
const DESTINATION_BYTES_MIN = 387
const CERTIFICATE_OFFSET = 384
const CERTIFICATE_LENGTH_OFFSET = 385
/** The certificate type that states signature and crypto type. */
const KEY_CERTIFICATE = 5
/** Signature type of Ed25519 keys, the only one we make. */
export const ED25519_SIGNATURE_TYPE = 7
/** Where an Ed25519 signing key stands: at the end of its 128-byte field. */
const ED25519_KEY_OFFSET = 352

/** An I2P address. */
export interface Destination {
  /** 387 + L bytes, L as stated by its certificate; never changed. */
  readonly bytes: Uint8Array
  /** I2P base64 with its padding. */
  readonly base64: string
  /** 52 characters of lower-case base32, then `.b32.i2p`. */
  readonly b32: string
}

/** What a destination's certificate says about its keys. */
export interface KeyTypes {
  /** 7 is Ed25519; 0, DSA, when there is no key certificate. */
  readonly signatureType: number
  /** 0 is ElGamal, unused in practice; 4 is X25519. */
  readonly cryptoType: number
}

/**
 * Reads a binary destination.
 *
 * @param bytes - Exactly one destination; copied.
 * @throws {AlliumError} `BAD_DESTINATION` when length and certificate disagree.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict"
 * import { readDestination } from "allium/sam"
 * assert.equal(readDestination(new Uint8Array(387)).base64.length, 516)
 * ```
 */
export function readDestination(bytes: Uint8Array): Destination {
  const b32 = toB32(bytes)
  return Object.freeze({ bytes: bytes.slice(), base64: encodeBase64(bytes), b32 })
}

/**
 * Reads a destination in I2P base64.
 *
 * @throws {AlliumError} `BAD_DESTINATION` for foreign characters, lost padding, or a wrong length.
 */
export function parseDestination(base64: string): Destination {
  try {
    return readDestination(decodeBase64(base64))
  } catch (error) {
    if (!isAlliumError(error, "BAD_BASE64")) throw error
    const found = error.message.replace("Cannot read base64: ", "")
    throw new AlliumError("BAD_DESTINATION", `Cannot read destination: ${found}`)
  }
}

/**
 * Names a destination by its hash.
 *
 * @param destination - Whole destination; longer than {@linkcode DESTINATION_BYTES_MIN}
 * by exactly what its certificate states.
 * @returns 60 characters: 52 of lower-case base32, then `.b32.i2p`.
 * @throws {AlliumError} `BAD_DESTINATION` when length and certificate disagree.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict"
 * import { toB32 } from "allium/sam"
 * assert.equal(toB32(new Uint8Array(387)).length, 60)
 * ```
 */
export function toB32(destination: Uint8Array): string {
  const bytesStated = destinationByteCount(destination)
  if (destination.length !== bytesStated) throw badLength(destination, bytesStated)
  return `${encodeBase32(createHash("sha256").update(destination).digest())}.b32.i2p`
}

/**
 * How many bytes the destination at the beginning of `bytes` has, as its certificate says.
 *
 * @throws {AlliumError} `BAD_DESTINATION` when not even the certificate's head is there.
 */
export function destinationByteCount(bytes: Uint8Array): number {
  if (bytes.length < DESTINATION_BYTES_MIN) throw badLength(bytes, DESTINATION_BYTES_MIN)
  return DESTINATION_BYTES_MIN + viewOf(bytes).getUint16(CERTIFICATE_LENGTH_OFFSET)
}

/** What kinds of keys a destination holds. */
export function keyTypes(destination: Destination): KeyTypes {
  const { bytes } = destination
  if (bytes[CERTIFICATE_OFFSET] !== KEY_CERTIFICATE || bytes.length < DESTINATION_BYTES_MIN + 4)
    return { signatureType: 0, cryptoType: 0 }
  const view = viewOf(bytes)
  return {
    signatureType: view.getUint16(DESTINATION_BYTES_MIN),
    cryptoType: view.getUint16(DESTINATION_BYTES_MIN + 2),
  }
}

/**
 * The Ed25519 key that signs for a destination, 32 bytes, the caller's own; `undefined` when the
 * destination signs with something else.
 */
export function signingKey(destination: Destination): Uint8Array | undefined {
  if (keyTypes(destination).signatureType !== ED25519_SIGNATURE_TYPE) return undefined
  return destination.bytes.slice(ED25519_KEY_OFFSET, CERTIFICATE_OFFSET)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function badLength(destination: Uint8Array, want: number): AlliumError {
  const message = `Cannot read destination: has ${destination.length} bytes, expected ${want}`
  return new AlliumError("BAD_DESTINATION", message)
}

/**
 * Ed25519 public keys from outside: checked once when imported, used by `node:crypto` afterwards.
 *
 * A small-order key accepts signatures nobody made, and a key with two spellings breaks every table
 * that is indexed by keys; both are refused.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8032#section-5.1
 * @module
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto"
import { AlliumError } from "./errors.ts"

/** Bytes of a public key: y, little-endian, with the sign of x in the highest bit. */
export const ED25519_KEY_BYTES = 32
/** Bytes of a signature. */
export const ED25519_SIGNATURE_BYTES = 64

/** The field's prime, 2^255 - 19; y must be smaller. */
const PRIME = 2n ** 255n - 19n
/** y of the points whose order divides 8, whatever the sign of x: orders 4, 1, 2, 8 and 8. */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  PRIME - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
])
/** SubjectPublicKeyInfo of RFC 8410 up to the key itself. */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex")

/**
 * Reads a public key that came from outside.
 *
 * @param publicKey - 32 bytes; copied.
 * @returns The key for {@linkcode verifyEd25519} and `node:crypto`.
 * @throws {AlliumError} `BAD_KEY` when it has another length, is not the one canonical spelling, or
 * has small order.
 */
export function importEd25519(publicKey: Uint8Array): KeyObject {
  if (publicKey.length !== ED25519_KEY_BYTES)
    throw badKey(`has ${publicKey.length} bytes, expected ${ED25519_KEY_BYTES}`)
  const y = readY(publicKey)
  if (y >= PRIME) throw badKey("is not canonical, expected y below the prime")
  if (SMALL_ORDER_Y.has(y)) throw badKey("has small order, expected a point of prime order")
  const der = Buffer.concat([SPKI_PREFIX, publicKey])
  return createPublicKey({ key: der, format: "der", type: "spki" })
}

/**
 * Checks a signature over `domain`, a zero byte, and `message`, as `Identity.sign` makes it.
 *
 * @param publicKey - 32 bytes, or what {@linkcode importEd25519} gave.
 * @param signature - 64 bytes; any other length is simply false.
 * @throws {AlliumError} `BAD_KEY` for bytes {@linkcode importEd25519} refuses.
 */
export function verifyEd25519(
  publicKey: Uint8Array | KeyObject,
  domain: string,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const key = publicKey instanceof Uint8Array ? importEd25519(publicKey) : publicKey
  if (signature.length !== ED25519_SIGNATURE_BYTES) return false
  return verify(null, separated(domain, message), key, signature)
}

/** What is really signed: a signature made for one purpose is of no use for another. */
export function separated(domain: string, message: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${domain}\0`), message])
}

function readY(publicKey: Uint8Array): bigint {
  const bigEndian = Buffer.from(publicKey).reverse()
  bigEndian[0] = bigEndian[0]! & 0x7f
  return BigInt(`0x${bigEndian.toString("hex")}`)
}

function badKey(found: string): AlliumError {
  return new AlliumError("BAD_KEY", `Cannot read public key: it ${found}`)
}

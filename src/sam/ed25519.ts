/**
 * Ed25519 as destinations use it: node:crypto does the work, noble says whether a foreign key is sound.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8032
 * @module
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto"
import { ed25519 } from "@noble/curves/ed25519.js"

/** DER of a PKCS#8 Ed25519 key up to the seed itself (RFC 8410, section 7). */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex")
/** DER of a SubjectPublicKeyInfo up to the key itself (RFC 8410, section 4). */
const SPKI_HEAD = Buffer.from("302a300506032b6570032100", "hex")
const KEY_BYTES = 32

/** Public key of a 32-byte seed, 32 bytes. */
export function publicKeyOf(seed: Uint8Array): Uint8Array {
  const der = createPublicKey(privateKeyObject(seed)).export({ format: "der", type: "spki" })
  return new Uint8Array(der.subarray(-KEY_BYTES))
}

/** Signature of 64 bytes. */
export function signWith(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, privateKeyObject(seed)))
}

/** Whether `signature` over `message` is by `publicKey`; unsound keys have never signed anything. */
export function isSignedBy(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (!isSoundKey(publicKey)) return false
  const der = Buffer.concat([SPKI_HEAD, publicKey])
  return verify(
    null,
    message,
    createPublicKey({ key: der, format: "der", type: "spki" }),
    signature,
  )
}

/** False for keys of small order and encodings that are not canonical: anybody can sign for those. */
export function isSoundKey(publicKey: Uint8Array): boolean {
  try {
    return !ed25519.Point.fromBytes(publicKey).isSmallOrder()
  } catch {
    return false // not a point at all: the answer, not a failure
  }
}

function privateKeyObject(seed: Uint8Array): KeyObject {
  const der = Buffer.concat([PKCS8_HEAD, seed])
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" })
}

/**
 * Ed25519 as private key files need it.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8032
 * @module
 */
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto"
import { importEd25519 } from "../base/ed25519.ts"
import { isAlliumError } from "../base/errors.ts"

/** DER of a PKCS#8 Ed25519 key up to the seed itself (RFC 8410, section 7). */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex")
const KEY_BYTES = 32

/** Public key of a 32-byte seed, 32 bytes. */
export function publicKeyOf(seed: Uint8Array): Uint8Array {
  const pkcs8 = Buffer.concat([PKCS8_HEAD, seed])
  const privateKey = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" })
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" })
  return new Uint8Array(spki.subarray(-KEY_BYTES))
}

/** Signs `message` with a 32-byte seed; 64 bytes. */
export function signAs(seed: Uint8Array, message: Uint8Array): Uint8Array {
  const pkcs8 = Buffer.concat([PKCS8_HEAD, seed])
  return sign(null, message, createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" }))
}

/** Whether `signature` over `message` is by `publicKey`; unsound keys have never signed anything. */
export function isSignedBy(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return isSoundKey(publicKey) && verify(null, message, importEd25519(publicKey), signature)
}

/** False for keys of small order and encodings that are not canonical: anybody can sign for those. */
export function isSoundKey(publicKey: Uint8Array): boolean {
  try {
    return importEd25519(publicKey) !== undefined
  } catch (error) {
    if (isAlliumError(error, "BAD_KEY")) return false
    throw error
  }
}

/**
 * Public keys of others, and what they signed.
 *
 * A key of small order verifies one forged signature for every message, so such keys, and encodings that
 * are not canonical, are refused where they enter.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8032
 * @module
 */
import { ed25519 } from "@noble/curves/ed25519.js"
import { importEd25519, separated } from "../base/ed25519.ts"
import { AlliumError } from "../base/errors.ts"
import { isSignedBy } from "../sam/ed25519.ts"

const KEY_TEXT = /^[A-Za-z0-9_-]{43}$/

/**
 * Takes an Ed25519 public key from outside.
 *
 * @returns The same 32 bytes, a copy.
 * @throws {AlliumError} `BAD_KEY` for another length, no point of the curve, a point that is not written canonically,
 * or one of small order.
 */
export function importPublicKey(bytes: Uint8Array): Uint8Array {
  importEd25519(bytes)
  if (!isOnCurve(bytes)) throw bad("is no point of the curve", "an Ed25519 key")
  return new Uint8Array(bytes)
}

/** The key in base64url without padding, 43 characters. */
export function keyToText(key: Uint8Array): string {
  return Buffer.from(key).toString("base64url")
}

/** Inverse of {@linkcode keyToText}. @throws {AlliumError} `BAD_KEY` as {@linkcode importPublicKey}. */
export function keyFromText(text: string): Uint8Array {
  const bytes = Buffer.from(text, "base64url")
  if (!KEY_TEXT.test(text) || bytes.toString("base64url") !== text)
    throw bad("is not written as a key", "43 characters of base64url")
  return importPublicKey(bytes)
}

/**
 * The counterpart of `Identity.sign()`.
 *
 * @param domain - What the signature is for; not empty, without a zero.
 * @param signature - 64 bytes.
 * @returns False also for unsound keys and wrong lengths; never throws for what a peer may send.
 */
export function verifySignature(
  publicKey: Uint8Array,
  domain: string,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return isSignedBy(publicKey, signedBytes(domain, message), signature)
}

/** Domain, a zero byte, message. @throws {RangeError} for a domain that could be mistaken. */
export function signedBytes(domain: string, message: Uint8Array): Uint8Array {
  if (domain === "" || domain.includes("\0"))
    throw new RangeError("Cannot sign: the domain is empty or has a zero in it")
  return separated(domain, message)
}

/** Half of all numbers are no point; Node would only notice at the first signature. */
function isOnCurve(bytes: Uint8Array): boolean {
  try {
    return !ed25519.Point.fromBytes(bytes).isSmallOrder()
  } catch {
    return false // the answer, not a failure
  }
}

function bad(found: string, expected: string): AlliumError {
  return new AlliumError("BAD_KEY", `Cannot take key: it ${found}, expected ${expected}`)
}

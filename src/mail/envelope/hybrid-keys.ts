/**
 * Keys of two kinds at once, so that whoever breaks one kind still stands before the other: X25519 and ML-KEM-768.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7748
 * @see https://doi.org/10.6028/NIST.FIPS.203
 * @module
 */
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js"
import type { RandomBytes } from "../../base/random.ts"
import { openAgreementKey, X25519_KEY_BYTES } from "../../base/x25519.ts"
import { deriveKeys } from "./kdf.ts"
import type { RatchetKeys, RatchetSuite } from "./ratchet-state.ts"

/** X25519 key, then ML-KEM-768 encapsulation key of 1,184 bytes. */
export const HYBRID_KEY_BYTES = 1_216
/** X25519 secret, then ML-KEM seed of 64 bytes (d, z): what the keys are made from. */
export const HYBRID_SECRET_BYTES = 96
/** Of ML-KEM-768. */
export const KEM_CIPHERTEXT_BYTES = 1_088
/** What makes an encapsulation, called m in FIPS 203. */
const KEM_MESSAGE_BYTES = 32
/** Where the coefficients end and ρ begins; two coefficients of 12 bits in three bytes. */
const COEFFICIENT_BYTES = 1_152
/** q of ML-KEM; every coefficient is smaller. */
const MODULUS = 3_329

/** A pair of each kind, opened: 96 bytes of secret, 1,216 of public key. */
export interface HybridKeys extends RatchetKeys {
  /** X25519 alone, 32 bytes. @throws {AlliumError} `BAD_KEY` for a key of small order. */
  agree(theirX25519: Uint8Array): Uint8Array
  /** ML-KEM alone, 32 bytes; a wrong ciphertext gives a wrong secret, as FIPS 203 has it. */
  decapsulate(ciphertext: Uint8Array): Uint8Array
}

/** Turns with both kinds: DH, then what the KEM gave, are the secret of a turn (PQDR, `DHRatchetPQ2HE`). */
export const HYBRID_SUITE: RatchetSuite = {
  beginTurn(theirKey, random) {
    const keys = openHybridKeys(random(HYBRID_SECRET_BYTES))
    const { ciphertext, shared } = encapsulateFor(theirKey, random)
    return { keys, ciphertext, shared: Buffer.concat([keys.agree(x25519Part(theirKey)), shared]) }
  },
  mixRoot(rootKey, shared) {
    const keys = deriveKeys(shared, { salt: rootKey, use: "root", count: 3 })
    return { rootKey: keys[0]!, chainKey: keys[1]!, headerKey: keys[2]! }
  },
}

/** @param secret - 96 random bytes; kept. */
export function openHybridKeys(secret: Uint8Array): HybridKeys {
  if (secret.length !== HYBRID_SECRET_BYTES)
    throw new RangeError(`Cannot open keys: have ${secret.length} bytes, expected 96`)
  const agreement = openAgreementKey(secret.subarray(0, X25519_KEY_BYTES))
  const kem = ml_kem768.keygen(secret.subarray(X25519_KEY_BYTES))
  const { agree } = agreement
  const decapsulate = (ciphertext: Uint8Array) => ml_kem768.decapsulate(ciphertext, kem.secretKey)
  return {
    secret,
    publicKey: Buffer.concat([agreement.publicKey, kem.publicKey]),
    agree,
    decapsulate,
    meet: (theirKey, ciphertext) =>
      Buffer.concat([agree(x25519Part(theirKey)), decapsulate(ciphertext)]),
  }
}

/**
 * A secret for the owner of a key.
 *
 * @param theirKey - Hybrid key that {@linkcode isSoundKey}.
 */
export function encapsulateFor(
  theirKey: Uint8Array,
  random: RandomBytes,
): { readonly ciphertext: Uint8Array; readonly shared: Uint8Array } {
  const message = random(KEM_MESSAGE_BYTES)
  const { cipherText, sharedSecret } = ml_kem768.encapsulate(kemPart(theirKey), message)
  return { ciphertext: cipherText, shared: sharedSecret }
}

/** X25519 part of a hybrid key. */
export function x25519Part(key: Uint8Array): Uint8Array {
  return key.subarray(0, X25519_KEY_BYTES)
}

/** Whether a hybrid key from outside has its length, and coefficients below q (FIPS 203, section 7.2). */
export function isSoundKey(key: Uint8Array): boolean {
  if (key.length !== HYBRID_KEY_BYTES) return false
  const coefficients = kemPart(key).subarray(0, COEFFICIENT_BYTES)
  for (let at = 0; at < COEFFICIENT_BYTES; at += 3) {
    const middle = coefficients[at + 1]!
    const first = coefficients[at]! | ((middle & 0x0f) << 8)
    const second = (middle >> 4) | (coefficients[at + 2]! << 4)
    if (first >= MODULUS || second >= MODULUS) return false
  }
  return true
}

function kemPart(key: Uint8Array): Uint8Array {
  return key.subarray(X25519_KEY_BYTES)
}

/**
 * What keys are made from keys with: HKDF-SHA-256 for roots, HMAC-SHA-256 for chains.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5869
 * @see https://signal.org/docs/specifications/doubleratchet/#recommended-cryptographic-algorithms
 * @module
 */
import { createHash, createHmac, hkdfSync } from "node:crypto"

/** Of every symmetric key and every hash. */
export const KEY_BYTES = 32
/** What a key or a hash is for, so that none is good for anything else. */
const DOMAIN = "allium/envelope/1"
const FOR_MESSAGE = Uint8Array.of(1)
const FOR_CHAIN = Uint8Array.of(2)

/** HKDF-SHA-256 with any text; for keys of this protocol see {@linkcode deriveKeys}. */
export function hkdf(
  secret: Uint8Array,
  { salt, info, byteCount }: { salt: Uint8Array; info: string | Uint8Array; byteCount: number },
): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, salt, info, byteCount))
}

/**
 * So many keys of 32 bytes from a secret.
 *
 * @param use - What they are for; stands in HKDF's info after the protocol's name.
 */
export function deriveKeys(
  secret: Uint8Array,
  { salt, use, count }: { salt: Uint8Array; use: string; count: number },
): Uint8Array[] {
  const bytes = hkdf(secret, { salt, info: `${DOMAIN}/${use}`, byteCount: count * KEY_BYTES })
  return Array.from({ length: count }, (_, index) =>
    bytes.slice(index * KEY_BYTES, (index + 1) * KEY_BYTES),
  )
}

/** One step of a chain (KDF_CK): the key of one message, and the chain without it. */
export function stepChain(chainKey: Uint8Array): {
  readonly messageKey: Uint8Array
  readonly chainKey: Uint8Array
} {
  return { messageKey: mac(chainKey, FOR_MESSAGE), chainKey: mac(chainKey, FOR_CHAIN) }
}

/** SHA-256 over what it is for, a zero byte, and the parts one after another; 32 bytes. */
export function hashOf(use: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256").update(`${DOMAIN}/${use}\0`)
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

function mac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", key).update(data).digest())
}

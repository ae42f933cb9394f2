/**
 * Values at rest: XChaCha20-Poly1305, bound to the place where they stand.
 *
 * HChaCha20 comes from noble, the cipher from Node: seven times as fast at 64 KiB as noble alone, and equal to it
 * byte for byte (`docs/decisions/0004-store-layout.md`).
 *
 * @see https://datatracker.ietf.org/doc/html/draft-irtf-cfrg-xchacha-03
 * @module
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from "node:crypto"
import { hchacha } from "@noble/ciphers/chacha.js"
import { AlliumError } from "../base/errors.ts"
import type { RandomBytes } from "../base/random.ts"

const NONCE_BYTES = 24
const TAG_BYTES = 16
/** What sealing adds to a value. */
const SEAL_BYTES = NONCE_BYTES + TAG_BYTES
const CIPHER = "chacha20-poly1305"
/** "expand 32-byte k", as four little-endian words. */
const SIGMA = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574)

/** Two keys of one database: they differ between databases even when the master key is the same. */
export interface StoreKeys {
  readonly id: Uint8Array
  readonly valueKey: Uint8Array
  readonly indexKey: Uint8Array
}

/**
 * @param masterKey - 32 bytes.
 * @param id - The database's own id, 16 random bytes.
 */
export function deriveStoreKeys(masterKey: Uint8Array, id: Uint8Array): StoreKeys {
  const derive = (use: string) =>
    new Uint8Array(hkdfSync("sha256", masterKey, id, `allium store ${use} v1`, 32))
  return { id, valueKey: derive("values"), indexKey: derive("names") }
}

/** Keyed name, 16 bytes: nobody without the key can guess or compare names. */
export function hashName(keys: StoreKeys, text: string): Uint8Array {
  return new Uint8Array(createHmac("sha256", keys.indexKey).update(text).digest()).subarray(0, 16)
}

/**
 * @param place - Whole database key; the same bytes are needed to open.
 * @returns 24 bytes of nonce, the ciphertext, 16 bytes of tag.
 */
export function sealValue(
  keys: StoreKeys,
  place: Uint8Array,
  plain: Uint8Array,
  random: RandomBytes,
): Uint8Array {
  const nonce = random(NONCE_BYTES)
  return seal({ key: keys.valueKey, bound: boundTo(keys, place), nonce }, plain)
}

/** @throws {AlliumError} `STORE_DAMAGED` when one bit of value, place, database or key differs. */
export function openValue(keys: StoreKeys, place: Uint8Array, sealed: Uint8Array): Uint8Array {
  const plain = unseal(keys.valueKey, boundTo(keys, place), sealed)
  if (plain !== undefined) return plain
  throw new AlliumError(
    "STORE_DAMAGED",
    "Cannot read store: a value does not open, expected the one written there",
  )
}

/** XChaCha20-Poly1305 with everything given; `bound` is the associated data. */
export function seal(
  box: { key: Uint8Array; bound: Uint8Array; nonce: Uint8Array },
  plain: Uint8Array,
): Uint8Array {
  const options = { authTagLength: TAG_BYTES }
  const cipher = createCipheriv(CIPHER, subkey(box.key, box.nonce), innerNonce(box.nonce), options)
  cipher.setAAD(box.bound, { plaintextLength: plain.length })
  const body = [box.nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]
  return concatBytes(body)
}

/** The plain bytes, or `undefined` when anything differs. */
export function unseal(
  key: Uint8Array,
  bound: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  if (sealed.length < SEAL_BYTES) return undefined
  const nonce = sealed.subarray(0, NONCE_BYTES)
  const body = sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES)
  const options = { authTagLength: TAG_BYTES }
  const cipher = createDecipheriv(CIPHER, subkey(key, nonce), innerNonce(nonce), options)
  cipher.setAAD(bound, { plaintextLength: body.length })
  cipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
  const plain = cipher.update(body)
  try {
    cipher.final()
    return new Uint8Array(plain)
  } catch {
    return undefined // the tag differs; Node has nothing more to say
  }
}

/** Joins bytes into a `Uint8Array` of its own. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

function boundTo(keys: StoreKeys, place: Uint8Array): Uint8Array {
  return concatBytes([keys.id, place])
}

/** RFC 8439 nonce: four zero bytes, then the last eight of the long nonce. */
function innerNonce(nonce: Uint8Array): Uint8Array {
  const inner = new Uint8Array(12)
  inner.set(nonce.subarray(16, NONCE_BYTES), 4)
  return inner
}

function subkey(key: Uint8Array, nonce: Uint8Array): Uint8Array {
  const out = new Uint32Array(8)
  hchacha(SIGMA, littleEndianWords(key), littleEndianWords(nonce.subarray(0, 16)), out)
  const bytes = new Uint8Array(32)
  for (let at = 0; at < bytes.length; at++) bytes[at] = (out[at >> 2] ?? 0) >>> (8 * (at & 3))
  return bytes
}

/** Runs for every value that is read or written: a plain loop is several times as fast as `DataView` and `from()`. */
function littleEndianWords(bytes: Uint8Array): Uint32Array {
  const words = new Uint32Array(bytes.length / 4)
  for (let at = 0; at < bytes.length; at++) words[at >> 2]! |= (bytes[at] ?? 0) << (8 * (at & 3))
  return words
}

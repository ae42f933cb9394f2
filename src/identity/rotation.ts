/**
 * Key rotation: an identity says, with its old key and its new one, that the new one takes over.
 *
 * The new key is the one its cards committed to from the beginning, so a thief of the old key cannot name his own.
 *
 * @see docs/protocol/identity.md
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import { keyHash } from "./card.ts"
import { keyToText, verifySignature } from "./keys.ts"

/** What a rotation is signed for. */
const DOMAIN = "allium key rotation 1"
const VERSION = 1
const SIGNED_BYTES = 1 + 3 * 32
/** Version, old key, new key, commitment to the one after it, two signatures. */
export const ROTATION_BYTES: number = SIGNED_BYTES + 2 * 64

/** What signs for one version of the key. */
export interface RotationSigner {
  readonly publicKey: Uint8Array
  sign(domain: string, message: Uint8Array): Uint8Array
}

/** What a rotation says, once it is believed. */
export interface Rotation {
  /** Base64url, 43 characters. */
  readonly oldKey: string
  readonly newKey: string
  /** SHA-256 of the key after the new one, base64url, 43 characters. */
  readonly nextKeyHash: string
}

/** @param nextKeyHash - Of the key after the new one, base64url. @returns {@linkcode ROTATION_BYTES}. */
export function makeRotation(
  old: RotationSigner,
  fresh: RotationSigner,
  nextKeyHash: string,
): Uint8Array {
  const next = Buffer.from(nextKeyHash, "base64url")
  const signed = Buffer.concat([Uint8Array.of(VERSION), old.publicKey, fresh.publicKey, next])
  const signatures = [old.sign(DOMAIN, signed), fresh.sign(DOMAIN, signed)]
  return new Uint8Array(Buffer.concat([signed, ...signatures]))
}

/**
 * Reads a rotation from outside.
 *
 * @param expect.key - Whose it must be, base64url.
 * @param expect.nextKeyHash - What their card committed to, base64url.
 * @throws {AlliumError} `BAD_RECORD` for another form, another old key, a new key nobody committed to, or when one of both
 * signatures does not hold.
 */
export function readRotation(
  bytes: Uint8Array,
  expect: { readonly key: string; readonly nextKeyHash: string },
): Rotation {
  if (bytes.length !== ROTATION_BYTES || bytes[0] !== VERSION) throw bad("of another form")
  const [oldKey, newKey, next] = [1, 33, 65].map((at) => bytes.subarray(at, at + 32)) as Three
  if (keyToText(oldKey) !== expect.key) throw bad("about another key")
  if (keyHash(newKey) !== expect.nextKeyHash) throw bad("to a key that no card committed to")
  const signed = bytes.subarray(0, SIGNED_BYTES)
  const byOld = bytes.subarray(SIGNED_BYTES, SIGNED_BYTES + 64)
  const byNew = bytes.subarray(SIGNED_BYTES + 64)
  if (!verifySignature(oldKey, DOMAIN, signed, byOld)) throw bad("not signed by the old key")
  if (!verifySignature(newKey, DOMAIN, signed, byNew)) throw bad("not signed by the new key")
  return { oldKey: expect.key, newKey: keyToText(newKey), nextKeyHash: keyToText(next) }
}

type Three = [Uint8Array, Uint8Array, Uint8Array]

function bad(found: string): AlliumError {
  return new AlliumError("BAD_RECORD", `Cannot take key rotation: it is ${found}`)
}

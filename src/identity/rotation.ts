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
import { keyFromText, keyToText, verifySignature } from "./keys.ts"

/** What a rotation is signed for. */
const DOMAIN = "allium key rotation 1"
const VERSION = 1
const SIGNED_BYTES = 1 + 3 * 32
/** Version, old key, new key, commitment to the one after it, two signatures. */
export const ROTATION_BYTES: number = SIGNED_BYTES + 2 * 64
/** How often an identity can change its key; a contact notice has room for all of it. */
export const ROTATIONS_MAX = 16

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
 * @param expect.nextKeyHash - What their card committed to, base64url; absent when no card of theirs was seen: then a
 * rotation is worth as much as a first card.
 * @throws {AlliumError} `BAD_RECORD` for another form, another old key, a new key nobody committed to, or when one of both
 * signatures does not hold.
 */
export function readRotation(
  bytes: Uint8Array,
  expect: { readonly key: string; readonly nextKeyHash?: string | undefined },
): Rotation {
  if (bytes.length !== ROTATION_BYTES || bytes[0] !== VERSION) throw bad("of another form")
  const [oldKey, newKey, next] = [1, 33, 65].map((at) => bytes.subarray(at, at + 32)) as Three
  if (keyToText(oldKey) !== expect.key) throw bad("about another key")
  if (!isCommitted(newKey, expect.nextKeyHash)) throw bad("to a key that no card committed to")
  const signed = bytes.subarray(0, SIGNED_BYTES)
  const byOld = bytes.subarray(SIGNED_BYTES, SIGNED_BYTES + 64)
  const byNew = bytes.subarray(SIGNED_BYTES + 64)
  if (!verifySignature(oldKey, DOMAIN, signed, byOld)) throw bad("not signed by the old key")
  if (!verifySignature(newKey, DOMAIN, signed, byNew)) throw bad("not signed by the new key")
  return { oldKey: expect.key, newKey: keyToText(newKey), nextKeyHash: keyToText(next) }
}

/**
 * All rotations of an identity up to a version, oldest first.
 *
 * @param keyAt - Signs for one version of the key; asked up to one after `version`.
 * @returns `version` times {@linkcode ROTATION_BYTES}.
 */
export function makeRotations(
  keyAt: (version: number) => RotationSigner,
  version: number,
): Uint8Array {
  const steps = Array.from({ length: version }, (_, old) =>
    makeRotation(keyAt(old), keyAt(old + 1), keyHash(keyAt(old + 2).publicKey)),
  )
  return new Uint8Array(Buffer.concat(steps))
}

/**
 * Reads several rotations from outside, each of the key the one before it led to.
 *
 * @returns One to {@linkcode ROTATIONS_MAX}, oldest first. Whether anybody committed to the first is not looked at.
 * @throws {AlliumError} `BAD_RECORD` when one of them is not sound or does not follow.
 */
export function readRotations(bytes: Uint8Array): readonly Rotation[] {
  const count = bytes.length / ROTATION_BYTES
  if (!Number.isInteger(count) || count < 1 || count > ROTATIONS_MAX) throw bad("of another form")
  const steps: Rotation[] = []
  let expect: { key: string; nextKeyHash?: string } = { key: keyToText(bytes.subarray(1, 33)) }
  for (let at = 0; at < bytes.length; at += ROTATION_BYTES) {
    const step = readRotation(bytes.subarray(at, at + ROTATION_BYTES), expect)
    steps.push(step)
    expect = { key: step.newKey, nextKeyHash: step.nextKeyHash }
  }
  return steps
}

/**
 * Where rotations lead from a key that we know.
 *
 * @param from.key - The newest key of theirs we know, base64url.
 * @param from.nextKeyHash - As for {@linkcode readRotation}.
 * @returns Steps from there on; none when it is the last key of all already.
 * @throws {AlliumError} `BAD_RECORD` when they are about another key, or lead to one that no card committed to.
 */
export function rotationsFrom(
  steps: readonly Rotation[],
  from: { readonly key: string; readonly nextKeyHash?: string | undefined },
): readonly Rotation[] {
  if (steps.at(-1)?.newKey === from.key) return []
  const rest = steps.slice(steps.findIndex(({ oldKey }) => oldKey === from.key))
  const [first] = rest
  if (first?.oldKey !== from.key) throw bad("about another key")
  if (!isCommitted(keyFromText(first.newKey), from.nextKeyHash))
    throw bad("to a key that no card committed to")
  return rest
}

function isCommitted(newKey: Uint8Array, nextKeyHash: string | undefined): boolean {
  return nextKeyHash === undefined || keyHash(newKey) === nextKeyHash
}

type Three = [Uint8Array, Uint8Array, Uint8Array]

function bad(found: string): AlliumError {
  return new AlliumError("BAD_RECORD", `Cannot take key rotation: it is ${found}`)
}

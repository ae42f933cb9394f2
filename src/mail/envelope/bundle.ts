/**
 * Prekey bundles: what is handed out so that sessions can be begun while we are away.
 *
 * @see https://signal.org/docs/specifications/pqxdh/#publishing-keys
 * @module
 */
import { AlliumError, isAlliumError } from "../../base/errors.ts"
import type { RandomBytes } from "../../base/random.ts"
import { AGREEMENT_DOMAIN } from "../../identity/identity.ts"
import { importPublicKey, verifySignature } from "../../identity/keys.ts"
import type { MailSelf, Prekeys } from "./crypto.ts"
import { Cutter } from "./cutter.ts"
import {
  HYBRID_KEY_BYTES,
  HYBRID_SECRET_BYTES,
  type HybridKeys,
  isSoundKey,
  openHybridKeys,
} from "./hybrid-keys.ts"
import { KEY_BYTES } from "./kdf.ts"

/** What a bundle is signed for. */
export const BUNDLE_DOMAIN = "allium prekey bundle v1"
/** Version, three keys of 32 bytes, hybrid key, two signatures of 64. */
export const BUNDLE_BYTES = 1_441
/** Ed25519 key, X25519 key, and the signature that ties them. */
export const PERSON_BYTES = 128
const VERSION = 1
const SIGNATURE_BYTES = 64

/** Who somebody is: 128 bytes on the wire. */
export interface Person {
  /** Ed25519 identity key. */
  readonly identityKey: Uint8Array
  /** X25519 key of the identity. */
  readonly agreementKey: Uint8Array
  /** Signature by the one over the other. */
  readonly agreementProof: Uint8Array
}

/** A bundle whose signatures hold. */
export interface Bundle {
  readonly bytes: Uint8Array
  readonly owner: Person
  /** Signed prekeys: X25519 (SPK) and ML-KEM-768 (PQPK), 1,216 bytes. */
  readonly prekey: Uint8Array
  /** Opens the outermost layer of first envelopes; 32 random bytes. */
  readonly helloKey: Uint8Array
}

/** Prekeys that are fresh and random, and their bundle. */
export function makePrekeys(self: MailSelf, random: RandomBytes): Prekeys {
  const secret = random(HYBRID_SECRET_BYTES)
  const { publicKey } = openHybridKeys(secret)
  const person = [self.publicKey, self.agreementKey, self.agreementProof]
  const body = Buffer.concat([Uint8Array.of(VERSION), ...person, publicKey, random(KEY_BYTES)])
  const bundle = Buffer.concat([body, self.sign(BUNDLE_DOMAIN, body)])
  return { secret, bundle: new Uint8Array(bundle) }
}

/** @throws {AlliumError} `BAD_BUNDLE` for another length or version, keys that are not sound, signatures that do not hold. */
export function readBundle(bytes: Uint8Array): Bundle {
  if (bytes.length !== BUNDLE_BYTES)
    throw badBundle(`has ${bytes.length} bytes, expected ${BUNDLE_BYTES}`)
  if (bytes[0] !== VERSION) throw badBundle("has an unknown version, expected 1")
  const bundle = cut(new Uint8Array(bytes))
  if (!isSoundKey(bundle.prekey)) throw badBundle("has a prekey that is not sound")
  const fault = faultOf(bundle.owner) ?? faultOfSignature(bundle)
  if (fault !== undefined) throw badBundle(fault)
  return bundle
}

/** Own bundle: nothing of it is checked but its length. @throws {RangeError} for prekeys we did not make. */
export function openPrekeys({ secret, bundle }: Prekeys): {
  readonly bundle: Bundle
  openKeys(): HybridKeys
} {
  if (secret.length !== HYBRID_SECRET_BYTES || bundle.length !== BUNDLE_BYTES)
    throw new RangeError("Cannot use prekeys: they have another length")
  return { bundle: cut(bundle), openKeys: () => openHybridKeys(secret) }
}

/** What is wrong with somebody's keys; `undefined` when nothing is. */
export function faultOf({ identityKey, agreementKey, agreementProof }: Person): string | undefined {
  if (!isIdentityKey(identityKey)) return "has an identity key that is not sound"
  if (!verifySignature(identityKey, AGREEMENT_DOMAIN, agreementKey, agreementProof))
    return "has an agreement key that its identity did not sign"
  return undefined
}

/** Cuts 128 bytes into who it is. */
export function cutPerson(bytes: Uint8Array): Person {
  const cutter = new Cutter(bytes)
  return {
    identityKey: cutter.take(KEY_BYTES),
    agreementKey: cutter.take(KEY_BYTES),
    agreementProof: cutter.take(SIGNATURE_BYTES),
  }
}

function cut(bytes: Uint8Array): Bundle {
  const cutter = new Cutter(bytes)
  cutter.take(1)
  const owner = cutPerson(cutter.take(PERSON_BYTES))
  return {
    bytes,
    owner,
    prekey: cutter.take(HYBRID_KEY_BYTES),
    helloKey: cutter.take(KEY_BYTES),
  }
}

function faultOfSignature({ bytes, owner }: Bundle): string | undefined {
  const end = BUNDLE_BYTES - SIGNATURE_BYTES
  const isSigned = verifySignature(
    owner.identityKey,
    BUNDLE_DOMAIN,
    bytes.subarray(0, end),
    bytes.subarray(end),
  )
  return isSigned ? undefined : "is not signed by its identity"
}

function isIdentityKey(bytes: Uint8Array): boolean {
  try {
    importPublicKey(bytes)
    return true
  } catch (error) {
    if (isAlliumError(error, "BAD_KEY")) return false
    throw error
  }
}

/** @param found - What is wrong, after "it". */
export function badBundle(found: string): AlliumError {
  return new AlliumError("BAD_BUNDLE", `Cannot use prekey bundle: it ${found}`)
}

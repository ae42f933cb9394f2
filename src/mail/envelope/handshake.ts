/**
 * How a session begins: PQXDH, whose initiator stays unknown to all but the owner of the bundle.
 *
 * @see https://signal.org/docs/specifications/pqxdh/
 * @module
 */
import { isAlliumError } from "../../base/errors.ts"
import type { RandomBytes } from "../../base/random.ts"
import { openAgreementKey, X25519_KEY_BYTES } from "../../base/x25519.ts"
import { NONCE_BYTES, openBytes, sealBytes, TAG_BYTES } from "./aead.ts"
import { type Bundle, badBundle, cutPerson, faultOf, PERSON_BYTES, type Person } from "./bundle.ts"
import type { MailSelf } from "./crypto.ts"
import { Cutter } from "./cutter.ts"
import { encapsulateFor, type HybridKeys, KEM_CIPHERTEXT_BYTES, x25519Part } from "./hybrid-keys.ts"
import { deriveKeys, hashOf, KEY_BYTES } from "./kdf.ts"
import type { RatchetStart } from "./ratchet-state.ts"

/** What first envelopes carry: ephemeral key, KEM ciphertext, and who it is, sealed. */
export const HELLO_BYTES = X25519_KEY_BYTES + KEM_CIPHERTEXT_BYTES + PERSON_BYTES + TAG_BYTES
/** (F) Sets secrets of X25519 apart from keys of other curves. */
const FRONT = new Uint8Array(32).fill(0xff)
const NO_SALT = new Uint8Array(KEY_BYTES)
/** Its key seals nothing else. */
const NO_NONCE = new Uint8Array(NONCE_BYTES)

/** What both sides have of a handshake. */
export interface Handshake {
  /** (AD) Hash of the bundle, the hello and both identities; 32 bytes. */
  readonly bound: Uint8Array
  readonly start: RatchetStart
}

/**
 * The side of whoever begins.
 *
 * @returns With the hello that lets the other side follow, {@linkcode HELLO_BYTES} bytes.
 * @throws {AlliumError} `BAD_BUNDLE` when a key in it has small order.
 */
export function beginHandshake(
  self: MailSelf,
  bundle: Bundle,
  random: RandomBytes,
): Handshake & { readonly hello: Uint8Array } {
  const ephemeral = openAgreementKey(random(KEY_BYTES))
  const { ciphertext, shared } = encapsulateFor(bundle.prekey, random)
  const secrets = refusingSmallOrder(() => ({
    identity: self.agree(x25519Part(bundle.prekey)),
    others: [
      ephemeral.agree(bundle.owner.agreementKey),
      ephemeral.agree(x25519Part(bundle.prekey)),
      shared,
    ],
  }))
  if (secrets === undefined) throw badBundle("has a key of small order")
  const opening = Buffer.concat([ephemeral.publicKey, ciphertext])
  const person = Buffer.concat([self.publicKey, self.agreementKey, self.agreementProof])
  const bound = hashOf("hello", bundle.bytes, opening)
  const key = personKey(secrets.others)
  const sealed = sealBytes({ key, nonce: NO_NONCE, bound }, person)
  return { hello: Buffer.concat([opening, sealed]), ...finish(bound, person, secrets) }
}

/**
 * The side of the bundle's owner.
 *
 * @returns `undefined` when the hello was not made for this bundle, or by nobody who is who he says.
 */
export function answerHandshake(
  self: MailSelf,
  { bundle, keys }: { bundle: Bundle; keys: HybridKeys },
  hello: Uint8Array,
): (Handshake & { readonly peer: Person }) | undefined {
  const opening = hello.subarray(0, HELLO_BYTES - PERSON_BYTES - TAG_BYTES)
  const cutter = new Cutter(hello)
  const ephemeralKey = cutter.take(X25519_KEY_BYTES)
  const shared = keys.decapsulate(cutter.take(KEM_CIPHERTEXT_BYTES))
  return refusingSmallOrder(() => {
    const others = [self.agree(ephemeralKey), keys.agree(ephemeralKey), shared]
    const bound = hashOf("hello", bundle.bytes, opening)
    const key = personKey(others)
    const person = openBytes({ key, nonce: NO_NONCE, bound }, cutter.take(cutter.left))
    const peer = person && cutPerson(person)
    if (peer === undefined || faultOf(peer) !== undefined) return undefined
    const identity = keys.agree(peer.agreementKey)
    return { peer, ...finish(bound, person!, { identity, others }) }
  })
}

interface Secrets {
  /** (DH1) Initiator's agreement key with the prekey. */
  readonly identity: Uint8Array
  /** (DH2, DH3, SS) Ephemeral key with agreement key and prekey, and what the KEM gave. */
  readonly others: readonly Uint8Array[]
}

/** Whoever has the bundle cannot read who begins, only its owner can; as in the Noise pattern IK. */
function personKey(others: readonly Uint8Array[]): Uint8Array {
  const secret = Buffer.concat([FRONT, ...others])
  return deriveKeys(secret, { salt: NO_SALT, use: "person", count: 1 })[0]!
}

/** (SK) */
function finish(hello: Uint8Array, person: Uint8Array, { identity, others }: Secrets): Handshake {
  const secret = Buffer.concat([FRONT, identity, ...others])
  const use = "PQXDH_CURVE25519_SHA-256_ML-KEM-768"
  const keys = deriveKeys(secret, { salt: NO_SALT, use, count: 3 })
  const start = { rootKey: keys[0]!, beginnerKey: keys[1]!, otherKey: keys[2]! }
  return { bound: hashOf("session", hello, person), start }
}

function refusingSmallOrder<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (isAlliumError(error, "BAD_KEY")) return undefined
    throw error
  }
}

/**
 * One identity with its keys at hand.
 *
 * @module
 */
import { createPrivateKey, hkdfSync, type KeyObject, sign } from "node:crypto"
import { openAgreementKey } from "../base/x25519.ts"
import { deriveDestinationKeys } from "../sam/derive.ts"
import { publicKeyOf } from "../sam/ed25519.ts"
import { keyHash } from "./card.ts"
import { AGREEMENT_DOMAIN, type Identity } from "./identity.ts"
import { keyToText, signedBytes } from "./keys.ts"
import { secretFor } from "./paths.ts"

/** Of every key derived here. */
const KEY_BYTES = 32

/** An identity together with what signs its cards. */
export interface UnlockedIdentity extends Identity {
  readonly cardKeys: { readonly privateKey: KeyObject; readonly nextKeyHash: string }
}

/** @param seed - Of the phrase, 64 bytes. */
export function unlockIdentity(
  seed: Uint8Array,
  { name, index }: { name: string; index: number },
): UnlockedIdentity {
  const secret = secretFor(seed, { identity: index, purpose: "identity" })
  const next = secretFor(seed, { identity: index, purpose: "identity", number: 1 })
  const { destination, privateKeyFile } = deriveDestinationKeys(
    secretFor(seed, { identity: index, purpose: "destination" }),
  )
  const publicKey = publicKeyOf(secret)
  const privateKey = toKeyObject(secret, publicKey)
  const agreement = openAgreementKey(secretFor(seed, { identity: index, purpose: "agreement" }))
  const backup = secretFor(seed, { identity: index, purpose: "backup" })
  const signFor = (domain: string, message: Uint8Array) =>
    new Uint8Array(sign(null, signedBytes(domain, message), privateKey))
  const identity: Identity = {
    name,
    index,
    publicKey,
    key: keyToText(publicKey),
    destination,
    destinationKeys: () => new Uint8Array(privateKeyFile),
    sign: signFor,
    agreementKey: agreement.publicKey,
    agreementProof: signFor(AGREEMENT_DOMAIN, agreement.publicKey),
    agree: agreement.agree,
    backupKey: (label) => new Uint8Array(hkdfSync("sha256", backup, "", label, KEY_BYTES)),
  }
  const cardKeys = { privateKey, nextKeyHash: keyHash(publicKeyOf(next)) }
  // Not enumerable: an identity that is printed or packed shows no key of any kind.
  return Object.defineProperty(identity, "cardKeys", { value: cardKeys }) as UnlockedIdentity
}

function toKeyObject(secret: Uint8Array, publicKey: Uint8Array): KeyObject {
  const d = Buffer.from(secret).toString("base64url")
  const key = { kty: "OKP", crv: "Ed25519", d, x: keyToText(publicKey) }
  return createPrivateKey({ key, format: "jwk" })
}

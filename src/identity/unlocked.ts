/**
 * One identity with its keys at hand.
 *
 * @module
 */
import { createPrivateKey, type KeyObject, sign } from "node:crypto"
import { deriveDestinationKeys } from "../sam/derive.ts"
import { publicKeyOf } from "../sam/ed25519.ts"
import { keyHash } from "./card.ts"
import type { Identity } from "./identity.ts"
import { keyToText, signedBytes } from "./keys.ts"
import { secretFor } from "./paths.ts"

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
  const identity = {
    name,
    index,
    publicKey,
    key: keyToText(publicKey),
    destination,
    destinationKeys: () => new Uint8Array(privateKeyFile),
    sign: (domain: string, message: Uint8Array) =>
      new Uint8Array(sign(null, signedBytes(domain, message), privateKey)),
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

/**
 * One identity with its keys at hand.
 *
 * @module
 */
import { createPrivateKey, hkdfSync, type KeyObject, sign } from "node:crypto"
import { AlliumError } from "../base/errors.ts"
import { openAgreementKey } from "../base/x25519.ts"
import { deriveDestinationKeys } from "../sam/derive.ts"
import { publicKeyOf } from "../sam/ed25519.ts"
import { keyHash } from "./card.ts"
import {
  AGREEMENT_DOMAIN,
  type DeviceSecrets,
  type Identity,
  type JoinedIdentity,
} from "./identity.ts"
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
  const secrets = secretsOf(seed, index, 0)
  const backup = secretFor(seed, { identity: index, purpose: "backup" })
  const { destination } = deriveDestinationKeys(secrets.destination)
  return fromSecrets(secrets, { name, index, device: 0, address: destination.b32 }, backup)
}

/** An identity of another home's words. */
export function unlockJoined({ secrets, ...joined }: JoinedIdentity): UnlockedIdentity {
  return fromSecrets(secrets, { ...joined, index: -1 })
}

/** @param device - Counts destinations of the identity. */
export function secretsOf(seed: Uint8Array, index: number, device: number): DeviceSecrets {
  const next = secretFor(seed, { identity: index, purpose: "identity", number: 1 })
  return {
    identity: secretFor(seed, { identity: index, purpose: "identity" }),
    agreement: secretFor(seed, { identity: index, purpose: "agreement" }),
    destination: secretFor(seed, { identity: index, purpose: "destination", number: device }),
    nextKeyHash: keyHash(publicKeyOf(next)),
  }
}

function fromSecrets(
  secrets: DeviceSecrets,
  facts: Pick<Identity, "name" | "index" | "device" | "address">,
  backup?: Uint8Array,
): UnlockedIdentity {
  const { destination, privateKeyFile } = deriveDestinationKeys(secrets.destination)
  const publicKey = publicKeyOf(secrets.identity)
  const privateKey = toKeyObject(secrets.identity, publicKey)
  const agreement = openAgreementKey(secrets.agreement)
  const signFor = (domain: string, message: Uint8Array) =>
    new Uint8Array(sign(null, signedBytes(domain, message), privateKey))
  const identity: Identity = {
    ...facts,
    publicKey,
    key: keyToText(publicKey),
    destination,
    destinationKeys: () => new Uint8Array(privateKeyFile),
    sign: signFor,
    agreementKey: agreement.publicKey,
    agreementProof: signFor(AGREEMENT_DOMAIN, agreement.publicKey),
    agree: agreement.agree,
    backupKey: (label) => {
      if (backup === undefined) throw linkedDevice("make backup key")
      return new Uint8Array(hkdfSync("sha256", backup, "", label, KEY_BYTES))
    },
  }
  const cardKeys = { privateKey, nextKeyHash: secrets.nextKeyHash }
  // Not enumerable: an identity that is printed or packed shows no key of any kind.
  return Object.defineProperty(identity, "cardKeys", { value: cardKeys }) as UnlockedIdentity
}

/** @param deed - What only the first device can do. */
export function linkedDevice(deed: string): AlliumError {
  const found = "this is a linked device, expected the one that has the words"
  return new AlliumError("LINKED_DEVICE", `Cannot ${deed}: ${found}`)
}

function toKeyObject(secret: Uint8Array, publicKey: Uint8Array): KeyObject {
  const d = Buffer.from(secret).toString("base64url")
  const key = { kty: "OKP", crv: "Ed25519", d, x: keyToText(publicKey) }
  return createPrivateKey({ key, format: "jwk" })
}

/**
 * One version of an identity's keys: version n + 1 takes over from version n by a rotation.
 *
 * @module
 */
import { createPrivateKey, type KeyObject, sign } from "node:crypto"
import { openAgreementKey } from "../base/x25519.ts"
import { publicKeyOf } from "../sam/ed25519.ts"
import { AGREEMENT_DOMAIN, type DeviceSecrets, type IdentityKeys } from "./identity.ts"
import { keyToText, signedBytes } from "./keys.ts"
import { secretFor } from "./paths.ts"

/** See the module. */
export interface KeyVersion extends IdentityKeys {
  /** Ed25519; not enumerable. */
  readonly privateKey: KeyObject
}

/** @param seed - Of the phrase, 64 bytes. @param number - Version of the keys. */
export function openKeyVersion(seed: Uint8Array, identity: number, number: number): KeyVersion {
  const secrets = {
    identity: secretFor(seed, { identity, purpose: "identity", number }),
    agreement: secretFor(seed, { identity, purpose: "agreement", number }),
  }
  return openKeys(secrets, number)
}

/** @param secrets - Of that version. */
export function openKeys(
  secrets: Pick<DeviceSecrets, "identity" | "agreement">,
  version: number,
): KeyVersion {
  const agreement = openAgreementKey(secrets.agreement)
  const publicKey = publicKeyOf(secrets.identity)
  const privateKey = toKeyObject(secrets.identity, publicKey)
  const signFor = (domain: string, message: Uint8Array) =>
    new Uint8Array(sign(null, signedBytes(domain, message), privateKey))
  const keys: IdentityKeys = {
    version,
    key: keyToText(publicKey),
    publicKey,
    sign: signFor,
    agreementKey: agreement.publicKey,
    agreementProof: signFor(AGREEMENT_DOMAIN, agreement.publicKey),
    agree: agreement.agree,
  }
  return Object.defineProperty(keys, "privateKey", { value: privateKey }) as KeyVersion
}

function toKeyObject(secret: Uint8Array, publicKey: Uint8Array): KeyObject {
  const d = Buffer.from(secret).toString("base64url")
  const key = { kty: "OKP", crv: "Ed25519", d, x: keyToText(publicKey) }
  return createPrivateKey({ key, format: "jwk" })
}

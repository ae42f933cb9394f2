/**
 * Ed25519 keys for links that are no identity's: of a plugin that listens, or thrown away after one link.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8032
 * @module
 */
import { createPrivateKey, sign } from "node:crypto"
import { separated } from "../base/ed25519.ts"
import type { Signer } from "../link/handshake.ts"
import { publicKeyOf } from "../sam/ed25519.ts"

/** @param seed - 32 random bytes: RFC 8032's private key. */
export function makeLinkSigner(seed: Uint8Array): Signer {
  const publicKey = publicKeyOf(seed)
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url")
  const jwk = { kty: "OKP", crv: "Ed25519", d: text(seed), x: text(publicKey) }
  const key = createPrivateKey({ key: jwk, format: "jwk" })
  return {
    publicKey,
    sign: (domain, message) => new Uint8Array(sign(null, separated(domain, message), key)),
  }
}

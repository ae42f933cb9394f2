/** Whatever signs as an identity does, from 32 secret bytes. */
import { createPrivateKey, sign } from "node:crypto"
import { keyToText, signedBytes } from "../../../src/identity/keys.ts"
import { publicKeyOf } from "../../../src/sam/ed25519.ts"

/** DER of a PKCS#8 Ed25519 key up to the seed itself (RFC 8410, section 7). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex")

/** @param seed - 32 bytes. */
export function signerOf(seed: Uint8Array) {
  const der = Buffer.concat([PKCS8, seed])
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" })
  const publicKey = publicKeyOf(seed)
  return {
    publicKey,
    key: keyToText(publicKey),
    sign: (domain: string, message: Uint8Array) =>
      new Uint8Array(sign(null, signedBytes(domain, message), privateKey)),
  }
}

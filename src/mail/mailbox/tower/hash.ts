/**
 * What a tower keeps instead of a secret.
 *
 * @module
 */
import { createHash } from "node:crypto"

/** What is hashed: hashes of different kinds never meet. */
export type HashUse = "send" | "receive" | "blob" | "write" | "invitation" | "token" | "envelope"

/** SHA-256 of a domain and the secret, 32 bytes. */
export function hashBytes(use: HashUse, secret: Uint8Array): Uint8Array {
  const hash = createHash("sha256").update(`allium/tower/1/${use}\0`).update(secret)
  return new Uint8Array(hash.digest())
}

/** The same as base64url, 43 characters. */
export function hashText(use: HashUse, secret: Uint8Array): string {
  return Buffer.from(hashBytes(use, secret)).toString("base64url")
}

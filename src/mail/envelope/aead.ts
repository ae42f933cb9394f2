/**
 * ChaCha20-Poly1305: what everything in an envelope is sealed with.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8439#section-2.8
 * @module
 */
import { createCipheriv, createDecipheriv } from "node:crypto"

export const NONCE_BYTES = 12
export const TAG_BYTES = 16
const ALGORITHM = "chacha20-poly1305"
const OPTIONS = { authTagLength: TAG_BYTES } as const

/** Where a seal belongs. */
export interface SealedWith {
  /** 32 bytes. */
  readonly key: Uint8Array
  /** 12 bytes, never twice with one key. */
  readonly nonce: Uint8Array
  /** What is not in it but must be the same when it is opened. */
  readonly bound: Uint8Array
}

/** @returns The ciphertext, as long as `plaintext`, and 16 bytes of tag. */
export function sealBytes({ key, nonce, bound }: SealedWith, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv(ALGORITHM, key, nonce, OPTIONS)
  cipher.setAAD(bound, { plaintextLength: plaintext.length })
  const body = cipher.update(plaintext)
  cipher.final()
  return Buffer.concat([body, cipher.getAuthTag()])
}

/** The inverse; `undefined` when a bit differs. */
export function openBytes(
  { key, nonce, bound }: SealedWith,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const end = sealed.length - TAG_BYTES
  if (end < 0) return undefined
  const decipher = createDecipheriv(ALGORITHM, key, nonce, OPTIONS)
  decipher.setAAD(bound, { plaintextLength: end })
  decipher.setAuthTag(sealed.subarray(end))
  const plaintext = decipher.update(sealed.subarray(0, end))
  return isFinal(decipher) ? plaintext : undefined
}

function isFinal(decipher: ReturnType<typeof createDecipheriv>): boolean {
  try {
    decipher.final()
    return true
  } catch {
    return false // the answer, not a failure
  }
}

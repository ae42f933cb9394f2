/**
 * The header inside an envelope: 2,312 bytes that make or follow a turn.
 *
 * @module
 */
import { Cutter } from "./cutter.ts"
import { HYBRID_KEY_BYTES, isSoundKey, KEM_CIPHERTEXT_BYTES } from "./hybrid-keys.ts"
import type { Header } from "./ratchet-state.ts"

/** Key, ciphertext, and two numbers of four bytes, big-endian. */
export const HEADER_BYTES = HYBRID_KEY_BYTES + KEM_CIPHERTEXT_BYTES + 8

/** Writes a header. */
export function writeHeader({ key, ciphertext, sentBefore, number }: Header): Uint8Array {
  const numbers = Buffer.alloc(8)
  numbers.writeUInt32BE(sentBefore, 0)
  numbers.writeUInt32BE(number, 4)
  return Buffer.concat([key, ciphertext, numbers])
}

/** @param bytes - 2,312. @returns `undefined` for a key that is not sound. */
export function readHeader(bytes: Uint8Array): Header | undefined {
  const cutter = new Cutter(bytes)
  const key = cutter.take(HYBRID_KEY_BYTES)
  const ciphertext = cutter.take(KEM_CIPHERTEXT_BYTES)
  const header = { key, ciphertext, sentBefore: cutter.number(4), number: cutter.number(4) }
  return isSoundKey(key) ? header : undefined
}

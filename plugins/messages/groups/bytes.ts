/**
 * Small words on bytes that all of the group modules use.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { AlliumError, type Contact, z } from "allium/plugin"

/** SHA-256, an Ed25519 key. */
export const HASH_BYTES = 32
const KEY_TEXT = /^[A-Za-z0-9_-]{43}$/

/** Exactly `length` bytes. */
export function bytesOf(length: number): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === length)
}

/** At most `length` bytes. */
export function bytesUpTo(length: number): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= length)
}

/** An identity key as it stands everywhere in memory: base64url, 43 characters. */
export const keyTextShape: z.ZodType<string> = z.string().regex(KEY_TEXT)

/** 32 bytes to 43 characters. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key).toString("base64url")
}

/** Inverse of {@linkcode keyText}; the caller knows that it is a key. */
export function keyBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64url"))
}

/** Lower-case hexadecimal. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex")
}

/** Equal bytes; two that are absent are equal, too. */
export function same(left: Uint8Array | undefined, right: Uint8Array | undefined): boolean {
  if (left === undefined || right === undefined) return left === right
  return Buffer.compare(left, right) === 0
}

/** SHA-256 over domain, a zero byte, and the parts one after the other; all parts but the last have a fixed length. */
export function hashOf(domain: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256").update(domain).update("\0")
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

/** What a peer sent cannot be believed; nothing of it is quoted. */
export function badRecord(what: string, found: string): AlliumError {
  return new AlliumError("BAD_RECORD", `Cannot read ${what}: ${found}`)
}

/** The key a contact has in groups: their first one of all, for everybody; base64url. */
export function memberKeyOf({ key, firstKey }: Pick<Contact, "key" | "firstKey">): string {
  return firstKey ?? key
}

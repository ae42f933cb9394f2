/**
 * A key wrapped by a passphrase: scrypt, then XChaCha20-Poly1305.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7914
 * @module
 */
import { type ScryptOptions, scrypt } from "node:crypto"
import { z } from "zod"
import { AlliumError } from "../base/errors.ts"
import type { RandomBytes } from "../base/random.ts"
import { seal, unseal } from "./seal.ts"

const SALT_BYTES = 16
const NONCE_BYTES = 24

const isPowerOfTwo = (value: number) => Number.isInteger(Math.log2(value))

/** Upper bounds keep a manipulated file from taking gigabytes. */
const costShape = z.strictObject({
  cost: z
    .int()
    .min(2)
    .max(2 ** 20)
    .refine(isPowerOfTwo),
  blockSize: z.int().min(1).max(32),
  parallelization: z.int().min(1).max(16),
})

/** scrypt's N, r and p. */
export type ScryptCost = z.infer<typeof costShape>

const wrappedShape = z.strictObject({
  format: z.literal(1),
  protection: z.literal("passphrase"),
  scrypt: costShape,
  /** 16 bytes, base64url. */
  salt: z.string().regex(/^[\w-]{22}$/),
  /** 24 bytes of nonce, 32 of key, 16 of tag; base64url. */
  wrapped: z.string().regex(/^[\w-]{96}$/),
})

const clearShape = z.strictObject({
  format: z.literal(1),
  protection: z.literal("none"),
  /** 32 bytes, base64url. */
  key: z.string().regex(/^[\w-]{43}$/),
})

/** What stands in a vault. */
export const vaultShape: z.ZodType<VaultContent> = z.discriminatedUnion("protection", [
  wrappedShape,
  clearShape,
])
type WrappedKey = z.infer<typeof wrappedShape>
/** See {@linkcode vaultShape}. */
export type VaultContent = WrappedKey | z.infer<typeof clearShape>

/** Wraps `key`; 0.36 s with the usual cost, off the main thread. */
export async function wrapKey(
  key: Uint8Array,
  by: { passphrase: string; scrypt: ScryptCost; random: RandomBytes },
): Promise<WrappedKey> {
  const salt = Buffer.from(by.random(SALT_BYTES)).toString("base64url")
  const head = { format: 1, protection: "passphrase", scrypt: by.scrypt, salt } as const
  const wrapping = await stretch(by.passphrase, head)
  const nonce = by.random(NONCE_BYTES)
  const sealed = seal({ key: wrapping, bound: boundTo(head), nonce }, key)
  return { ...head, wrapped: Buffer.from(sealed).toString("base64url") }
}

/** @throws {AlliumError} `WRONG_PASSPHRASE`. */
export async function unwrapKey(content: WrappedKey, passphrase: string): Promise<Uint8Array> {
  const wrapping = await stretch(passphrase, content)
  const key = unseal(wrapping, boundTo(content), Buffer.from(content.wrapped, "base64url"))
  if (key !== undefined) return key
  throw new AlliumError("WRONG_PASSPHRASE", "Cannot open vault: the passphrase is another one")
}

/** Keyboards differ in how they write the same character: NFKC makes them equal. */
function stretch(
  passphrase: string,
  { scrypt: cost, salt }: Pick<WrappedKey, "scrypt" | "salt">,
): Promise<Uint8Array> {
  const { cost: N, blockSize: r, parallelization: p } = cost
  const options: ScryptOptions = { N, r, p, maxmem: 128 * r * (N + p + 2) + 1024 }
  return new Promise((resolve, reject) => {
    const bytes = Buffer.from(salt, "base64url")
    scrypt(passphrase.normalize("NFKC"), bytes, 32, options, (error, key) => {
      if (error) reject(error)
      else resolve(new Uint8Array(key))
    })
  })
}

/** Cheaper parameters cannot be put beside a key that was wrapped with dear ones. */
function boundTo({ scrypt: cost, salt }: Pick<WrappedKey, "scrypt" | "salt">): Uint8Array {
  const { cost: n, blockSize: r, parallelization: p } = cost
  return new TextEncoder().encode(`allium vault v1 ${n} ${r} ${p} ${salt}`)
}

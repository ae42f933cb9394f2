/**
 * Which secret stands where in the phrase's tree; `docs/protocol/identity.md` freezes it.
 *
 * `m/7656'/identity'/purpose'/number'`, 7656 being SAM's port. Nothing else is ever derived: keys that must
 * be forgotten (prekeys, ratchets, queues) are random.
 *
 * @module
 */
import { deriveSecret } from "./slip10.ts"

const ROOT = 7656

/** What a secret is for. */
export const PURPOSE = {
  /** Ed25519; the number is the version of the key. */
  identity: 0,
  /** Seed of an I2P destination; the number counts destinations. */
  destination: 1,
  /** XChaCha20-Poly1305 key of backups. */
  backup: 2,
  /** Ed25519 keys that own queues; the number counts towers. */
  tower: 3,
  /** X25519; the number is the version of the key. */
  agreement: 4,
} as const

/** The secret of one identity for one purpose: 32 bytes, the caller's own. */
export function secretFor(
  seed: Uint8Array,
  place: { identity: number; purpose: keyof typeof PURPOSE; number?: number },
): Uint8Array {
  return deriveSecret(seed, [ROOT, place.identity, PURPOSE[place.purpose], place.number ?? 0])
}

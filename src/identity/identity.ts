/**
 * An identity: a key pair the user owns, with a destination of its own.
 *
 * @module
 */
import type { Destination } from "../sam/destination.ts"

/** One identity, unlocked. Its private halves never leave this object but for the two uses below. */
export interface Identity {
  /** Chosen by the user; unique on this router; never sent to anybody. */
  readonly name: string
  /** Ed25519 public key in base64url without padding, 43 characters: the identity's id everywhere. */
  readonly key: string
  /** The same key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** Place in the recovery phrase's tree, from 0. */
  readonly index: number
  readonly destination: Destination
  /** I2P private key file for `SESSION CREATE`; the caller must not log or keep it. */
  destinationKeys(): Uint8Array
  /** Ed25519 signature, 64 bytes (RFC 8032), over `domain`, a zero byte, and `message`. */
  sign(domain: string, message: Uint8Array): Uint8Array
}

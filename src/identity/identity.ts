/**
 * An identity: a key pair the user owns, with a destination of its own.
 *
 * @module
 */
import type { Destination } from "../sam/destination.ts"
import type { ContactBook } from "./contacts.ts"
import type { DoorBook } from "./doors.ts"

/** What the proof of an agreement key is signed for. */
export const AGREEMENT_DOMAIN = "allium agreement key v1"

/** One identity, unlocked. Its private halves never leave this object but for the uses below. */
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
  /** X25519 public key that envelopes are bound to, 32 bytes (RFC 7748). */
  readonly agreementKey: Uint8Array
  /** Signature over {@linkcode Identity.agreementKey} for {@linkcode AGREEMENT_DOMAIN}, 64 bytes. */
  readonly agreementProof: Uint8Array
  /** I2P private key file for `SESSION CREATE`; the caller must not log or keep it. */
  destinationKeys(): Uint8Array
  /** Ed25519 signature, 64 bytes (RFC 8032), over `domain`, a zero byte, and `message`. */
  sign(domain: string, message: Uint8Array): Uint8Array
  /** X25519 with the agreement key, 32 bytes. @throws {AlliumError} `BAD_KEY` for a key of small order. */
  agree(theirKey: Uint8Array): Uint8Array
  /**
   * A key for backups of this identity, derived from the phrase, 32 bytes: HKDF-SHA-256 of the path `backup` with `label`.
   * The caller must not log or keep it.
   */
  backupKey(label: string): Uint8Array
}

/** All identities of a home. They come from one phrase, and nothing public ties them together. */
export interface IdentityBook {
  /** In order of making; the first one is the default. */
  list(): readonly Identity[]
  /** By name; the first one when none is given. @throws {AlliumError} `NO_IDENTITY` when there is none, `NOT_FOUND`. */
  find(name?: string): Identity
  /**
   * Makes the next identity of the phrase; the first one makes the phrase too, in a file of its own.
   * @throws {AlliumError} `ALREADY_EXISTS`, `BAD_INPUT`, `LIMIT_REACHED` beyond 100 identities.
   */
  create(name: string): Promise<Identity>
  /** 24 words, to be shown to the user only. @throws {AlliumError} `NO_IDENTITY` when there is none yet. */
  phrase(): string
  /**
   * Makes the first identities of a phrase again, one for each name, in order.
   * @throws {AlliumError} `BAD_PHRASE`, `BAD_INPUT`, `ALREADY_EXISTS` when there are identities or another phrase.
   */
  restore(phrase: string, names: readonly string[]): Promise<void>
  /** The same book for the same identity. */
  contacts(identity: Identity): ContactBook
  /** Which cards of an identity are good. */
  doors(identity: Identity): DoorBook
  /** A signed card, see `docs/protocol/card.md`. @param options.name - What strangers may call us; none by default. */
  card(identity: Identity, options?: { name?: string; door?: string }): Promise<string>
}

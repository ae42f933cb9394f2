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
  /** Place in the recovery phrase's tree, from 0; -1 for one whose words are at its first device. */
  readonly index: number
  /** 0 where the words are; another number, never used again, for each device that was linked. */
  readonly device: number
  /** `.b32.i2p` name of the first device's destination: what cards name. */
  readonly address: string
  /** Of this device alone. */
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
   * The caller must not log or keep it. @throws {AlliumError} `LINKED_DEVICE`: only the first device has it.
   */
  backupKey(label: string): Uint8Array
}

/** The keys of an identity, for one of its devices. */
export interface DeviceSecrets {
  /** Ed25519, 32 bytes. */
  readonly identity: Uint8Array
  /** X25519, 32 bytes. */
  readonly agreement: Uint8Array
  /** Seed of this device's destination, 32 bytes. */
  readonly destination: Uint8Array
  /** What cards commit to, base64url, 43 characters. */
  readonly nextKeyHash: string
}

/** An identity that came from its first device. */
export interface JoinedIdentity {
  readonly name: string
  /** From 1. */
  readonly device: number
  /** `.b32.i2p` name of the first device. */
  readonly address: string
  readonly secrets: DeviceSecrets
}

/** All identities of a home. They come from one phrase but for those that were linked; nothing public ties them together. */
export interface IdentityBook {
  /** In order of making, those that were linked last; the first one is the default. */
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
  /**
   * What another device of an identity needs to be it; secret, the caller must not keep it.
   * @throws {AlliumError} `LINKED_DEVICE` unless the words are here.
   */
  deviceSecrets(identity: Identity, device: number): DeviceSecrets
  /**
   * Takes up an identity whose words are elsewhere; it is not in this home's phrase.
   * @throws {AlliumError} `ALREADY_EXISTS` for its key or name, `BAD_INPUT`, `LIMIT_REACHED`.
   */
  join(joined: JoinedIdentity): Promise<Identity>
  /** The same book for the same identity. */
  contacts(identity: Identity): ContactBook
  /** Which cards of an identity are good. */
  doors(identity: Identity): DoorBook
  /** A signed card, see `docs/protocol/card.md`. @param options.name - What strangers may call us; none by default. */
  card(identity: Identity, options?: { name?: string; door?: string }): Promise<string>
}

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

/** One version of an identity's keys: what proves, signs and agrees. */
export interface IdentityKeys {
  /** From 0; grows with each rotation. */
  readonly version: number
  /** Ed25519 public key in base64url without padding, 43 characters. */
  readonly key: string
  /** The same key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** X25519 public key that envelopes are bound to, 32 bytes (RFC 7748). */
  readonly agreementKey: Uint8Array
  /** Signature over {@linkcode IdentityKeys.agreementKey} for {@linkcode AGREEMENT_DOMAIN}, 64 bytes. */
  readonly agreementProof: Uint8Array
  /** Ed25519 signature, 64 bytes (RFC 8032), over `domain`, a zero byte, and `message`. */
  sign(domain: string, message: Uint8Array): Uint8Array
  /** X25519 with the agreement key, 32 bytes. @throws {AlliumError} `BAD_KEY` for a key of small order. */
  agree(theirKey: Uint8Array): Uint8Array
}

/**
 * One identity, unlocked. Its private halves never leave this object but for the uses below.
 *
 * `key` and what else it has of {@linkcode IdentityKeys} is its first version: the identity's id for ever, in the store and in
 * groups. What proves who we are now is {@linkcode Identity.present}.
 */
export interface Identity extends Omit<IdentityKeys, "version"> {
  /** Chosen by the user; unique on this router; never sent to anybody. */
  readonly name: string
  /** Place in the recovery phrase's tree, from 0; -1 for one whose words are at its first device. */
  readonly index: number
  /** 0 where the words are; another number, never used again, for each device that was linked. */
  readonly device: number
  /** `.b32.i2p` name of the first device's destination: what cards name. */
  readonly address: string
  /** Of this device alone. */
  readonly destination: Destination
  /** The keys that count now; another object after a rotation. */
  readonly present: IdentityKeys
  /** Any version, that of the future too. @throws {AlliumError} `LINKED_DEVICE`: another device has the present one alone. */
  keysAt(version: number): IdentityKeys
  /**
   * The version that has this key, base64url, of the past or to come; `undefined` for other keys. A linked device knows none
   * that are to come.
   */
  keysOf(key: string): Pick<IdentityKeys, "version" | "key" | "publicKey"> | undefined
  /** Every rotation until now, oldest first: `rotation.ts`. Empty before the first. */
  rotations(): Uint8Array
  /** I2P private key file for `SESSION CREATE`; the caller must not log or keep it. */
  destinationKeys(): Uint8Array
  /**
   * A key for backups of this identity, derived from the phrase, 32 bytes: HKDF-SHA-256 of the path `backup` with `label`.
   * The caller must not log or keep it. @throws {AlliumError} `LINKED_DEVICE`: only the first device has it.
   */
  backupKey(label: string): Uint8Array
}

/** The present keys of an identity, for one of its devices. */
export interface DeviceSecrets {
  /** Ed25519, 32 bytes. */
  readonly identity: Uint8Array
  /** The first identity key, which groups know it by, 32 bytes; absent before the first rotation. */
  readonly first?: Uint8Array | undefined
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
  /** Rotations that led to its present key; absent before the first. */
  readonly rotations?: Uint8Array | undefined
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
   * @throws {AlliumError} `ALREADY_EXISTS` for its key or name, `BAD_INPUT`, `BAD_RECORD`, `LIMIT_REACHED`.
   */
  join(joined: JoinedIdentity): Promise<Identity>
  /** The same book for the same identity. */
  contacts(identity: Identity): ContactBook
  /** Which cards of an identity are good. */
  doors(identity: Identity): DoorBook
  /**
   * The next version of its key is the present one; on disk when it resolves. Contacts are not told by this.
   * @param to - That version, when it is known from elsewhere; an older one changes nothing.
   * @throws {AlliumError} `LINKED_DEVICE` unless the words are here, `LIMIT_REACHED` after 16 rotations.
   */
  rotate(identity: Identity, to?: number): Promise<void>
  /**
   * A signed card, see `docs/protocol/card.md`.
   * @param options.name - What strangers may call us; none by default.
   * @param options.version - Of the key it is about; the present one by default.
   */
  card(
    identity: Identity,
    options?: { name?: string; door?: string; version?: number },
  ): Promise<string>
}

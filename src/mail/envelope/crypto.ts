/**
 * What seals and opens envelopes: the seam behind which the ratchet can be replaced.
 *
 * Everything here is a pure value: no socket, no clock, no store. A session is immutable; `seal` and `open` return the
 * next one, and whoever keeps it must have it on disk before the envelope leaves or the receipt is given.
 *
 * @see docs/protocol/envelope.md
 * @module
 */

/** Every envelope, whatever is in it. */
export const ENVELOPE_BYTES = 4_096

/** The keys of an identity that envelopes are bound to; an `Identity` is one. */
export interface MailSelf {
  /** Ed25519 identity key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** X25519 public key of the identity, 32 bytes. */
  readonly agreementKey: Uint8Array
  /** Signature of the identity key over the agreement key, 64 bytes; the same for everybody. */
  readonly agreementProof: Uint8Array
  /** X25519 with the agreement key's private half. @throws {AlliumError} `BAD_KEY` for an all-zero result. */
  agree(theirKey: Uint8Array): Uint8Array
  /** Ed25519 signature, 64 bytes, over `domain`, a zero byte, and `message`; made once for each bundle. */
  sign(domain: string, message: Uint8Array): Uint8Array
}

/** Keys one correspondent may begin sessions with. Random, never derived; `secret` stays on this machine. */
export interface Prekeys {
  readonly secret: Uint8Array
  /** To be handed out; its size is always the same. */
  readonly bundle: Uint8Array
}

/** State of one ratchet; immutable. */
export interface CryptoSession {
  /** 16 bytes, the same on both sides: the hash of what began it. */
  readonly name: Uint8Array
  /** Whether we began it. */
  readonly begun: boolean
  /** Whether the other side has proven to have it: something of it was opened. */
  readonly answered: boolean
  /** How many payload bytes the next envelope holds; fewer until the session is answered. */
  readonly capacity: number
}

/** An envelope that opened, and the session that knows it did. */
export interface Opened {
  readonly session: CryptoSession
  /** Bytes of the caller's own, without padding. */
  readonly payload: Uint8Array
}

/** The first envelope of a session that they began. */
export interface FirstOpened extends Opened {
  /** Their Ed25519 identity key, 32 bytes, proven by the agreement. */
  readonly peerKey: Uint8Array
}

/** See the module. Made by `createEnvelopeCrypto({ random })`. */
export interface EnvelopeCrypto {
  makePrekeys(self: MailSelf): Prekeys
  /** Whose bundle it is: Ed25519 identity key, 32 bytes. @throws {AlliumError} `BAD_BUNDLE` unless its signatures hold. */
  ownerOf(bundle: Uint8Array): Uint8Array
  /** A session towards the owner of a bundle; nothing was sent yet. @throws {AlliumError} `BAD_BUNDLE`. */
  begin(self: MailSelf, bundle: Uint8Array): CryptoSession
  /**
   * Opens an envelope that begins a session with these prekeys; `undefined` for every other. The same envelope opens again and
   * again: the caller refuses a `session.name` it has seen. @throws {RangeError} for prekeys `makePrekeys` did not make.
   */
  accept(
    self: MailSelf,
    prekeys: Prekeys,
    envelope: Uint8Array,
    call: { nowMs: number },
  ): FirstOpened | undefined
  /** @param payload - 1 to `session.capacity` bytes. @throws {RangeError} for another length. */
  seal(
    session: CryptoSession,
    payload: Uint8Array,
  ): { readonly session: CryptoSession; readonly envelope: Uint8Array }
  /**
   * `undefined` for whatever is not a fresh envelope of this session; the session is as it was, then.
   *
   * @param call.nowMs - Milliseconds since 1970; kept keys of skipped envelopes age by it.
   */
  open(session: CryptoSession, envelope: Uint8Array, call: { nowMs: number }): Opened | undefined
  /** For the disk; secret. */
  exportSession(session: CryptoSession): Uint8Array
  /** @throws {AlliumError} `BAD_SESSION` for anything `exportSession` did not write. */
  importSession(bytes: Uint8Array): CryptoSession
}

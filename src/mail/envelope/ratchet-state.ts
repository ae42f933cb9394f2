/**
 * What a ratchet is between two messages; a value that nobody changes.
 *
 * Names in brackets are those of the Double Ratchet's specification.
 *
 * @see https://signal.org/docs/specifications/doubleratchet/#double-ratchet-with-header-encryption
 * @module
 */
import type { RandomBytes } from "../../base/random.ts"
import type { ChainMark, KeptKeys } from "./kept-keys.ts"

/** State of one side. */
export interface RatchetState {
  /** (RK) */
  readonly rootKey: Uint8Array
  readonly turn: OurTurn | TheirTurn
  /** Their newest chain; none before something of theirs was opened. */
  readonly receiving: ReceivingChain | undefined
  /** Header key of our next chain (NHKs). */
  readonly nextSendingKey: Uint8Array
  /** Header key of their next chain (NHKr). */
  readonly nextReceivingKey: Uint8Array
  /** (MKSKIPPED) */
  readonly kept: KeptKeys
}

/** We have their newest keys, and have not answered them: the next message begins a chain with fresh keys. */
export interface OurTurn {
  readonly is: "ours"
  /** (DHRr, PQRr) */
  readonly theirKey: Uint8Array
  /** How many messages our last chain had; 0 when there was none. */
  readonly sentBefore: number
}

/** They have not answered our newest keys. */
export interface TheirTurn {
  readonly is: "theirs"
  /** (DHRs, PQRs) */
  readonly keys: RatchetKeys
  /** None on the side that was begun with, before it opened anything. */
  readonly sending: SendingChain | undefined
}

/** Our newest chain. */
export interface SendingChain {
  /** (HKs) */
  readonly headerKey: Uint8Array
  /** (CKs) */
  readonly chainKey: Uint8Array
  /** Of the next message (Ns). */
  readonly number: number
  /** (PQRct) */
  readonly ciphertext: Uint8Array
  /** (PN) */
  readonly sentBefore: number
}

/** Their newest chain; its header key is (HKr). */
export interface ReceivingChain extends ChainMark {
  /** (CKr) */
  readonly chainKey: Uint8Array
  /** Of the next message that none overtook (Nr). */
  readonly number: number
}

/** What the header of a message says. */
export interface Header {
  /** (dh, kem) */
  readonly key: Uint8Array
  /** (ct) */
  readonly ciphertext: Uint8Array
  /** (pn) */
  readonly sentBefore: number
  /** (n) */
  readonly number: number
}

/** Keys of one turn. */
export interface RatchetKeys {
  readonly secret: Uint8Array
  readonly publicKey: Uint8Array
  /** The secret of a turn they made for these keys. @throws {AlliumError} `BAD_KEY` for a key of small order. */
  meet(theirKey: Uint8Array, ciphertext: Uint8Array): Uint8Array
}

/** What a ratchet turns with. */
export interface RatchetSuite {
  /** Fresh keys, and the secret they make with theirs. @throws {AlliumError} `BAD_KEY` for a key of small order. */
  beginTurn(
    theirKey: Uint8Array,
    random: RandomBytes,
  ): {
    readonly keys: RatchetKeys
    readonly ciphertext: Uint8Array
    readonly shared: Uint8Array
  }
  /** (KDF_RK_HE) */
  mixRoot(
    rootKey: Uint8Array,
    shared: Uint8Array,
  ): {
    readonly rootKey: Uint8Array
    readonly chainKey: Uint8Array
    /** Of the chain after this one. */
    readonly headerKey: Uint8Array
  }
}

/** How a side begins: what the handshake gave both. */
export interface RatchetStart {
  readonly rootKey: Uint8Array
  /** Header key of the first chain of whoever began. */
  readonly beginnerKey: Uint8Array
  /** Header key of the first chain of the other. */
  readonly otherKey: Uint8Array
}

/** The side that begins (RatchetInitAlicePQ2HE); it turns when it sends first. */
export function beginRatchet(start: RatchetStart, theirKey: Uint8Array): RatchetState {
  return {
    rootKey: start.rootKey,
    turn: { is: "ours", theirKey, sentBefore: 0 },
    receiving: undefined,
    nextSendingKey: start.beginnerKey,
    nextReceivingKey: start.otherKey,
    kept: [],
  }
}

/** The side that was begun with (RatchetInitBobPQ2HE). */
export function answerRatchet(start: RatchetStart, keys: RatchetKeys): RatchetState {
  return {
    rootKey: start.rootKey,
    turn: { is: "theirs", keys, sending: undefined },
    receiving: undefined,
    nextSendingKey: start.otherKey,
    nextReceivingKey: start.beginnerKey,
    kept: [],
  }
}

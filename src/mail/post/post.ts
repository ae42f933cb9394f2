/**
 * The post of one identity: letters go out in envelopes until they are acknowledged, and come in once, in order.
 *
 * A *letter* is what one plugin says to its like at a correspondent: bytes of any length up to a limit, in one or several
 * envelopes. A *correspondent* is one device of one contact. A *place* is a mailbox where envelopes for them may be put.
 *
 * @see docs/protocol/letter.md
 * @module
 */
import type { Change } from "../../store/store.ts"

/** Longest letter: 1,000 pages. Longer things are files. */
export const LETTER_BYTES_MAX = 4 * 1_048_576
/** What a device adds that tells another device of its letter. */
export const LETTER_WRAP_BYTES_MAX = 512

/** A letter on its way out. */
export interface OutLetter {
  /** Whom it is for at the other side: a plugin's name, at most 32 bytes. */
  readonly topic: string
  readonly content: Uint8Array
  /** The sender's own name for it, at most 64 bytes, unique among what waits; comes back in reports. */
  readonly name: string
}

/** A letter that goes out together with another. */
export interface LetterCopy {
  readonly peer: string
  readonly letter: OutLetter
}

/** A letter that came in, whole, for the first time, in its sender's order. */
export interface InLetter {
  readonly topic: string
  readonly content: Uint8Array
}

/**
 * Facts only. `queued`: on our disk. `stored`: all of it lies in a tower. `delivered`: the correspondent has it on disk, and
 * said so. `failed`: it will not be sent any more.
 */
export type LetterState =
  | { readonly kind: "queued" }
  | {
      readonly kind: "stored"
      /** Identity key of the tower that took the last of it, base64url. */
      readonly place: string
    }
  | { readonly kind: "delivered" }
  | { readonly kind: "failed"; readonly reason: string }

/** What a plugin makes of a letter. */
export interface Reception {
  /** Committed together with the receipt: all or nothing. */
  readonly changes: readonly Change[]
  /** Called when it is on disk. */
  readonly done?: () => void
  /** Called in its stead when it could not be written. */
  readonly failed?: () => void
}

/** Where envelopes for a correspondent may be put. */
export type Place =
  /** Their own mailbox, over a link to their identity. */
  | { readonly kind: "self" }
  | {
      readonly kind: "tower"
      /** Identity key of the tower, base64url, 43 characters. */
      readonly key: string
      /** Its `.b32.i2p` name. */
      readonly address: string
      /** 32 bytes. */
      readonly sendId: Uint8Array
      /** 32 bytes: opens what the owner leaves there when it moves. */
      readonly moveKey: Uint8Array
    }

/** What one must know of a correspondent to begin. Handed over a link, at a door, or inside a letter. */
export interface Introduction {
  /** Prekeys for this reader. */
  readonly bundle: Uint8Array
  /** In order of preference, at most 4. */
  readonly places: readonly Place[]
}

/** See the module. `peer` names a correspondent: a contact's key, a dot, and the number of the device. */
export interface Post extends AsyncDisposable {
  /**
   * Puts a letter into the outbox, in one commit with `also`; it is on disk when this resolves.
   * @param copies - For other correspondents, in the same commit; one whose outbox is full goes without.
   * @throws {AlliumError} `OUTBOX_FULL`, `STORE_FULL`, `LETTER_TOO_LONG`; like every call, `NO_POST` after closing.
   * @throws {RangeError} For an empty topic, or one of more than 32 bytes, or a name of more than 64.
   */
  send(
    peer: string,
    letter: OutLetter,
    also?: readonly Change[],
    copies?: readonly LetterCopy[],
  ): Promise<void>
  /**
   * Sends what is worth nothing later (a typing notice), if it fits one envelope and the correspondent is reachable directly
   * now; keeps nothing. Resolves in any case, after at most 15 s.
   */
  flash(peer: string, letter: Omit<OutLetter, "name">): Promise<void>
  /** Whether letters are not yet acknowledged. */
  hasWaiting(peer: string): boolean
  /** Gives up what waits; each is reported `failed`. */
  cancel(peer: string, reason: string): Promise<void>
  /** What this correspondent must know of us; makes and keeps prekeys for them. */
  introduce(peer: string): Promise<Introduction>
  /** Learns of a correspondent, or of their new places. @throws {AlliumError} `BAD_BUNDLE`, also when it is another's. */
  meet(peer: string, introduction: Introduction): Promise<void>
  /** What we know of them, for a backup; `undefined` when that is not enough to send. */
  theirs(peer: string): Promise<Introduction | undefined>
  /** Everybody of whom something is kept. */
  peers(): readonly string[]
  /** Whether we know enough of them to send. */
  knows(peer: string): boolean
  /**
   * Takes an envelope that was put for us by `peer`, or left at one of our queues for them. On disk when it resolves, and
   * only then may the mailbox say OK.
   * @returns `known`: it was taken before. `unreadable`: nothing of ours opens it; a new session is begun, unless that was
   * done too often lately. The mailbox may say OK in all three cases; after a rejection it must not.
   */
  take(peer: string, envelope: Uint8Array): Promise<"taken" | "known" | "unreadable">
  /**
   * They say that they know nothing of us: they are told of us again, and what waits is sealed for another session, unless that
   * was done too often lately.
   */
  beginAnew(peer: string): Promise<void>
  /** Our own places changed: every correspondent is told. */
  placesChanged(): Promise<void>
  /** The correspondent is reachable now, or something else that makes a try worth it. */
  wake(peer: string): void
  /** Forgets a correspondent altogether: sessions, outbox, what came. */
  forget(peer: string): Promise<void>
}

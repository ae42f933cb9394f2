/**
 * Contacts: whom an identity knows, and what may be exchanged with them.
 *
 * @module
 */
import type { Change } from "../store/store.ts"
import type { ContactRecord } from "./contact-list.ts"
import type { DeviceList } from "./device-list.ts"
import type { Rotation } from "./rotation.ts"

/**
 * `requested`: we asked, no answer yet. `asking`: they ask, we have not answered. `introduced`: a contact told us of them,
 * nobody asked yet. `accepted`: both agreed. `refused`: they said no. `blocked`: we want to hear nothing. Removed contacts are
 * gone altogether.
 */
export type ContactState =
  | "requested"
  | "asking"
  | "introduced"
  | "accepted"
  | "refused"
  | "blocked"

/** One contact of one identity. */
export interface Contact {
  /** Chosen by the user; unique within the identity. */
  readonly name: string
  /** Ed25519 public key we first knew them by, base64url, 43 characters: their id here for ever. */
  readonly key: string
  /** The key that counts now, when it is another one: {@linkcode presentKeyOf}. */
  readonly presentKey?: string | undefined
  /** A key they had before we met: others, and groups, may know them by it. */
  readonly firstKey?: string | undefined
  /** Where their identity is reached: `.b32.i2p` name of their destination. */
  readonly address: string
  readonly state: ContactState
  /** The user has compared the 60 digits. */
  readonly verified: boolean
  /** Their words when they asked; may be empty. Untrusted text. */
  readonly greeting: string
  /** Milliseconds since 1970. */
  readonly since: number
  /** Label of our card they asked with; absent for the plain one. */
  readonly card?: string | undefined
  /** Key of the contact who introduced them, base64url. */
  readonly introducer?: string | undefined
  /** Their key changed since the user compared it, in the way their card had announced; until it is compared again. */
  readonly wasVerified?: boolean | undefined
  /** Their devices, as they say; absent while they have one, at `address`. */
  readonly devices?: DeviceList | undefined
}

/** The key that proves who they are now: for links, envelopes, cards, digits. */
export function presentKeyOf({ key, presentKey }: Pick<Contact, "key" | "presentKey">): string {
  return presentKey ?? key
}

/** Someone who asks, or whom we ask. */
export interface ContactRequest {
  /** Any key we know of them, or their present one; base64url, 43 characters. */
  readonly key: string
  /** `.b32.i2p` name. */
  readonly address: string
  /** For our own request: must be free. For theirs: what their card says, made into a free name. */
  readonly name?: string
  readonly greeting?: string
  /** What their card commits to: SHA-256 of their next key, base64url. The first one seen counts for ever. */
  readonly nextKeyHash?: string
  /** Rotations that led to their key, believed: only their first key is taken from it, unless somebody has it already. */
  readonly rotations?: readonly Rotation[]
  /** Up to which version of our own key they know us; the present one when absent. */
  readonly told?: number
  /** Label of our card they ask with. */
  readonly card?: string
  /** The introduction they ask with, whose signature, end and people have been checked. */
  readonly introduction?: HeldIntroduction
}

/** An introduction that was believed. */
export interface HeldIntroduction {
  /** Key of who introduced, base64url. */
  readonly introducer: string
  /** `introduction.ts`; shown to who was introduced to us. */
  readonly bytes: Uint8Array
}

/**
 * Contacts of one identity, at most 10,000, in memory and in the store. What a call changes is on disk when it
 * resolves; `also` are changes to be made in the same batch. Calls run one after another.
 *
 * Contacts are named by name or key. Errors: `NO_CONTACT`; `CONTACT_STATE` when the state does not allow it;
 * `ALREADY_EXISTS` when a name is taken; `TOO_MANY_CONTACTS`; what `commit` says.
 */
export interface ContactBook {
  /** In order of meeting. */
  list(): readonly Contact[]
  /** @throws {AlliumError} `NO_CONTACT`. */
  find(nameOrKey: string): Contact
  /** By the key we first knew them by. */
  byKey(key: string): Contact | undefined
  /** By any key that is known to be or to have been theirs. */
  byAnyKey(key: string): Contact | undefined
  /** We ask: `requested`, or `accepted` when they asked before. */
  request(contact: ContactRequest, also?: readonly Change[]): Promise<Contact>
  /**
   * They ask, over a link that proved key and address: see `contact-states.ts`. At most 256 may be asking.
   * A blocked contact comes back unchanged.
   */
  receiveRequest(contact: ContactRequest, also?: readonly Change[]): Promise<Contact>
  /** A contact introduced them to us. At most 64 may be `introduced`. Whom we know already is marked, and nothing else. */
  receiveIntroduction(
    about: ContactRequest & { readonly introduction: HeldIntroduction },
    also?: readonly Change[],
  ): Promise<Contact>
  /** What to show somebody who was introduced to us. */
  introductionOf(nameOrKey: string): Uint8Array | undefined
  /** They said yes; `undefined` for a stranger, otherwise the contact as it now is. */
  receiveAccept(from: ContactRequest, also?: readonly Change[]): Promise<Contact | undefined>
  /** They said no; `undefined` for a stranger, otherwise the contact as it now is. */
  receiveRefusal(key: string, also?: readonly Change[]): Promise<Contact | undefined>
  /** Who asks becomes `accepted`; who was introduced is asked, and `requested`. */
  accept(nameOrKey: string, also?: readonly Change[]): Promise<Contact>
  /** The contact as it was; it is gone. */
  refuse(nameOrKey: string, also?: readonly Change[]): Promise<Contact>
  block(nameOrKey: string, also?: readonly Change[]): Promise<Contact>
  /** Back to what it was when it was blocked. */
  unblock(nameOrKey: string, also?: readonly Change[]): Promise<Contact>
  /** The contact as it was; it is gone. */
  remove(nameOrKey: string, also?: readonly Change[]): Promise<Contact>
  rename(nameOrKey: string, name: string): Promise<Contact>
  /** Their devices, from a list whose signature holds; an older one changes nothing. `undefined` for a stranger. */
  receiveDevices(key: string, list: DeviceList): Promise<Contact | undefined>
  /** Takes over what another device of ours has of a contact; a name that is taken gets a number. */
  mirror(record: ContactRecord): Promise<Contact>
  /** Another device of ours removed them; `undefined` when nobody was there. */
  unmirror(key: string): Promise<Contact | undefined>
  /** Everything, for a backup. */
  keep(): readonly ContactRecord[]
  /**
   * Brings contacts of a backup back. Whom the book has already stays accepted when they are, unless the backup has them
   * blocked; all else is as in the backup, and names that are taken get a number.
   * @returns Those that are new or were changed.
   */
  bring(kept: readonly ContactRecord[]): Promise<readonly Contact[]>
  /**
   * Their present key changes; all else stays, but `verified` becomes `wasVerified`. Rotations they made before we met, and
   * those we know, are skipped.
   * @param key - Any key we know of them.
   * @throws {AlliumError} `BAD_RECORD` when they do not lead on from the key we know; `CONTACT_STATE` for the blocked, and
   * when a new key is another contact's.
   */
  rotate(key: string, rotations: readonly Rotation[], also?: readonly Change[]): Promise<Contact>
  /** The only key that can take over from theirs: its SHA-256, base64url; `undefined` when no card of theirs was seen. */
  commitmentOf(nameOrKey: string): string | undefined
  /** Up to which version of our own key they know us. */
  told(nameOrKey: string): number
  /** They know of our key up to this version. */
  setTold(nameOrKey: string, version: number, also?: readonly Change[]): Promise<void>
  /** Sixty digits in 12 groups, the same on both sides. */
  safetyNumber(nameOrKey: string): Promise<string>
  /**
   * The user has compared the digits. With `digits`, they are compared here.
   * @throws {AlliumError} `BAD_INPUT` when they differ.
   */
  verify(nameOrKey: string, digits?: string): Promise<Contact>
}

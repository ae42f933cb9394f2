/**
 * What the parts of the contact desk share: who is meant, and how others hear that something became of them.
 *
 * @module
 */
import type { Contact } from "../identity/contacts.ts"
import type { Identity } from "../identity/identity.ts"

/** Somebody at the other end of a link. */
export interface Peer {
  /** Identity key, base64url. */
  readonly key: string
  /** `.b32.i2p` name. */
  readonly address: string
}

/** Tells the links and the event stream that a contact is not what it was. */
export type ContactChanged = (identity: Identity, contact: Contact) => void

/** Where what is kept of somebody stands. */
export function placeOf(identity: Identity, { key }: Pick<Peer, "key">): string {
  return `${identity.key}/${key}`
}

/** The members that are there. */
export function present<T extends Record<string, unknown>>(members: T): Present<T> {
  const there = Object.entries(members).filter(([, value]) => value !== undefined)
  return Object.fromEntries(there) as Present<T>
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

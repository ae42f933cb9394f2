/**
 * Who is a correspondent: the one place that knows how contacts and devices become names for the post.
 *
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import type { Contact, ContactBook } from "../identity/contacts.ts"
import type { Device } from "../identity/device-list.ts"
import type { Identity } from "../identity/identity.ts"

/** Number of the device a contact's identity begins with. */
export const FIRST_DEVICE = 0

/** Names of the devices a letter to a contact goes to. */
export function devicesOf(contact: Pick<Contact, "key" | "devices">): readonly string[] {
  return (contact.devices?.devices ?? [{ number: FIRST_DEVICE }]).map(({ number }) =>
    peerName(contact.key, number),
  )
}

/** What the rest of the router knows of our own devices. */
export interface OwnDevices {
  /** Devices of an identity but for the one that asks. */
  others(identity: Identity): readonly Device[]
  /** Whether this device was unlinked, and knows it. */
  isUnlinked(identity: Pick<Identity, "key">): boolean
}

/** Why nothing goes out or comes in; `undefined` while this device is one of the identity's. */
export function whyUnlinked(own: OwnDevices, identity: Identity): AlliumError | undefined {
  if (!own.isUnlinked(identity)) return undefined
  const message = "Cannot be online: this device was unlinked from its identity"
  return new AlliumError("DEVICE_UNLINKED", message)
}

/** @throws {AlliumError} `DEVICE_UNLINKED`. */
export function requireLinked(own: OwnDevices, identity: Identity): void {
  const reason = whyUnlinked(own, identity)
  if (reason !== undefined) throw reason
}

/** Name of a correspondent. */
export function peerName(key: string, device: number): string {
  return `${key}.${device}`
}

/** Number of the device in the name of a correspondent. */
export function deviceOf(peer: string): number {
  return Number(peer.slice(peer.indexOf(".") + 1))
}

/** Where each device of somebody is reached. The first one's address is what the contact's card says. */
export function addressesOf({ identity, contacts, own }: Knowing, key: string): readonly Device[] {
  if (key === identity.key) return own.others(identity)
  const contact = contacts.byKey(key)
  if (contact === undefined) return []
  const { address, devices } = contact
  const others = devices?.devices.filter(({ number }) => number !== FIRST_DEVICE) ?? []
  return [{ number: FIRST_DEVICE, address }, ...others]
}

/** Who knows somebody's devices. */
export interface Knowing {
  readonly identity: Identity
  readonly contacts: ContactBook
  readonly own: OwnDevices
}

/** Characters of an identity key. */
const KEY_LENGTH = 43

/** The identity key in the name of a correspondent, or of a link. */
export function keyOf(peer: string): string {
  return peer.slice(0, KEY_LENGTH)
}

/** Correspondents whose letters are taken, and who are told our places: those of accepted contacts. */
export function correspondents(contacts: ContactBook): readonly string[] {
  return contacts
    .list()
    .filter(({ state }) => state === "accepted")
    .flatMap(devicesOf)
}

/** The accepted contact behind a correspondent; `undefined` for everybody else. */
export function acceptedContact(contacts: ContactBook, peer: string): Contact | undefined {
  const contact = contacts.byKey(keyOf(peer))
  return contact?.state === "accepted" ? contact : undefined
}

/**
 * Letters to a contact who was asked wait until they accept.
 * @throws {AlliumError} `NO_CONTACT`, `CONTACT_STATE`.
 */
export function requireWritable(contacts: ContactBook, key: string): Contact {
  const contact = contacts.byKey(key)
  if (contact === undefined)
    throw new AlliumError("NO_CONTACT", "Cannot send letter: no such contact")
  if (contact.state === "accepted" || contact.state === "requested") return contact
  const message = `Cannot send letter: the contact is ${contact.state}, expected accepted or requested`
  throw new AlliumError("CONTACT_STATE", message)
}

/** Why letters that wait for somebody will never go; `undefined` when they may. */
export function hopeless(contact: Contact | undefined): "NO_CONTACT" | "CONTACT_STATE" | undefined {
  if (contact === undefined) return "NO_CONTACT"
  const { state } = contact
  return state === "refused" || state === "blocked" ? "CONTACT_STATE" : undefined
}

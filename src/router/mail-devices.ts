/**
 * Who is a correspondent: the one place that knows how contacts and devices become names for the post.
 *
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import type { Contact, ContactBook } from "../identity/contacts.ts"

/** Number of the device a contact's identity begins with. */
const FIRST_DEVICE = 0

/** Names of the devices a letter to a contact goes to. */
export function devicesOf({ key }: Pick<Contact, "key">): readonly string[] {
  return [`${key}.${FIRST_DEVICE}`]
}

/** The identity key in the name of a correspondent. */
export function keyOf(peer: string): string {
  return peer.slice(0, peer.indexOf("."))
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

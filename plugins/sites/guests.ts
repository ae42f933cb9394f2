/**
 * Guests of private sites: who is invited, how they hear of it, and how one is turned away again.
 *
 * @module
 */
import { AlliumError, type Contact, type PluginContext, toAlliumError } from "allium/plugin"
import { type Guest, newGuest } from "./lock.ts"
import type { CommonChoice, SiteReport } from "./offers.ts"
import type { SiteBook } from "./site-book.ts"

/** Name of the guest who is whoever has the link. */
const ANYBODY = "anybody"

/** Whether only guests shall come in; also when nobody can be invited yet. */
export function isForGuests(chosen: CommonChoice): boolean {
  return chosen.private || chosen.encrypted || chosen.contacts || chosen.for.length > 0
}

/**
 * Guests of a new site, each contact once.
 * @throws {AlliumError} `NO_CONTACT`, `NO_IDENTITY`, `CONTACT_STATE`.
 */
export function guestsOf(chosen: CommonChoice, context: PluginContext): Guest[] {
  const contacts = invited(chosen, context)
  if ((chosen.private || chosen.encrypted) && contacts.length === 0) return [newGuest(ANYBODY)]
  return contacts.map(({ name, key }) => newGuest(name, key))
}

function invited(chosen: CommonChoice, { contacts, identities }: PluginContext): Contact[] {
  if (chosen.for.length === 0 && !chosen.contacts) return []
  const identity = identities.find(chosen.identity)
  const named = chosen.for.map((name) => contacts.find(identity, name))
  for (const contact of named) requireAccepted(contact)
  const all = chosen.contacts ? contacts.list(identity) : []
  const accepted = all.filter(({ state }) => state === "accepted")
  return [...new Map([...named, ...accepted].map((one) => [one.name, one])).values()]
}

function requireAccepted({ state }: Contact): void {
  if (state !== "accepted")
    throw new AlliumError(
      "CONTACT_STATE",
      "Cannot invite: a contact is not accepted, expected that",
    )
}

/** A letter with their own link for each contact; says who could not be sent one. */
export async function tellGuests(
  site: SiteReport,
  identity: string | undefined,
  context: PluginContext,
  guests: readonly Guest[],
): Promise<Pick<SiteReport, "untold" | "warning">> {
  const names = new Set(guests.filter(({ name }) => name !== ANYBODY).map(({ name }) => name))
  const untold: { guest: string; code: string }[] = []
  for (const guest of names) {
    const code = await tell(site, { guest, identity }, context)
    if (code !== undefined) untold.push({ guest, code })
  }
  if (untold.length === 0) return {}
  const whom = untold.map(({ guest, code }) => `${guest} (${code})`).join(", ")
  return { untold, warning: `The link was not sent to ${whom}: say site invite to try again.` }
}

/** @returns Why it was not sent. */
async function tell(
  site: SiteReport,
  to: { readonly guest: string; readonly identity: string | undefined },
  { ask, signal, log }: PluginContext,
): Promise<string | undefined> {
  const link = linkOf(site, to.guest)
  // A site that failed to open has no address yet, and so no links.
  if (link === undefined) return "SESSION_LOST"
  const { guest: contact, identity } = to
  const input = { contact, text: link, ...(identity !== undefined && { identity }) }
  try {
    await ask("message send", input, { signal, progress: () => {} })
    return undefined
  } catch (error) {
    const { code } = toAlliumError(error)
    log.warn("site.untold", { code })
    return code
  }
}

function linkOf({ links = [] }: SiteReport, guest: string): string | undefined {
  return links.find((one) => one.guest === guest)?.link
}

/** What `site invite` and `site uninvite` are told. */
export interface GuestChoice {
  readonly name: string
  readonly guest: string
  readonly identity?: string | undefined
}

/** Invites one more, or sends a guest their link again. @throws {AlliumError} as {@linkcode SiteBook.invite}, `NO_CONTACT`. */
export async function inviteGuest(
  book: SiteBook,
  choice: GuestChoice & { readonly link: boolean },
  context: PluginContext,
) {
  const { name, identity } = choice
  const guest = choice.link ? newGuest(choice.guest) : contactGuest(choice, context)
  const site = await book.invite(name, guest)
  const link = linkOf(site, guest.name)
  if (link === undefined)
    throw new AlliumError("SESSION_LOST", "Cannot make link: the site has no address yet")
  const said = { name, guest: guest.name, link }
  if (choice.link) return { ...said, sent: false }
  const code = await tell(site, { guest: guest.name, identity }, context)
  if (code === undefined) return { ...said, sent: true }
  return {
    ...said,
    sent: false,
    code,
    note: `The message was not sent (${code}): try again later.`,
  }
}

function contactGuest({ guest, identity }: GuestChoice, context: PluginContext): Guest {
  const { identities, contacts } = context
  const contact = contacts.find(identities.find(identity), guest)
  requireAccepted(contact)
  return newGuest(contact.name, contact.key)
}

/** Withdraws a link, by the name of the guest, or of the contact who was renamed since. @throws {AlliumError} `NOT_FOUND`. */
export async function uninviteGuest(book: SiteBook, choice: GuestChoice, context: PluginContext) {
  const { name } = choice
  const { links = [] } = book.show(name)
  const isNamed = links.some(({ guest }) => guest === choice.guest)
  const key = isNamed ? undefined : keyOf(choice, context)
  let gone = choice.guest
  const site = await book.uninvite(name, (guest) => {
    const isThis = isNamed
      ? guest.name === choice.guest
      : key !== undefined && guest.contact === key
    if (isThis) gone = guest.name
    return isThis
  })
  return { name, guest: gone, guests: site.links?.length ?? 0 }
}

/** Key of a contact; nothing when there is none of that name. */
function keyOf({ guest, identity }: GuestChoice, context: PluginContext): string | undefined {
  try {
    return context.contacts.find(context.identities.find(identity), guest).key
  } catch {
    return undefined
  }
}

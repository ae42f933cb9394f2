/**
 * `allium contact …`: whom an identity knows.
 *
 * @module
 */
import { z } from "zod"
import type { Contact } from "../../identity/contacts.ts"
import type { Identity, IdentityBook } from "../../identity/identity.ts"
import type { ContactDesk } from "../contact-desk.ts"
import { GREETING_CHARACTERS_MAX } from "../contact-wire.ts"
import type { AskReport, DoorDesk } from "../door-desk.ts"
import { WORDS_CHARACTERS_MAX } from "../introduction-letters.ts"
import type { Links } from "../links.ts"
import { type Offer, offer } from "../offer.ts"
import type { OfferBook } from "../offers.ts"
import { answerCardOffers, cardOffers } from "./card-offers.ts"
import { contactField, doneShape, identityField } from "./fields.ts"
import { answerVerifyOffers, trustIn, trustShape, verifyOffers } from "./verify-offers.ts"

const contactShape = z.object({
  name: z.string(),
  state: z.enum(["requested", "asking", "introduced", "accepted", "refused", "blocked"]),
  verified: z.boolean(),
  trust: trustShape,
  introducedBy: z.string().optional(),
  reachable: z.boolean(),
  address: z.string(),
  key: z.string(),
  greeting: z.string(),
  since: z.number(),
  card: z.string().optional(),
  /** How a request at their tower stands, and why it is not there yet. */
  request: z.enum(["trying", "left", "gone"]).optional(),
  reason: z.string().optional(),
})
const one = z.object({ contact: contactField, identity: identityField })

const add = offer({
  verb: "contact add",
  summary: "Ask somebody to become your contact",
  input: z.object({
    uri: z.string().max(200).meta({ description: "Their card: allium:…" }),
    name: z.string().min(1).max(64).meta({ description: "What you call them" }),
    greeting: z
      .string()
      .max(GREETING_CHARACTERS_MAX)
      .default("")
      .meta({ description: "Words they see with your request" }),
    as: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .meta({ description: "What you call yourself to them; nothing by default" }),
    identity: identityField,
  }),
  output: contactShape,
  positional: ["uri", "name"],
  examples: ['contact add allium:… ann --as bob --greeting "We met at the fair"'],
  display: { line: "Asked {name}. You can write once they accept: allium contact list" },
})

const list = offer({
  verb: "contact list",
  summary: "List your contacts and who asks to become one",
  input: z.object({ identity: identityField }),
  output: z.array(contactShape),
  display: {
    columns: ["name", "state", "request", "trust", "introducedBy", "reachable", "greeting"],
    empty: "No contacts yet; show your card: allium contact card",
  },
})

const accept = offer({
  verb: "contact accept",
  summary: "Accept somebody who asks",
  input: one,
  output: contactShape,
  positional: ["contact"],
  examples: ["contact accept ann"],
  display: { line: "{name} is your contact now." },
})

const refuse = offer({
  verb: "contact refuse",
  summary: "Say no to somebody who asks",
  input: one,
  output: contactShape,
  positional: ["contact"],
  display: { line: "{name} is told no." },
})

const block = offer({
  verb: "contact block",
  summary: "Hear nothing from somebody any more; they are not told",
  input: one,
  output: contactShape,
  positional: ["contact"],
  display: { line: "{name} is blocked." },
})

const unblock = offer({
  verb: "contact unblock",
  summary: "Let somebody you blocked reach you again",
  input: one,
  output: contactShape,
  positional: ["contact"],
  display: { line: "{name} is {state} again." },
})

const remove = offer({
  verb: "contact remove",
  summary: "Forget a contact",
  input: one,
  output: doneShape,
  positional: ["contact"],
  display: { line: "{name} is removed." },
})

const rename = offer({
  verb: "contact rename",
  summary: "Call a contact something else",
  input: z.object({
    contact: contactField,
    name: z.string().min(1).max(64).meta({ description: "What you call them from now on" }),
    identity: identityField,
  }),
  output: contactShape,
  positional: ["contact", "name"],
  examples: ["contact rename contact bob"],
  display: { line: "They are called {name} now." },
})

const introduce = offer({
  verb: "contact introduce",
  summary: "Tell two contacts of each other; each sees what you call the other",
  input: z.object({
    contact: contactField,
    other: contactField,
    words: z
      .string()
      .max(WORDS_CHARACTERS_MAX)
      .default("")
      .meta({ description: "What you say about it; both see it" }),
    identity: identityField,
  }),
  output: z.object({ contact: z.string(), other: z.string() }),
  positional: ["contact", "other"],
  examples: ["contact introduce ann bob"],
  display: { line: "{contact} and {other} are told of each other. Each decides for themselves." },
})

/** Every offer of this file. */
export const contactOffers: readonly Offer[] = [
  ...cardOffers,
  add,
  list,
  accept,
  refuse,
  block,
  unblock,
  remove,
  rename,
  introduce,
  ...verifyOffers,
]

/** Gives the offers their runners. */
export function answerContactOffers(
  book: OfferBook,
  parts: {
    identities: IdentityBook
    desk: ContactDesk
    links: Links
    doors: (identity: Identity) => DoorDesk
    /** How a request of an identity stands at a door. */
    asking: (identity: Identity, key: string) => AskReport | undefined
    /** Told when a card was made or withdrawn. */
    onCards: (identity: Identity) => void
  },
): void {
  const { identities, desk, links } = parts
  const report = (identity: Identity, contact: Contact) => ({
    ...withoutDevices(contact),
    ...trustIn(identities.contacts(identity), contact),
    reachable: links.isReachable(identity, contact.key),
    ...requestIn(parts.asking(identity, contact.key)),
  })
  book.register(add, async ({ identity: own, uri, name, greeting, as: ownName }) => {
    const identity = identities.find(own)
    return report(identity, await desk.request(identity, uri, { name, greeting, ownName }))
  })
  book.register(list, async ({ identity: name }) => {
    const identity = identities.find(name)
    const contacts = identities.contacts(identity).list()
    return contacts.map((contact) => report(identity, contact))
  })
  for (const [deed, run] of [
    [accept, desk.accept.bind(desk)],
    [refuse, desk.refuse.bind(desk)],
    [block, desk.block.bind(desk)],
    [unblock, desk.unblock.bind(desk)],
  ] as const)
    book.register(deed, async ({ identity: name, contact }) => {
      const identity = identities.find(name)
      return report(identity, await run(identity, contact))
    })
  book.register(remove, async ({ identity: name, contact }) => {
    const removed = await desk.remove(identities.find(name), contact)
    return { name: removed.name }
  })
  book.register(rename, async ({ identity: own, contact, name }) => {
    const identity = identities.find(own)
    const renamed = await identities.contacts(identity).rename(contact, name)
    links.contactChanged(identity, renamed.key)
    return report(identity, renamed)
  })
  book.register(introduce, async ({ identity: own, contact, other, words }) => {
    const told = await desk.introduce(identities.find(own), [contact, other], words)
    return { contact: told[0].name, other: told[1].name }
  })
  answerCardOffers(book, parts)
  answerVerifyOffers(book, identities)
}

function requestIn(asking: AskReport | undefined) {
  return asking && { request: asking.state, ...(asking.reason && { reason: asking.reason }) }
}

/** How many devices they have is for the post. */
function withoutDevices({ devices: _, ...contact }: Contact): Contact {
  return contact
}

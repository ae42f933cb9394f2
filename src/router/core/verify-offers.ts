/**
 * `allium contact verify`: how sure one is that a key is who it seems to be.
 *
 * @module
 */
import { z } from "zod"
import { contactQr } from "../../identity/contact-uri.ts"
import { type Contact, type ContactBook, presentKeyOf } from "../../identity/contacts.ts"
import type { IdentityBook } from "../../identity/identity.ts"
import { requireSameKeys, verificationText } from "../../identity/verification.ts"
import { type Offer, offer } from "../offer.ts"
import type { OfferBook } from "../offers.ts"
import { contactField, identityField } from "./fields.ts"

/**
 * `introduced`: somebody we accepted vouches for the key. `verified`: the user has compared it. `was verified`: the user
 * compared the key they had before they rotated it.
 */
export const trustShape: z.ZodEnum<{
  unverified: "unverified"
  introduced: "introduced"
  "was verified": "was verified"
  verified: "verified"
}> = z.enum(["unverified", "introduced", "was verified", "verified"])

const verify = offer({
  verb: "contact verify",
  summary: "Compare 60 digits with a contact over another way, or read each other's code",
  input: z.object({
    contact: contactField,
    confirm: z.boolean().default(false).meta({ description: "The digits were the same" }),
    qr: z.boolean().default(false).meta({ description: "Draw a code for the contact to read" }),
    scan: z
      .string()
      .min(1)
      .max(300)
      .optional()
      .meta({ description: "What you read from the contact's screen: allium-verify:…" }),
    identity: identityField,
  }),
  output: z.object({
    name: z.string(),
    digits: z.string(),
    verified: z.boolean(),
    trust: trustShape,
    introducedBy: z.string().optional(),
    text: z.string(),
    qr: z.string().optional(),
  }),
  positional: ["contact"],
  examples: [
    "contact verify ann",
    "contact verify ann --confirm",
    "contact verify ann --qr",
    "contact verify ann --scan allium-verify:…",
  ],
  display: { line: "{digits}\n{qr|lines}\nTrust: {trust}" },
})

/** Every offer of this file. */
export const verifyOffers: readonly Offer[] = [verify]

/** How far a contact's key can be trusted, and by whose word. */
export function trustIn(
  contacts: ContactBook,
  contact: Contact,
): { trust: z.output<typeof trustShape>; introducedBy?: string } {
  const { verified, wasVerified, introducer } = contact
  const by = introducer === undefined ? undefined : contacts.byKey(introducer)
  const isVouchedFor = by?.state === "accepted"
  const other = wasVerified ? "was verified" : isVouchedFor ? "introduced" : "unverified"
  return { trust: verified ? "verified" : other, ...(isVouchedFor && { introducedBy: by.name }) }
}

/** Gives the offers their runners. */
export function answerVerifyOffers(book: OfferBook, identities: IdentityBook): void {
  book.register(verify, async ({ identity: own, contact: nameOrKey, confirm, qr, scan }) => {
    const identity = identities.find(own)
    const contacts = identities.contacts(identity)
    const found = contacts.find(nameOrKey)
    const { key } = found
    const keys = { own: identity.present.key, their: presentKeyOf(found) }
    if (scan !== undefined) requireSameKeys(scan, keys)
    const digits = await contacts.safetyNumber(key)
    const after = confirm || scan !== undefined ? await contacts.verify(key) : contacts.find(key)
    const text = verificationText(keys.own, keys.their)
    const { name, verified } = after
    const said = { name, digits, verified, ...trustIn(contacts, after), text }
    return qr ? { ...said, qr: contactQr(text) } : said
  })
}

/**
 * `allium contact card`: what one gives away to be added, and how it is withdrawn.
 *
 * @module
 */
import { z } from "zod"
import { contactQr, formatContactUri } from "../../identity/contact-uri.ts"
import { type Door, PLAIN_CARD } from "../../identity/doors.ts"
import type { Identity, IdentityBook } from "../../identity/identity.ts"
import { type Offer, offer } from "../offer.ts"
import type { OfferBook } from "../offers.ts"
import { identityField } from "./fields.ts"

const labelField = z.string().min(1).max(64).optional()
const cardShape = z.object({
  identity: z.string(),
  card: z.string(),
  uri: z.string(),
  state: z.enum(["good", "withdrawn"]),
  qr: z.string().optional(),
})

const card = offer({
  verb: "contact card",
  summary: "Show your own card, for others to add you; make others, and withdraw them",
  input: z.object({
    identity: identityField,
    label: labelField.meta({ description: "Which card; the plain one by default" }),
    new: labelField.meta({ description: "Make a card of its own, with this label for yourself" }),
    withdraw: labelField.meta({
      description: "Ignore from now on whoever asks with this card; contacts stay",
    }),
    qr: z.boolean().default(false).meta({ description: "Draw it as a QR code too" }),
  }),
  output: cardShape,
  examples: ["contact card", "contact card --qr", "contact card --new fair"],
  display: { line: "{uri}\n{qr|lines}" },
})

const cards = offer({
  verb: "contact cards",
  summary: "List your cards that are good",
  input: z.object({ identity: identityField }),
  output: z.array(cardShape.extend({ created: z.number().optional() })),
  display: { columns: ["card", "created|time", "uri"], empty: "Every card is withdrawn." },
})

/** Every offer of this file. */
export const cardOffers: readonly Offer[] = [card, cards]

/** Gives the offers their runners. */
export function answerCardOffers(
  book: OfferBook,
  identities: IdentityBook,
  onCards: (identity: Identity) => void,
): void {
  const shown = (identity: Identity, { label, id }: Door) => {
    const at = { key: identity.key, address: identity.destination.b32 }
    const uri = formatContactUri({ ...at, ...(id !== undefined && { door: id }) })
    return { identity: identity.name, card: label, uri }
  }
  book.register(card, async ({ identity: name, label = PLAIN_CARD, withdraw, qr, ...wish }) => {
    const identity = identities.find(name)
    const doors = identities.doors(identity)
    if (withdraw !== undefined) {
      const gone = await doors.withdraw(withdraw)
      onCards(identity)
      return { ...shown(identity, gone), state: "withdrawn" as const }
    }
    const made = wish.new === undefined ? doors.find(label) : await doors.make(wish.new)
    if (wish.new !== undefined) onCards(identity)
    const good = { ...shown(identity, made), state: "good" as const }
    return qr ? { ...good, qr: contactQr(good.uri) } : good
  })
  book.register(cards, async ({ identity: name }) => {
    const identity = identities.find(name)
    return identities
      .doors(identity)
      .list()
      .map((door) => ({
        ...shown(identity, door),
        state: "good" as const,
        ...(door.created !== undefined && { created: door.created }),
      }))
  })
}

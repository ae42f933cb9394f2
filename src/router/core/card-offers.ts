/**
 * `allium contact card`: what one gives away to be added, and how it is withdrawn.
 *
 * @module
 */
import { z } from "zod"
import { AlliumError } from "../../base/errors.ts"
import { contactQr, formatContactUri } from "../../identity/contact-uri.ts"
import { type Door, PLAIN_CARD } from "../../identity/doors.ts"
import type { Identity, IdentityBook } from "../../identity/identity.ts"
import { linkedDevice } from "../../identity/unlocked.ts"
import type { DoorDesk } from "../door-desk.ts"
import { type Offer, offer } from "../offer.ts"
import type { OfferBook } from "../offers.ts"
import type { OwnDoors } from "../own-doors.ts"
import { identityField } from "./fields.ts"

/** Until the first tunnels to a tower stand; then the command says so, and it goes on. */
const HOLD_MS = 120_000
const labelField = z.string().min(1).max(64).optional()
const cardShape = z.object({
  identity: z.string(),
  card: z.string(),
  uri: z.string(),
  /** `opening`: not at its tower yet. */
  state: z.enum(["good", "opening", "withdrawn"]),
  /** Address of the tower it is held at. */
  tower: z.string().optional(),
  /** Why it is not there yet. */
  reason: z.string().optional(),
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
    tower: z.boolean().default(false).meta({
      description: "Have it held at your tower: whoever has it can ask while you are away",
    }),
    qr: z.boolean().default(false).meta({ description: "Draw it as a QR code too" }),
  }),
  output: cardShape,
  examples: [
    "contact card",
    "contact card --qr",
    "contact card --new fair",
    "contact card --new fair --tower",
  ],
  display: { line: "{uri}\n{qr|lines}" },
})

const cards = offer({
  verb: "contact cards",
  summary: "List your cards that are good",
  input: z.object({ identity: identityField }),
  output: z.array(cardShape.extend({ created: z.number().optional() })),
  display: { columns: ["card", "state", "created|time", "uri"], empty: "Every card is withdrawn." },
})

/** Every offer of this file. */
export const cardOffers: readonly Offer[] = [card, cards]

/** Gives the offers their runners. */
export function answerCardOffers(
  book: OfferBook,
  parts: {
    readonly identities: IdentityBook
    readonly doors: (identity: Identity) => DoorDesk
    readonly onCards: (identity: Identity) => void
  },
): void {
  const { identities, onCards } = parts
  const shown = (identity: Identity, { label, id }: Door) => {
    const at = { key: identity.present.key, address: identity.address }
    const uri = formatContactUri({ ...at, ...(id !== undefined && { door: id }) })
    return { identity: identity.name, card: label, uri }
  }
  const held = async (identity: Identity, door: Door, { signal }: { signal: AbortSignal }) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(HOLD_MS)])
    const at = await parts
      .doors(identity)
      .own.hold(door, { signal: limit })
      .catch((error: unknown) => {
        if (!limit.aborted || signal.aborted) throw error
        throw new AlliumError("TIMED_OUT", "Cannot show card: it is not at its tower yet")
      })
    const { address } = at.tower
    const uri = formatContactUri(at)
    return { identity: identity.name, card: door.label, uri, tower: address }
  }
  book.register(card, async (input, call) => {
    const { identity: name, label = PLAIN_CARD, withdraw, qr, tower, ...wish } = input
    const identity = identities.find(name)
    const doors = identities.doors(identity)
    // The first device answers whoever asks, so it alone knows which cards are good.
    if (identity.device !== 0 && (tower || (withdraw ?? wish.new) !== undefined))
      throw linkedDevice("change cards")
    if (withdraw !== undefined) {
      const gone = await doors.withdraw(withdraw)
      onCards(identity)
      return { ...shown(identity, gone), state: "withdrawn" as const }
    }
    const made = wish.new === undefined ? doors.find(label) : await doors.make(wish.new)
    if (wish.new !== undefined) onCards(identity)
    const isHeld = tower || parts.doors(identity).own.isAlways
    const line = isHeld ? await held(identity, made, call) : shown(identity, made)
    const good = { ...line, state: "good" as const }
    return qr ? { ...good, qr: contactQr(good.uri) } : good
  })
  book.register(cards, async ({ identity: name }) => {
    const identity = identities.find(name)
    const own = parts.doors(identity).own
    const created = (door: Door) => (door.created === undefined ? {} : { created: door.created })
    return identities
      .doors(identity)
      .list()
      .flatMap((door) => [
        ...(own.isAlways
          ? []
          : [{ ...shown(identity, door), state: "good" as const, ...created(door) }]),
        ...(own.isHeld(door) ? [{ ...heldNow(identity, own, door), ...created(door) }] : []),
      ])
  })
}

/** A card at a tower, as it stands. */
function heldNow(identity: Identity, own: OwnDoors, door: Door) {
  const line = { identity: identity.name, card: door.label }
  const at = own.placeOf(door)
  if (at !== undefined)
    return { ...line, uri: formatContactUri(at), tower: at.tower.address, state: "good" as const }
  const { fault } = own
  return { ...line, uri: "", state: "opening" as const, ...(fault && { reason: fault }) }
}

/**
 * `allium identity …`: who the user is, and how to come back after a loss.
 *
 * @module
 */
import { z } from "zod"
import type { Identity, IdentityBook } from "../../identity/identity.ts"
import { type OwnDevices, whyUnlinked } from "../mail-devices.ts"
import { type Offer, offer } from "../offer.ts"
import type { OfferBook } from "../offers.ts"
import { backupOffers } from "./backup-offers.ts"
import { deviceOffers } from "./device-offers.ts"

const nameField = z.string().min(1).max(64).meta({ description: "Seen by nobody but you" })
const identityShape = z.object({
  name: z.string(),
  address: z.string(),
  key: z.string(),
  contacts: z.number(),
  /** Why it is not online, and will not be. */
  reason: z.string().optional(),
})

const create = offer({
  verb: "identity create",
  summary: "Create an identity with an I2P destination of its own",
  input: z.object({ name: nameField }),
  output: identityShape,
  positional: ["name"],
  examples: ["identity create work"],
  display: { line: "Identity {name} is {address}. Keep its words safe: allium identity phrase" },
})

const list = offer({
  verb: "identity list",
  summary: "List your identities",
  input: z.object({}),
  output: z.array(identityShape),
  display: {
    columns: ["name", "address", "contacts"],
    empty: "No identity yet; create one: allium identity create NAME",
  },
})

const show = offer({
  verb: "identity show",
  summary: "Show one identity",
  input: z.object({ name: nameField.optional() }),
  output: identityShape,
  positional: ["name"],
})

const phrase = offer({
  verb: "identity phrase",
  summary: "Show the 24 words that restore every identity; keep them off this machine",
  input: z.object({}),
  output: z.object({ words: z.string() }),
  display: { line: "{words}" },
})

const rotate = offer({
  verb: "identity rotate",
  summary: "Replace the key of an identity, when somebody else may have it; contacts follow",
  input: z.object({
    name: z.string().min(1).max(64).meta({ description: "Which identity" }),
  }),
  output: identityShape,
  positional: ["name"],
  examples: ["identity rotate work"],
  display: {
    line: "The key of {name} is {key} now; words, address and contacts stay. Contacts are told, and compare digits again.\nCards you gave away before lead nowhere: show the new one with allium contact card",
  },
})

/** Every offer of this file. */
export const identityOffers: readonly Offer[] = [
  create,
  list,
  show,
  phrase,
  rotate,
  ...backupOffers,
  ...deviceOffers,
]

/**
 * Gives the offers their runners.
 *
 * @param onNew - Told of each identity that was created or restored, to open its session.
 * @param rotateKey - Makes the next key of an identity the present one, and has contacts told.
 */
export function answerIdentityOffers(
  book: OfferBook,
  { identities, own }: { identities: IdentityBook; own: OwnDevices },
  onNew: (identity: Identity) => Promise<void>,
  rotateKey: (identity: Identity) => Promise<void>,
): void {
  const report = (identity: Identity) => {
    const { name, destination, present } = identity
    const reason = whyUnlinked(own, identity)
    const contacts = identities.contacts(identities.find(name)).list().length
    return {
      ...{ name, address: destination.b32, key: present.key, contacts },
      ...(reason && { reason: `${reason.message} (${reason.code})` }),
    }
  }
  book.register(create, async ({ name }) => {
    const identity = await identities.create(name)
    await onNew(identity)
    return report(identity)
  })
  book.register(list, async () => identities.list().map(report))
  book.register(show, async ({ name }) => report(identities.find(name)))
  book.register(rotate, async ({ name }) => {
    const identity = identities.find(name)
    await rotateKey(identity)
    return report(identity)
  })
  book.register(phrase, async () => ({ words: identities.phrase() }))
}

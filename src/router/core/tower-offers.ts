/**
 * `allium tower use|move|leave|list` and `allium identity reach`: where letters wait while an identity is away.
 *
 * @module
 */
import { z } from "zod"
import type { Identity, IdentityBook } from "../../identity/identity.ts"
import { type Offer, offer } from "../offer.ts"
import type { OfferBook } from "../offers.ts"
import type { TowerDesk, TowerReport } from "../tower-desk.ts"
import { identityField } from "./fields.ts"

/** Whether an identity publishes a destination, or only asks its tower. */
export const REACHES = ["reachable", "pull-only"] as const
/** See {@linkcode REACHES}. */
export type Reach = (typeof REACHES)[number]

const uriField = z.string().min(1).max(1_024).meta({
  description: "Invitation of its owner: allium-tower:…",
})
const nameField = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "expected up to 32 of a-z, 0-9 and dashes")

const towerShape = z.object({
  identity: z.string(),
  name: z.string(),
  address: z.string(),
  use: z.enum(["used", "leaving"]),
  state: z.enum(["opening", "up", "away"]),
  queues: z.number(),
  missing: z.number(),
  tokens: z.number(),
  reason: z.string().optional(),
})

const use = offer({
  verb: "tower use",
  summary: "Have letters for an identity kept by a tower while it is away",
  input: z.object({
    uri: uriField,
    name: nameField.optional().meta({ description: "What to call it" }),
    identity: identityField,
  }),
  output: towerShape,
  positional: ["uri"],
  display: { line: "{identity} uses {name} ({state}). Contacts are told by themselves." },
})

const move = offer({
  verb: "tower move",
  summary: "Go over to another tower; contacts follow, and the old one is emptied",
  input: z.object({
    uri: uriField,
    tower: nameField.optional().meta({ description: "Which one to leave, when there are several" }),
    name: nameField.optional().meta({ description: "What to call the new one" }),
    identity: identityField,
  }),
  output: towerShape,
  positional: ["uri"],
  display: { line: "{identity} moves to {name} ({state}); see: allium tower list" },
})

const leave = offer({
  verb: "tower leave",
  summary: "Stop using a tower; it is emptied first",
  input: z.object({
    tower: nameField.meta({ description: "Its name, see: allium tower list" }),
    identity: identityField,
  }),
  output: towerShape,
  positional: ["tower"],
  examples: ["tower leave home"],
  display: { line: "{identity} leaves {name}; it is asked until it is empty." },
})

const list = offer({
  verb: "tower list",
  summary: "List the towers your identities use",
  input: z.object({ identity: identityField }),
  output: z.array(towerShape),
  display: {
    columns: ["identity", "name", "use", "state", "queues", "missing", "tokens", "reason"],
    empty: "No tower yet. Ask a friend who runs one for an invitation, then: allium tower use",
  },
})

const reachShape = z.object({ name: z.string(), reach: z.enum(REACHES), told: z.string() })

const reach = offer({
  verb: "identity reach",
  summary: "Choose whether an identity is reachable directly, or only asks its tower",
  input: z.object({
    name: z.string().min(1).max(64).meta({ description: "Name of the identity" }),
    reach: z.enum(REACHES).meta({ description: "reachable or pull-only" }),
  }),
  output: reachShape,
  positional: ["name", "reach"],
  examples: ["identity reach work pull-only"],
  display: { line: "{told}" },
})

/** Every offer of this file. */
export const towerOffers: readonly Offer[] = [use, move, leave, list, reach]

/** Gives the offers their runners. */
export function answerTowerOffers(
  book: OfferBook,
  parts: {
    readonly identities: IdentityBook
    readonly towersOf: (identity: Identity) => TowerDesk
    /** Not for a moment after an identity was made or restored. */
    readonly isOpen: (identity: Identity) => boolean
    readonly setReach: (identity: Identity, reach: Reach) => Promise<void>
  },
): void {
  const { identities, towersOf, isOpen, setReach } = parts
  const line = (identity: Identity, report: TowerReport) => {
    const { queueCount, missingCount, tokenCount, ...rest } = report
    const counts = { queues: queueCount, missing: missingCount, tokens: tokenCount }
    return { identity: identity.name, ...rest, ...counts }
  }
  book.register(use, async ({ uri, name, identity }) => {
    const found = identities.find(identity)
    return line(found, await towersOf(found).use(uri, name))
  })
  book.register(move, async ({ uri, tower, name, identity }) => {
    const found = identities.find(identity)
    const how = { ...(tower !== undefined && { from: tower }), ...(name !== undefined && { name }) }
    return line(found, await towersOf(found).move(uri, how))
  })
  book.register(leave, async ({ tower, identity }) => {
    const found = identities.find(identity)
    return line(found, await towersOf(found).leave(tower))
  })
  book.register(list, async ({ identity }) => {
    const all = identities.list().filter(isOpen)
    const asked = identity === undefined ? all : [identities.find(identity)]
    return asked.flatMap((one) =>
      towersOf(one)
        .list()
        .map((report) => line(one, report)),
    )
  })
  book.register(reach, async ({ name, reach: wanted }) => {
    await setReach(identities.find(name), wanted)
    return { name, reach: wanted, told: TRADE_OFF[wanted] }
  })
}

/** What each choice gives and takes. */
const TRADE_OFF: Readonly<Record<Reach, string>> = {
  reachable:
    "Its destination is published while this router runs: letters and files come directly and at once, and whoever watches the network can see when it is on.",
  "pull-only":
    "It publishes nothing and only asks its tower: nobody can see when it is on. Letters go and come by towers, so contacts need one too. Who has its card asks at the tower; files need it to be reachable.",
}

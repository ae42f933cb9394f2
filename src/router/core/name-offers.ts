/**
 * `allium name …`: what the user calls destinations.
 *
 * @module
 */
import { z } from "zod"
import type { Petnames } from "../names.ts"
import { type Offer, offer } from "../offer.ts"
import type { OfferBook } from "../offers.ts"
import type { Resolver } from "../resolver.ts"
import { doneShape } from "./fields.ts"

const recordShape = z.object({
  name: z.string(),
  address: z.string(),
  source: z.enum(["petname", "contact", "router", "address"]),
})
const nameField = z.string().min(1).max(1_000)

const add = offer({
  verb: "name add",
  summary: "Give a destination a name of your own",
  input: z.object({
    name: nameField.meta({ description: "For example forum.i2p" }),
    address: z.string().max(1_000).meta({ description: "A .b32.i2p name or a whole destination" }),
  }),
  output: recordShape,
  positional: ["name", "address"],
  examples: ["name add forum.i2p <52 characters>.b32.i2p"],
  display: { line: "{name} now leads to {address}." },
})

const list = offer({
  verb: "name list",
  summary: "List the names you gave",
  input: z.object({}),
  output: z.array(recordShape),
  display: { columns: ["name", "address"], empty: "You have not named anything yet." },
})

const lookup = offer({
  verb: "name lookup",
  summary: "Show where a name leads, and who says so",
  input: z.object({ name: nameField }),
  output: recordShape,
  positional: ["name"],
  examples: ["name lookup forum.i2p"],
  display: { line: "{name} leads to {address} (says: {source})." },
})

const remove = offer({
  verb: "name remove",
  summary: "Forget a name you gave",
  input: z.object({ name: nameField }),
  output: doneShape,
  positional: ["name"],
  display: { line: "{name} is forgotten." },
})

/** Every offer of this file. */
export const nameOffers: readonly Offer[] = [add, list, lookup, remove]

/** Gives the offers their runners. */
export function answerNameOffers(book: OfferBook, petnames: Petnames, resolver: Resolver): void {
  book.register(add, ({ name, address }) => petnames.add(name, address))
  book.register(list, async () => {
    const records = []
    for await (const record of petnames.list()) records.push(record)
    return records.sort((left, right) => left.name.localeCompare(right.name))
  })
  book.register(lookup, ({ name }, { signal }) => resolver.lookup(name, { signal }))
  book.register(remove, async ({ name }) => {
    await petnames.remove(name)
    return { name }
  })
}

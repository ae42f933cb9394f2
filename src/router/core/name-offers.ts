/**
 * `allium name …`: what the user calls destinations.
 *
 * @module
 */
import { z } from "zod"
import type { NameDesk } from "../names/name-desk.ts"
import { NAME_SOURCES, type OwnNames } from "../names.ts"
import { type Offer, offer } from "../offer.ts"
import type { OfferBook } from "../offers.ts"
import type { Resolver } from "../resolver.ts"
import { doneShape } from "./fields.ts"

const recordShape = z.object({
  name: z.string(),
  address: z.string(),
  source: z.enum(NAME_SOURCES),
  /** URL of the feed that says so. */
  feed: z.string().optional(),
  /** The destination itself has signed that the name is its own. */
  signed: z.literal(true).optional(),
  warning: z.enum(["mixed scripts", "looks like another name", "www"]).optional(),
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
  summary: "List the names you gave or confirmed",
  input: z.object({}),
  output: z.array(recordShape),
  display: { columns: ["name", "source", "address"], empty: "You have not named anything yet." },
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
  summary: "Forget a name you gave or confirmed",
  input: z.object({ name: nameField }),
  output: doneShape,
  positional: ["name"],
  display: { line: "{name} is forgotten." },
})

const of = offer({
  verb: "name of",
  summary: "List the names an address has",
  input: z.object({
    address: z.string().max(1_000).meta({ description: "A .b32.i2p name or a whole destination" }),
  }),
  output: z.array(recordShape),
  positional: ["address"],
  display: { columns: ["name", "source", "feed"], empty: "Nobody has a name for it." },
})

const importNames = offer({
  verb: "name import",
  summary: "Take over names from hosts.txt, or from i2pd or Java I2P",
  input: z.object({
    file: z.string().min(1).meta({
      kind: "path",
      description: "hosts.txt, addresses.csv, or the folder of a router that holds them",
    }),
    dryRun: z.boolean().default(false).meta({ description: "Only say what would happen" }),
  }),
  output: z.object({
    dryRun: z.boolean(),
    added: z.number(),
    same: z.number(),
    conflicts: z.number(),
    bad: z.number(),
    conflictNames: z.array(z.string()),
    badLines: z.array(z.object({ file: z.string(), line: z.number(), reason: z.string() })),
  }),
  positional: ["file"],
  examples: ["name import hosts.txt --dry-run", "name import ~/.i2pd/addressbook"],
  display: {
    line: "{added} new, {same} known, {conflicts} in conflict, {bad} bad lines (dry run: {dryRun}).",
  },
})

const exportNames = offer({
  verb: "name export",
  summary: "Write names to a file: pinned ones, and those of feeds",
  input: z.object({
    file: z.string().min(1).meta({
      kind: "path",
      description: "A new file; hosts.txt, or addresses.csv when it ends in .csv",
    }),
    petnames: z.boolean().default(false).meta({ description: "The names you gave, too" }),
  }),
  output: z.object({ written: z.number(), left: z.number() }),
  positional: ["file"],
  examples: ["name export hosts.txt"],
  display: { line: "{written} written; {left} left out, only their hash is known." },
})

const conflicts = offer({
  verb: "name conflicts",
  summary: "List names about which somebody disagrees",
  input: z.object({}),
  output: z.array(
    z.object({
      name: z.string(),
      address: z.string(),
      /** URL of a feed, `import`, or what kind of name it is. */
      from: z.string(),
      /** Milliseconds since 1970. */
      at: z.number(),
      /** `kept`, or why it is not believed. */
      reason: z.string(),
    }),
  ),
  display: {
    columns: ["name", "address", "from", "at|time", "reason"],
    empty: "Nobody disagrees.",
  },
})

const choose = offer({
  verb: "name choose",
  summary: "Decide where a name leads",
  input: z.object({
    name: nameField,
    address: z.string().max(1_000).meta({ description: "One of those in conflict, or another" }),
  }),
  output: recordShape,
  positional: ["name", "address"],
  examples: ["name choose forum.i2p <52 characters>.b32.i2p"],
  display: { line: "{name} now leads to {address}." },
})

/** Every offer of this file. */
export const nameOffers: readonly Offer[] = [
  ...[add, list, lookup, remove],
  ...[of, importNames, exportNames, conflicts, choose],
]

/** Gives the offers their runners. */
export function answerNameOffers(
  book: OfferBook,
  { petnames, desk, resolver }: { petnames: OwnNames; desk: NameDesk; resolver: Resolver },
): void {
  book.register(add, ({ name, address }) => petnames.add(name, address))
  book.register(list, () => desk.own())
  book.register(lookup, ({ name }, { signal }) => resolver.lookup(name, { signal }))
  book.register(remove, async ({ name }) => {
    await desk.remove(name)
    return { name }
  })
  book.register(of, ({ address }) => desk.namesOf(address))
  book.register(importNames, ({ file, dryRun }) => desk.import(file, { dryRun }))
  book.register(exportNames, ({ file, petnames }) => desk.export(file, { petnames }))
  book.register(conflicts, async () =>
    (await desk.conflicts()).flatMap(({ name, kept, claims }) => [
      ...[{ ...kept, name, reason: "kept" }],
      ...claims.map((claim) => ({ ...claim, name })),
    ]),
  )
  book.register(choose, ({ name, address }) => desk.choose(name, address))
}

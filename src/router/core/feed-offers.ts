/**
 * `allium name feed …` and `allium name publish`: names that sites tell, and names told of one's own sites.
 *
 * @module
 */
import { z } from "zod"
import type { FeedKeeper } from "../names/feed-keeper.ts"
import type { Publish } from "../names/publisher.ts"
import { RECORD_ACTIONS } from "../names/signed-record.ts"
import { type Offer, offer } from "../offer.ts"
import type { OfferBook } from "../offers.ts"

const reportShape = z.object({
  url: z.string(),
  /** How many names came from it first. */
  names: z.number(),
  /** Milliseconds since 1970. */
  nextAt: z.number(),
  lastAt: z.number().optional(),
  /** Why the last visit failed. */
  error: z.string().optional(),
  /** What the last visit with news came to, line by line. */
  added: z.number().optional(),
  same: z.number().optional(),
  changed: z.number().optional(),
  removed: z.number().optional(),
  conflicts: z.number().optional(),
  rejected: z.number().optional(),
})

const urlField = z
  .string()
  .min(1)
  .max(2_048)
  .meta({ description: "http://, a name or address in .i2p, and a path" })

const columns = ["url", "names", "lastAt|time", "nextAt|time", "conflicts", "rejected", "error"]

const add = offer({
  verb: "name feed add",
  summary: "Subscribe to the names a site tells",
  input: z.object({ url: urlField }),
  output: reportShape,
  positional: ["url"],
  examples: ["name feed add http://reg.i2p/hosts.txt"],
  display: { line: "{url} is read soon, then every 8 to 16 hours." },
})

const list = offer({
  verb: "name feed list",
  summary: "List your feeds and how they stand",
  input: z.object({}),
  output: z.array(reportShape),
  display: { columns, empty: "No feeds yet; see: allium name feed add --help" },
})

const remove = offer({
  verb: "name feed remove",
  summary: "Forget a feed, with the names it told first",
  input: z.object({ url: urlField }),
  output: reportShape,
  positional: ["url"],
  display: { line: "{url} is forgotten, with {names} names." },
})

const update = offer({
  verb: "name feed update",
  summary: "Read one feed, or all, now",
  input: z.object({ url: urlField.optional() }),
  output: z.array(reportShape),
  positional: ["url"],
  display: { columns, empty: "No feeds yet; see: allium name feed add --help" },
})

const publish = offer({
  verb: "name publish",
  summary: "Sign that a name belongs to a site of yours, for registration sites",
  input: z.object({
    name: z.string().min(1).max(300).meta({ description: "For example forum.i2p" }),
    for: z.string().min(1).max(1_000).meta({
      description: "The site or tunnel, by name or address; it must be open",
    }),
    action: z.enum(RECORD_ACTIONS).default("add").meta({ description: "What to say of it" }),
    oldName: z.string().max(300).optional().meta({
      description: "addname, changename: the name it has; addsubdomain: the name above",
    }),
    old: z.string().max(1_000).optional().meta({
      description:
        "changedest, adddest: the site it leads to now; addsubdomain: that of the name above",
    }),
  }),
  output: z.object({ record: z.string() }),
  positional: ["name"],
  examples: [
    "name publish forum.i2p --for forum",
    "name publish forum.i2p --for new-forum --action changedest --old forum",
  ],
  display: { line: "{record}" },
})

/** Every offer of this file. */
export const feedOffers: readonly Offer[] = [add, list, remove, update, publish]

/** Gives the offers their runners. */
export function answerFeedOffers(book: OfferBook, feeds: FeedKeeper, run: Publish): void {
  book.register(add, ({ url }) => feeds.add(url))
  book.register(list, () => feeds.list())
  book.register(remove, ({ url }) => feeds.remove(url))
  book.register(update, ({ url }, { signal }) => feeds.update(url, { signal }))
  book.register(publish, async ({ name, action, oldName, old, for: owner }, call) => ({
    record: await run({ name, action, owner, oldName, old }, call),
  }))
}

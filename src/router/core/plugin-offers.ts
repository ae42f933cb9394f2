/**
 * `allium plugin …`: plugins that did not come with Allium.
 *
 * @module
 */
import { z } from "zod"
import { type Offer, offer } from "../offer.ts"
import type { OfferBook } from "../offers.ts"
import type { PluginHost } from "../plugin-host.ts"
import type { PluginShelf } from "../plugin-shelf.ts"
import { doneShape } from "./fields.ts"

const pluginShape = z.object({
  name: z.string(),
  state: z.enum(["running", "failed"]),
  reason: z.string().optional(),
})

const add = offer({
  verb: "plugin add",
  summary: "Add a plugin you trust: it runs with all rights of the router",
  input: z.object({
    path: z
      .string()
      .min(1)
      .max(4_096)
      .meta({ kind: "path", description: "Its folder, or its main file" }),
  }),
  output: pluginShape,
  positional: ["path"],
  examples: ["plugin add ./hello-plugin"],
  display: { line: "Plugin {name} is {state}. Its commands are in: allium --help" },
})

const list = offer({
  verb: "plugin list",
  summary: "List the plugins, those that came with Allium too",
  input: z.object({}),
  output: z.array(pluginShape),
  display: { columns: ["name", "state", "reason"] },
})

const remove = offer({
  verb: "plugin remove",
  summary: "Stop a plugin you added and forget it; what it stored stays",
  input: z.object({ name: z.string().max(64) }),
  output: doneShape,
  positional: ["name"],
  display: { line: "Plugin {name} is gone." },
})

/** Every offer of this file. */
export const pluginOffers: readonly Offer[] = [add, list, remove]

/** Gives the offers their runners. */
export function answerPluginOffers(book: OfferBook, host: PluginHost, shelf: PluginShelf): void {
  book.register(add, ({ path }) => shelf.add(path))
  book.register(list, async () => host.list().map((report) => ({ ...report })))
  book.register(remove, async ({ name }) => {
    await shelf.remove(name)
    return { name }
  })
}

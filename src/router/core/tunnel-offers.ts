/**
 * `allium tunnel …`: each kind of tunnel becomes a command of its own.
 *
 * @module
 */
import { z } from "zod"
import { type Offer, offer } from "../offer.ts"
import type { OfferBook } from "../offers.ts"
import type { TunnelKind } from "../tunnel.ts"
import { type TunnelHost, tunnelNameShape } from "../tunnel-host.ts"
import { doneShape } from "./fields.ts"

const reportShape = z.object({
  name: z.string(),
  kind: z.string(),
  state: z.enum(["open", "failed"]),
  reason: z.string().optional(),
  listens: z.string().optional(),
  address: z.string().optional(),
  options: z.record(z.string(), z.unknown()),
  counters: z.record(z.string(), z.number()),
})

const list = offer({
  verb: "tunnel list",
  summary: "List your tunnels",
  input: z.object({}),
  output: z.array(reportShape),
  display: {
    columns: ["name", "kind", "state", "listens", "address", "reason"],
    empty: "No tunnels yet; see: allium tunnel add --help",
  },
})

const show = offer({
  verb: "tunnel show",
  summary: "Show one tunnel and its numbers",
  input: z.object({ name: tunnelNameShape }),
  output: reportShape,
  positional: ["name"],
  examples: ["tunnel show http-proxy"],
})

const remove = offer({
  verb: "tunnel remove",
  summary: "End a tunnel and forget it, with its address",
  input: z.object({ name: tunnelNameShape }),
  output: doneShape,
  positional: ["name"],
  display: { line: "Tunnel {name} is gone." },
})

/** `tunnel add <kind>`, for each kind. */
export function tunnelAddOffers(kinds: readonly TunnelKind[]): Offer[] {
  return kinds.map((kind) =>
    offer({
      verb: `tunnel add ${kind.kind}`,
      summary: kind.summary,
      input: kind.options.extend({
        name: tunnelNameShape
          .optional()
          .meta({ description: "What to call it; the kind by default" }),
      }),
      output: reportShape,
      positional: kind.positional,
      examples: kind.examples,
    }),
  )
}

/** Every offer of this file, for these kinds. */
export function tunnelOffers(kinds: readonly TunnelKind[]): readonly Offer[] {
  return [...tunnelAddOffers(kinds), list, show, remove]
}

/** Gives the offers their runners. */
export function answerTunnelOffers(
  book: OfferBook,
  kinds: readonly TunnelKind[],
  host: TunnelHost,
): void {
  for (const added of tunnelAddOffers(kinds)) {
    const kind = added.verb.slice("tunnel add ".length)
    book.register(added, async ({ name, ...options }) =>
      mutable(await host.add(kind, name as string | undefined, options)),
    )
  }
  book.register(list, async () => host.list().map(mutable))
  book.register(show, async ({ name }) => mutable(host.find(name)))
  book.register(remove, async ({ name }) => {
    await host.remove(name)
    return { name }
  })
}

function mutable(report: ReturnType<TunnelHost["find"]>): z.input<typeof reportShape> {
  return { ...report, options: { ...report.options }, counters: { ...report.counters } }
}

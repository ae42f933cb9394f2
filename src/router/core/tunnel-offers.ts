/**
 * `allium tunnel …`: each kind of tunnel becomes a command of its own.
 *
 * @module
 */
import { z } from "zod"
import { type Offer, offer } from "../offer.ts"
import type { OfferBook } from "../offers.ts"
import type { TunnelKind } from "../tunnel.ts"
import { editFields } from "../tunnel-edit.ts"
import { type TunnelHost, tunnelNameShape } from "../tunnel-host.ts"
import { doneShape } from "./fields.ts"

const reportShape = z.object({
  name: z.string(),
  kind: z.string(),
  state: z.enum(["open", "stopped", "failed"]),
  reason: z.string().optional(),
  listens: z.string().optional(),
  address: z.string().optional(),
  options: z.record(z.string(), z.unknown()),
  sessions: z.number(),
  counters: z.record(z.string(), z.number()),
  firstByte: z.object({
    count: z.number(),
    sumMs: z.number(),
    medianMs: z.number().optional(),
    slowMs: z.number().optional(),
    upToMs: z.record(z.string(), z.number()),
  }),
})

const STANDS = "Tunnel {name} is {state}.\nListens at {listens}\nAddress {address}"

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

const named = z.object({ name: tunnelNameShape })

const stop = offer({
  verb: "tunnel stop",
  summary: "End a tunnel for now; it keeps its options and its address",
  input: named,
  output: reportShape,
  positional: ["name"],
  display: { line: "Tunnel {name} is stopped, also after a restart of the router." },
})

const start = offer({
  verb: "tunnel start",
  summary: "Open a tunnel that was stopped or failed",
  input: named,
  output: reportShape,
  positional: ["name"],
  display: { line: STANDS },
})

const restart = offer({
  verb: "tunnel restart",
  summary: "End a tunnel and open it anew; the others do not notice",
  input: named,
  output: reportShape,
  positional: ["name"],
  display: { line: STANDS },
})

const importing = offer({
  verb: "tunnel import",
  summary: "Take tunnels of i2pd or Java I2P over, with their addresses",
  input: z.object({
    file: z.string().min(1).max(4_096).meta({
      kind: "path",
      description: "tunnels.conf, i2ptunnel.config, or a folder of such (tunnels.d)",
    }),
    apply: z
      .boolean()
      .default(false)
      .meta({ description: "Add the tunnels; otherwise only what would be done is shown" }),
    keysFolder: z
      .string()
      .max(4_096)
      .optional()
      .meta({ kind: "path", description: "Where the key files lie; beside FILE by default" }),
  }),
  output: z.array(
    z.object({
      file: z.string(),
      line: z.number(),
      tunnel: z.string(),
      key: z.string(),
      fate: z.enum(["mapped", "ignored", "refused", "added"]),
      says: z.string(),
    }),
  ),
  positional: ["file"],
  examples: [
    "tunnel import /etc/i2pd/tunnels.conf --keys-folder /var/lib/i2pd",
    "tunnel import ~/.i2p/i2ptunnel.config --apply",
  ],
  display: { columns: ["line", "tunnel", "key", "fate", "says"] },
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

/** `tunnel edit`, with the options of all kinds; the tunnel's own kind decides which are right. */
function tunnelEditOffer(kinds: readonly TunnelKind[]) {
  const unset = z.array(z.string().max(64)).max(64).default([])
  return offer({
    verb: "tunnel edit",
    summary: "Change options of one tunnel and open it anew; the others do not notice",
    input: z.object({
      name: tunnelNameShape,
      ...editFields(kinds),
      unset: unset.meta({ description: "Options that get their default back, by name" }),
    }),
    output: reportShape,
    positional: ["name"],
    examples: [
      "tunnel edit http-proxy --listen 8118 --close-minutes 5",
      "tunnel edit web --unset post-rate",
    ],
    display: { line: STANDS },
  })
}

/** Every offer of this file, for these kinds. */
export function tunnelOffers(kinds: readonly TunnelKind[]): readonly Offer[] {
  return [
    ...tunnelAddOffers(kinds),
    tunnelEditOffer(kinds) as unknown as Offer,
    ...[list, show, importing, stop, start, restart, remove],
  ]
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
  book.register(tunnelEditOffer(kinds), async ({ name, unset, ...set }) =>
    mutable(await host.edit(name, { set, unset })),
  )
  book.register(importing, async ({ file, ...call }) => [...(await host.import(file, call))])
  book.register(stop, async ({ name }) => mutable(await host.stop(name)))
  book.register(start, async ({ name }) => mutable(await host.start(name)))
  book.register(restart, async ({ name }) => mutable(await host.restart(name)))
  book.register(remove, async ({ name }) => {
    await host.remove(name)
    return { name }
  })
}

function mutable(report: ReturnType<TunnelHost["find"]>): z.input<typeof reportShape> {
  return {
    ...report,
    options: { ...report.options },
    counters: { ...report.counters },
    firstByte: { ...report.firstByte, upToMs: { ...report.firstByte.upToMs } },
  }
}

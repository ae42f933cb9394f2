/**
 * How the router stands, as `allium status` tells it.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import type { IdentityBook } from "../identity/identity.ts"
import type { Status } from "./core/status-offers.ts"
import type { Home } from "./home.ts"
import type { Links } from "./links.ts"
import { type OwnDevices, whyUnlinked } from "./mail-devices.ts"
import type { Network } from "./network.ts"
import type { PluginHost } from "./plugin-host.ts"
import type { PostOffice } from "./post-office.ts"
import type { SessionBudget } from "./session-budget.ts"
import type { SessionReport, Sessions } from "./sessions.ts"
import type { TunnelHost } from "./tunnel-host.ts"

/** The parts of a router that status and doctor look at. */
export interface RouterView {
  readonly version: string
  readonly home: Home
  readonly network: Network
  readonly sessions: Sessions
  readonly budget: SessionBudget
  readonly identities: IdentityBook
  readonly own: OwnDevices
  readonly links: Links
  readonly post: PostOffice
  readonly plugins: PluginHost
  readonly tunnels: TunnelHost
}

/** Takes a picture of now. */
export function makeStatus(view: RouterView, clock: Clock, startedMs: number): Status {
  const { network, tunnels } = view
  return {
    version: view.version,
    network: {
      kind: network.kind,
      anonymous: network.anonymous,
      bridge: network.bridgeName,
      answers: network.answers,
      ...(network.i2pdRestarts !== undefined && { i2pdRestarts: network.i2pdRestarts }),
    },
    uptimeMs: Math.round(clock.monotonicMs() - startedMs),
    home: view.home.folder,
    sessions: [...view.sessions.list().map(sessionLine), ...unlinkedLines(view)],
    budget: budgetLine(view),
    towers: towerLines(view),
    contacts: countContacts(view),
    tunnels: {
      open: tunnels.list().filter(({ state }) => state === "open").length,
      failed: tunnels.list().filter(({ state }) => state === "failed").length,
    },
    plugins: view.plugins.list().map((plugin) => ({ ...plugin })),
    memoryBytes: process.memoryUsage.rss(),
  }
}

function sessionLine(report: SessionReport): Status["sessions"][number] {
  const { owner, address, state, forMs } = report
  return {
    owner: `${owner.kind} ${owner.name}`,
    address,
    state: state.name,
    forMs: Math.round(forMs),
    ...(state.name === "down" && { reason: `${state.reason.message} (${state.reason.code})` }),
  }
}

/** Identities this machine has no session for any more. */
function unlinkedLines({ identities, own }: RouterView): Status["sessions"] {
  return identities.list().flatMap((identity) => {
    const reason = whyUnlinked(own, identity)
    if (reason === undefined) return []
    const { name, destination } = identity
    const line = { owner: `identity ${name}`, address: destination.b32, state: "closed" } as const
    return [{ ...line, forMs: 0, reason: `${reason.message} (${reason.code})` }]
  })
}

function budgetLine({ budget }: RouterView): Status["budget"] {
  const { used, max, holders } = budget.report()
  return { used, max, holders: holders.map((holder) => ({ ...holder })) }
}

function towerLines({ identities, post }: RouterView): Status["towers"] {
  const open = identities.list().filter((identity) => post.isOpen(identity))
  return open.flatMap((identity) =>
    post
      .towers(identity)
      .list()
      .map(({ name, use, state, reason }) => ({
        identity: identity.name,
        ...{ name, use, state },
        ...(reason !== undefined && { reason }),
      })),
  )
}

function countContacts({ identities, links }: RouterView): Status["contacts"] {
  const counts = { accepted: 0, asking: 0, reachable: 0 }
  for (const identity of identities.list()) {
    for (const { key, state } of identities.contacts(identity).list()) {
      if (state === "asking") counts.asking++
      if (state !== "accepted") continue
      counts.accepted++
      if (links.isReachable(identity, key)) counts.reachable++
    }
  }
  return counts
}

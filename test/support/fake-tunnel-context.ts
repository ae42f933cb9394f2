/**
 * What a tunnel kind is given, on a network in memory.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Clock, systemClock } from "../../src/base/clock.ts"
import { AlliumError } from "../../src/base/errors.ts"
import { silentLog } from "../../src/base/log.ts"
import { Scope } from "../../src/base/scope.ts"
import { openSessionBudget } from "../../src/router/session-budget.ts"
import type { DatagramWish, TunnelContext } from "../../src/router/tunnel.ts"
import { openTunnelSessions } from "../../src/router/tunnel-sessions.ts"
import type { Destination } from "../../src/sam/destination.ts"
import type { Session } from "../../src/sam/session.ts"
import type { FakeNetwork } from "./fake-session.ts"

/** A context whose session, folder and signal end with it. */
export interface FakeTunnelContext extends TunnelContext, AsyncDisposable {
  /** Names the tunnel can resolve, besides addresses. */
  readonly names: Map<string, string>
  /** Of {@linkcode FakeTunnelContext.names}, those whose owners made them public. */
  readonly publicNames: Set<string>
  /** Every host that was to be dialled, in order. */
  readonly dialled: string[]
  /** Every session that was opened, in order. */
  readonly opened: readonly Session[]
}

/** Opens one; its folder is real. */
export async function openFakeTunnelContext(
  network: FakeNetwork,
  { sessionsMax = 64, clock = systemClock }: { sessionsMax?: number; clock?: Clock } = {},
): Promise<FakeTunnelContext> {
  const scope = new Scope()
  const folder = await mkdtemp(join(tmpdir(), "allium-tunnel-"))
  scope.defer(() => rm(folder, { recursive: true }))
  const names = new Map<string, string>()
  const publicNames = new Set<string>()
  const dialled: string[] = []
  const opened: Session[] = []
  const budget = openSessionBudget(sessionsMax)
  const sessions = fakeSessions(network, opened)
  const own = openTunnelSessions({ kind: "tunnel", name: "fake" }, { sessions, budget })
  const { session, datagrams, closeSession } = scope.use(own)
  const lookup: TunnelContext["lookup"] = async (host) => {
    const isPublic = publicNames.has(host)
    if (host.endsWith(".b32.i2p") || host.length > 500)
      return { address: host, source: "address", isPublic }
    const address = names.get(host)
    if (address !== undefined) return { address, source: "petname", isPublic }
    throw new AlliumError("NAME_NOT_FOUND", "Cannot find name: nobody here knows it")
  }
  const resolve: TunnelContext["resolve"] = async (host, call) => (await lookup(host, call)).address
  return {
    signal: scope.signal,
    log: silentLog,
    clock,
    folder,
    names,
    publicNames,
    dialled,
    opened,
    session,
    datagrams,
    closeSession,
    resolve,
    lookup,
    async pin(name, address) {
      if (names.has(name)) throw new AlliumError("ALREADY_EXISTS", "Cannot add name: it is taken")
      names.set(name, address)
    },
    async dial(by, host, call) {
      dialled.push(host)
      return by.connect(await resolve(host, call), call)
    },
    [Symbol.asyncDispose]: () => scope.close(),
  }
}

/** Keys are numbers here; each stands for one destination. */
function fakeSessions(network: FakeNetwork, opened: Session[]) {
  const destinations = new Map<string, Destination>()
  let count = 0
  const open = (_owner: unknown, keys: Uint8Array | "renewed", scope: Scope): Session => {
    const name = keys === "renewed" ? keys : keys.join()
    const session = scope.use(network.open(destinations.get(name)))
    if (keys !== "renewed") destinations.set(name, session.destination)
    opened.push(session)
    return session
  }
  const freshKeys = () => Uint8Array.from([1, ++count])
  return {
    open,
    freshKeys,
    openOwn: async (_owner: unknown, keys: "persistent" | "transient", scope: Scope) =>
      open(_owner, keys === "persistent" ? Uint8Array.of(0) : freshKeys(), scope),
    openDatagrams: async (_owner: unknown, { style }: { style: string }, scope: Scope) => {
      const session = network.openDatagrams?.(style as DatagramWish["style"])
      if (session !== undefined) return scope.use(session)
      throw new AlliumError("SESSION_NOT_SUPPORTED", "Cannot open session: no datagrams here")
    },
  }
}

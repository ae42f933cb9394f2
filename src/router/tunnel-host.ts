/**
 * Tunnels: kinds are code, instances are the user's. Each instance has a session of its own.
 *
 * @module
 */
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import type { StoreRoom, Table } from "../store/store.ts"
import { dial } from "./dial.ts"
import { makePrivateFolder } from "./home.ts"
import type { Sessions } from "./sessions.ts"
import type { OpenTunnel, TunnelContext, TunnelKind } from "./tunnel.ts"
import { openSessionBudget, openTunnelSessions, type SessionBudget } from "./tunnel-sessions.ts"

/** More tunnels than this are refused: each keeps several I2P tunnels of the router busy. */
const TUNNELS_MAX = 32
/** Sessions of all tunnels together: one each, and some for tunnels that keep visits apart. */
const TUNNEL_SESSIONS_MAX = 64

/** Names of tunnels: they become folder names too. */
export const tunnelNameShape = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "expected up to 32 of a-z, 0-9 and dashes")

const recordShape = z.object({ kind: z.string(), options: z.record(z.string(), z.unknown()) })
type TunnelRecord = z.output<typeof recordShape>

/** What the user sees of a tunnel. */
export interface TunnelReport {
  readonly name: string
  readonly kind: string
  readonly state: "open" | "failed"
  readonly reason?: string
  readonly listens?: string
  readonly address?: string
  readonly options: Readonly<Record<string, unknown>>
  readonly counters: Readonly<Record<string, number>>
}

/** The tunnels of a router. */
export interface TunnelHost extends AsyncDisposable {
  /** @throws {AlliumError} `ALREADY_EXISTS`, `LIMIT_REACHED`, or what opening it failed with. */
  add(
    kind: string,
    name: string | undefined,
    options: Record<string, unknown>,
  ): Promise<TunnelReport>
  /** Ends a tunnel and forgets it and its keys. @throws {AlliumError} `NO_TUNNEL`. */
  remove(name: string): Promise<void>
  list(): readonly TunnelReport[]
  /** @throws {AlliumError} `NO_TUNNEL`. */
  find(name: string): TunnelReport
}

/** What tunnels stand on. */
export interface TunnelHostOptions {
  readonly kinds: readonly TunnelKind[]
  readonly store: StoreRoom
  readonly folder: string
  readonly sessions: Sessions
  readonly lookup: TunnelContext["lookup"]
  readonly pin: TunnelContext["pin"]
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

/** The host's options and what its tunnels share. */
interface Host extends TunnelHostOptions {
  readonly budget: SessionBudget
}

interface Instance {
  readonly record: TunnelRecord
  readonly scope: Scope
  readonly opened: OpenTunnel | AlliumError
}

/** Opens every tunnel of the store again; one that fails is reported and the rest run. */
export async function openTunnelHost(given: TunnelHostOptions): Promise<TunnelHost> {
  const options: Host = { ...given, budget: openSessionBudget(TUNNEL_SESSIONS_MAX) }
  const table: Table<TunnelRecord> = options.store.table("tunnels", recordShape)
  const instances = new Map<string, Instance>()

  const openInstance = async (name: string, record: TunnelRecord): Promise<Instance> => {
    const scope = new Scope()
    try {
      return { record, scope, opened: scope.use(await openTunnel(name, record, options, scope)) }
    } catch (thrown) {
      await scope.close().catch(() => {})
      return { record, scope, opened: toAlliumError(thrown) }
    }
  }

  for await (const [name, record] of table.entries()) {
    const instance = await openInstance(name, record)
    if (instance.opened instanceof AlliumError)
      options.log.error("tunnel.failed", { kind: record.kind, code: instance.opened.code })
    instances.set(name, instance)
  }

  const require = (name: string): Instance => {
    const instance = instances.get(name)
    if (instance === undefined)
      throw new AlliumError("NO_TUNNEL", "Cannot find tunnel: none has that name")
    return instance
  }

  return {
    async add(kind, wanted, given) {
      if (instances.size >= TUNNELS_MAX)
        throw new AlliumError(
          "LIMIT_REACHED",
          `Cannot add tunnel: there are ${TUNNELS_MAX} already`,
        )
      const name = wanted ?? freeName(kind, instances)
      if (instances.has(name))
        throw new AlliumError("ALREADY_EXISTS", "Cannot add tunnel: one has that name")
      const record = { kind, options: given }
      const instance = await openInstance(name, record)
      if (instance.opened instanceof AlliumError) throw instance.opened
      instances.set(name, instance)
      await options.store.commit([table.put(name, record)])
      return report(name, instance)
    },
    async remove(name) {
      const instance = require(name)
      instances.delete(name)
      await options.store.commit([table.remove(name)])
      await instance.scope.close()
      await options.sessions.forget({ kind: "tunnel", name })
      await rm(join(options.folder, name), { recursive: true, force: true })
    },
    list: () => [...instances].map(([name, instance]) => report(name, instance)),
    find: (name) => report(name, require(name)),
    async [Symbol.asyncDispose]() {
      await Promise.all([...instances.values()].map(({ scope }) => scope.close()))
    },
  }
}

async function openTunnel(
  name: string,
  record: TunnelRecord,
  host: Host,
  scope: Scope,
): Promise<OpenTunnel> {
  const kind = host.kinds.find((known) => known.kind === record.kind)
  if (kind === undefined)
    throw new AlliumError("NO_TUNNEL", `Cannot open tunnel: kind "${record.kind}" is not known`)
  const options = kind.options.safeParse(record.options)
  if (!options.success)
    throw new AlliumError("BAD_INPUT", `Cannot open tunnel: ${z.prettifyError(options.error)}`)
  return kind.open(await makeContext(name, host, scope), options.data)
}

async function makeContext(name: string, host: Host, scope: Scope): Promise<TunnelContext> {
  const folder = join(host.folder, name)
  await rm(folder, { recursive: true, force: true })
  await makePrivateFolder(folder)
  const { session, closeSession } = scope.use(openTunnelSessions({ kind: "tunnel", name }, host))
  return {
    signal: scope.signal,
    log: host.log.child("tunnel"),
    clock: host.clock,
    folder,
    session,
    closeSession,
    lookup: host.lookup,
    pin: host.pin,
    resolve: async (target, call) => (await host.lookup(target, call)).address,
    async dial(own, target, call) {
      return dial(own, (await host.lookup(target, call)).address, call, host)
    },
  }
}

function freeName(kind: string, taken: ReadonlyMap<string, unknown>): string {
  for (let number = 1; ; number++) {
    const name = number === 1 ? kind : `${kind}-${number}`
    if (!taken.has(name)) return name
  }
}

function report(name: string, { record, opened }: Instance): TunnelReport {
  const base = { name, kind: record.kind, options: record.options }
  if (opened instanceof AlliumError)
    return { ...base, state: "failed", reason: `${opened.message} (${opened.code})`, counters: {} }
  const { listens, address } = opened
  return {
    ...base,
    state: "open",
    ...(listens !== undefined && { listens }),
    ...(address !== undefined && { address }),
    counters: opened.counters(),
  }
}

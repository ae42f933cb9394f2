/**
 * One tunnel that stands, failed or was stopped, and how it is opened from its record.
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
import { dial } from "./dial.ts"
import { makePrivateFolder } from "./home.ts"
import type { SessionBudget } from "./session-budget.ts"
import type { Sessions } from "./sessions.ts"
import type { OpenTunnel, TunnelContext, TunnelKind } from "./tunnel.ts"
import { openTunnelSessions, type TunnelSessions } from "./tunnel-sessions.ts"

/** What the store keeps of a tunnel; options passed the shape of their kind. */
export const tunnelRecordShape = z.object({
  kind: z.string(),
  options: z.record(z.string(), z.unknown()),
  stopped: z.boolean().optional(),
})

/** As {@linkcode tunnelRecordShape} reads it. */
export type TunnelRecord = z.output<typeof tunnelRecordShape>

/** What an instance stands on. */
export interface InstanceTools {
  readonly kinds: readonly TunnelKind[]
  /** Each tunnel has a folder of its own in here. */
  readonly folder: string
  readonly sessions: Sessions
  readonly budget: SessionBudget
  readonly lookup: TunnelContext["lookup"]
  readonly pin: TunnelContext["pin"]
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

/** A tunnel as the router knows it; closing its scope ends it. */
export interface Instance {
  readonly record: TunnelRecord
  readonly scope: Scope
  /** None before it is open. */
  readonly sessions?: TunnelSessions
  /** What was opened, why it could not be, or that nobody wants it open. */
  readonly opened: OpenTunnel | AlliumError | "stopped"
}

/** Opens a tunnel unless it is to be stopped; never throws. */
export async function openInstance(
  name: string,
  record: TunnelRecord,
  tools: InstanceTools,
): Promise<Instance> {
  const scope = new Scope()
  if (record.stopped === true) return { record, scope, opened: "stopped" }
  try {
    const sessions = scope.use(openTunnelSessions({ kind: "tunnel", name }, tools))
    const context = await makeContext(name, { ...tools, own: sessions }, scope)
    return { record, scope, sessions, opened: scope.use(await openTunnel(record, context, tools)) }
  } catch (thrown) {
    await scope.close().catch(() => {})
    return { record, scope, opened: toAlliumError(thrown) }
  }
}

/**
 * The kind of that name.
 *
 * @throws {AlliumError} `NO_TUNNEL`.
 */
export function requireKind(kinds: readonly TunnelKind[], name: string): TunnelKind {
  const kind = kinds.find((known) => known.kind === name)
  if (kind === undefined)
    throw new AlliumError("NO_TUNNEL", `Cannot open tunnel: kind "${name}" is not known`)
  return kind
}

/**
 * Options as their kind wants them, with every default filled in.
 *
 * @throws {AlliumError} `BAD_INPUT`.
 */
export function readOptions(
  kind: TunnelKind,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const options = kind.options.safeParse(given)
  if (!options.success)
    throw new AlliumError("BAD_INPUT", `Cannot open tunnel: ${z.prettifyError(options.error)}`)
  return options.data
}

async function openTunnel(
  record: TunnelRecord,
  context: TunnelContext,
  { kinds }: InstanceTools,
): Promise<OpenTunnel> {
  const kind = requireKind(kinds, record.kind)
  return kind.open(context, readOptions(kind, record.options))
}

async function makeContext(
  name: string,
  tools: InstanceTools & { readonly own: TunnelSessions },
  scope: Scope,
): Promise<TunnelContext> {
  const folder = join(tools.folder, name)
  await rm(folder, { recursive: true, force: true })
  await makePrivateFolder(folder)
  const { session, datagrams, closeSession } = tools.own
  return {
    signal: scope.signal,
    log: tools.log.child("tunnel"),
    clock: tools.clock,
    folder,
    session,
    datagrams,
    closeSession,
    lookup: tools.lookup,
    pin: tools.pin,
    resolve: async (target, call) => (await tools.lookup(target, call)).address,
    async dial(own, target, call) {
      return dial(own, (await tools.lookup(target, call)).address, call, tools)
    },
  }
}

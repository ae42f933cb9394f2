/**
 * A port of this machine whose connections lead to the first of some destinations that answers.
 *
 * @module
 */
import { createServer, type Socket } from "node:net"
import type { Duplex } from "node:stream"
import { Meter } from "../../base/meter.ts"
import { Scope } from "../../base/scope.ts"
import { SpoolPlace } from "../../base/spool.ts"
import { spoolRelay } from "../../base/spool-relay.ts"
import { OwnSession, type OwnSessionRules } from "../own-session.ts"
import type { OpenTunnel, TunnelContext } from "../tunnel.ts"
import { type DialSettings, dialInTurn } from "./dial-in-turn.ts"
import { type LocalPortRules, openLocalPort } from "./local-port.ts"
import { warmUp } from "./warm-up.ts"

/** What {@linkcode openClientTunnel} needs; units are in the names. */
export interface ClientTunnelSettings extends LocalPortRules, OwnSessionRules, DialSettings {
  /** The session opens with the first connection instead of at once. */
  readonly isLazy: boolean
  readonly lingerMs: number
  readonly spoolBytesMax: number
}

/** What a kind does with the bytes on their way. */
export interface ClientTunnelKind {
  /** Counts of its own, besides those of {@linkcode Meter}. */
  readonly counts?: readonly string[]
  /** What is joined to the stream in a connection's place; it owns the connection. */
  readonly wrap?: (local: Socket, meter: Meter) => Duplex
}

/**
 * Listens.
 *
 * @throws {AlliumError} `PORT_TAKEN`, `LISTEN_FAILED`.
 */
export async function openClientTunnel(
  context: TunnelContext,
  settings: ClientTunnelSettings,
  { counts = [], wrap = (local) => local }: ClientTunnelKind = {},
): Promise<OpenTunnel> {
  await using scope = new Scope()
  const meter = new Meter(counts, context.clock)
  const own = scope.use(new OwnSession(context, settings))
  const place = new SpoolPlace(context.folder, settings.spoolBytesMax)
  const dial = dialInTurn(context, settings)
  const { signal } = scope
  const { lingerMs } = settings
  const lead = (local: Socket) => {
    const onBytes = meter.watch("in")
    return own.use(async (session) => {
      const stream = await dial(await session(), signal)
      await spoolRelay(stream, wrap(local, meter), { place, lingerMs, signal, onBytes })
    })
  }
  const take = (local: Socket) => {
    local.setKeepAlive(true)
    lead(local).catch((error) => {
      local.destroy()
      if (!signal.aborted) context.log.info("connection.failed", { code: meter.fail(error) })
    })
  }

  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
  const listens = await openLocalPort(server, settings, { meter, take })
  const owned = scope.move()
  owned.defer(() => server.close())
  if (!settings.isLazy)
    warmUp(
      own.use.bind(own, (session) => session()),
      { context, meter },
    )
  return {
    listens,
    counters: () => meter.read(),
    [Symbol.asyncDispose]: () => owned.close(),
  }
}

/**
 * The listener of an `irc-client` and what becomes of each connection.
 *
 * @module
 */
import { createServer, type Socket } from "node:net"
import {
  filterLines,
  type HostPort,
  listen,
  Meter,
  type OpenTunnel,
  OwnSession,
  type OwnSessionRules,
  type SamStream,
  Scope,
  type Session,
  SpoolPlace,
  spoolRelay,
  type TunnelContext,
} from "allium/tunnel"
import { filterIncoming } from "./incoming.ts"
import { filterOutgoing, type IrcMemory } from "./outgoing.ts"

/** What {@linkcode openIrcClient} needs; units are in the names. */
export interface IrcClientSettings extends HostPort, OwnSessionRules {
  /** The first that answers. */
  readonly targets: readonly string[]
  readonly toPort: number
  /** The session opens with the first connection instead of at once. */
  readonly isLazy: boolean
  readonly tellsNames: boolean
  /** For each target. */
  readonly waitMs: number
  readonly lingerMs: number
  readonly connectionsMax: number
  readonly spoolBytesMax: number
}

/** Listens. @throws {AlliumError} `PORT_TAKEN`, `LISTEN_FAILED`. */
export async function openIrcClient(
  context: TunnelContext,
  settings: IrcClientSettings,
): Promise<OpenTunnel> {
  await using scope = new Scope()
  const meter = new Meter(["dropped"], context.clock)
  const own = scope.use(new OwnSession(context, settings))
  const place = new SpoolPlace(context.folder, settings.spoolBytesMax)
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
  server.maxConnections = settings.connectionsMax
  server.on("drop", () => meter.add("refused"))

  const serve = async (local: Socket, signal: AbortSignal) => {
    const firstByte = meter.awaitFirstByte()
    const onBytes = (bytesIn: number, bytesOut: number) => {
      if (bytesIn > 0) firstByte()
      meter.moved(bytesIn, bytesOut)
    }
    try {
      local.setKeepAlive(true)
      const { lingerMs } = settings
      await own.use(async (session) => {
        const stream = await dialFirst(context, { ...settings, session: await session() }, signal)
        const filtered = filterLines(local, filtersOf(settings, meter))
        await spoolRelay(stream, filtered, { place, lingerMs, signal, onBytes })
      })
    } catch (error) {
      local.destroy()
      if (!signal.aborted) context.log.info("connection.failed", { code: meter.fail(error) })
    }
  }

  const listens = await listen(server, settings)
  const owned = scope.move()
  owned.defer(() => server.close())
  server.on("connection", (local) => {
    local.once("close", meter.enter())
    local.on("error", () => {}) // told by the relay; before that, its close says enough
    void serve(local, owned.signal)
  })
  server.on("error", () => meter.add("refused"))
  const warmUp = own.use.bind(own, (session) => session())
  if (!settings.isLazy)
    void warmUp().catch((error) => {
      context.log.warn("session.failed", { code: meter.fail(error) })
    })
  return {
    listens,
    counters: () => meter.read(),
    [Symbol.asyncDispose]: () => owned.close(),
  }
}

function filtersOf({ tellsNames }: IrcClientSettings, meter: Meter) {
  const memory: IrcMemory = { tellsNames }
  return {
    read: (line: string) => filterOutgoing(line, memory),
    write: (line: string) => filterIncoming(line, memory),
    onDropped: (count: number) => meter.add("dropped", count),
  }
}

async function dialFirst(
  context: TunnelContext,
  { targets, toPort, waitMs, session }: IrcClientSettings & { readonly session: Session },
  signal: AbortSignal,
): Promise<SamStream> {
  const [last, ...others] = [...targets].reverse()
  for (const target of others.reverse()) {
    const stream = await context
      .dial(session, target, { signal, waitMs, toPort })
      .catch(() => undefined)
    signal.throwIfAborted()
    if (stream !== undefined) return stream
  }
  return context.dial(session, last!, { signal, waitMs, toPort })
}

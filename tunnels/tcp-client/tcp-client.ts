/**
 * The listener of a `tcp-client` and what becomes of each connection.
 *
 * @module
 */
import { createServer, type Socket } from "node:net"
import {
  type HostPort,
  listen,
  Meter,
  type OpenTunnel,
  OwnSession,
  type OwnSessionRules,
  Scope,
  SpoolPlace,
  spoolRelay,
  type TunnelContext,
} from "allium/tunnel"
import { dialInTurn } from "./dial-in-turn.ts"

/** What {@linkcode openTcpClient} needs; units are in the names. */
export interface TcpClientSettings extends HostPort, OwnSessionRules {
  readonly targets: readonly string[]
  readonly toPort: number
  /** The session opens with the first connection instead of at once. */
  readonly isLazy: boolean
  readonly waitMs: number
  readonly lingerMs: number
  readonly connectionsMax: number
  readonly spoolBytesMax: number
}

/**
 * Listens; every connection is led to the first target that answers.
 *
 * @throws {AlliumError} `PORT_TAKEN`, `LISTEN_FAILED`.
 */
export async function openTcpClient(
  context: TunnelContext,
  settings: TcpClientSettings,
): Promise<OpenTunnel> {
  await using scope = new Scope()
  const counters = new Meter([], context.clock)
  const own = scope.use(new OwnSession(context, settings))
  const place = new SpoolPlace(context.folder, settings.spoolBytesMax)
  const dial = dialInTurn(context, settings)
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
  server.maxConnections = settings.connectionsMax
  server.on("drop", () => counters.add("refused"))

  const serve = async (local: Socket, signal: AbortSignal) => {
    const firstByte = counters.awaitFirstByte()
    const onBytes = (bytesIn: number, bytesOut: number) => {
      if (bytesIn > 0) firstByte()
      counters.moved(bytesIn, bytesOut)
    }
    try {
      local.setKeepAlive(true)
      const { lingerMs } = settings
      await own.use(async (session) => {
        const stream = await dial(await session(), signal)
        await spoolRelay(stream, local, { place, lingerMs, signal, onBytes })
      })
    } catch (error) {
      local.destroy()
      if (!signal.aborted) context.log.info("connection.failed", { code: counters.fail(error) })
    }
  }

  const listens = await listen(server, settings)
  const owned = scope.move()
  owned.defer(() => server.close())
  server.on("connection", (local) => {
    local.once("close", counters.enter())
    local.on("error", () => {}) // told by the relay; before that, its close says enough
    void serve(local, owned.signal)
  })
  server.on("error", () => counters.add("refused"))
  const warmUp = own.use.bind(own, (session) => session())
  if (!settings.isLazy)
    void warmUp().catch((error) => {
      context.log.warn("session.failed", { code: counters.fail(error) })
    })
  return {
    listens,
    counters: () => counters.read(),
    [Symbol.asyncDispose]: () => owned.close(),
  }
}

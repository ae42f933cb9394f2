/**
 * The proxy's listener: every message of every connection is read by a strict parser and written anew.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-7
 * @module
 */
import type { Socket } from "node:net"
import {
  type HttpServerLimits,
  makeHttpServer,
  type OpenTunnel,
  openLocalPort,
  type ProxyRules,
  Scope,
  SpoolPlace,
  type TunnelContext,
  warmUp,
} from "allium/tunnel"
import { HttpProxy, type ProxySettings } from "./proxy.ts"
import { openWays, type WaySettings } from "./ways.ts"

/** What {@linkcode openHttpProxy} needs. */
export interface HttpProxySettings
  extends ProxyRules,
    ProxySettings,
    Omit<WaySettings, "place" | "onBytes"> {
  readonly server: HttpServerLimits
}

/** A program that ended its side and hears nothing for so long has gone. */
const HALF_OPEN_MS = 30_000

/**
 * Listens.
 *
 * @throws {AlliumError} `PORT_TAKEN`, `LISTEN_FAILED`.
 */
export async function openHttpProxy(
  context: TunnelContext,
  settings: HttpProxySettings,
): Promise<OpenTunnel> {
  await using scope = new Scope()
  const place = new SpoolPlace(context.folder, settings.spoolBytesMax)
  const ways = scope.use(
    openWays(context, { ...settings, place, onBytes: (...moved) => proxy.count(...moved) }),
  )
  const proxy: HttpProxy = new HttpProxy(context, settings, { ways, place })
  const server = makeHttpServer(settings.server)
  server.on("request", proxy.request)
  server.on("checkContinue", proxy.request)
  server.on("upgrade", proxy.upgrade)
  server.on("connect", proxy.connect)
  Object.assign(server, { httpAllowHalfOpen: true }) // `printf … | nc` waits for its answer
  const take = (connection: Socket) => letGoWhenOver(connection, proxy)
  const listens = await openLocalPort(server, settings, { meter: proxy.counters, take })
  const owned = scope.move()
  owned.defer(() => {
    server.close()
    server.closeAllConnections()
    proxy.close()
  })
  if (!settings.isLazy) warmUp(() => ways.warmUp(), { context, meter: proxy.counters })
  return {
    listens,
    counters: () => ({ ...proxy.counters.read(), sessions: ways.count }),
    [Symbol.asyncDispose]: () => owned.close(),
  }
}

/**
 * One that ends its side may wait for an answer, or may have closed: only writing to it would tell. Opaque
 * connections have a linger of their own.
 */
function letGoWhenOver(connection: Socket, proxy: HttpProxy): void {
  connection.once("end", () => {
    const { bytesWritten } = connection
    const isHeard = () => connection.bytesWritten > bytesWritten || proxy.isOpaque(connection)
    const leave = () => isHeard() || connection.destroy()
    const timer = setTimeout(leave, HALF_OPEN_MS).unref()
    connection.once("close", () => clearTimeout(timer))
  })
}

/**
 * The TCP side of the bridge: listens, counts connections, and keeps idle strangers away.
 *
 * @module
 */
import { once } from "node:events"
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import { AlliumError } from "../base/errors.ts"
import { Connection } from "./connection.ts"
import type { BridgeContext } from "./context.ts"

/** Java's own limit for a HELLO; and for a client that was hung up on to hang up too. */
const HELLO_MS = 60_000
/** Java sends PING after this long without a line, and hangs up as long after that. */
const IDLE_MS = 180_000
const SWEEP_MS = 10_000

/** A listening bridge. */
export interface BridgeServer extends AsyncDisposable {
  readonly port: number
  readonly connections: ReadonlySet<Connection>
  /** Closes the listener and every socket, and listens again after `downMs`. */
  restart(downMs: number): Promise<void>
}

/** @throws {AlliumError} `EMBEDDED_PORT_TAKEN`. */
export async function openServer(
  context: BridgeContext,
  options: { host: string; port: number; connectionsMax: number },
): Promise<BridgeServer> {
  const connections = new Set<Connection>()
  const sockets = new Set<Socket>()
  const sweeping = new AbortController()
  let connectionCount = 0
  const welcome = (socket: Socket) => {
    socket.setNoDelay(true)
    const connection = new Connection(socket, ++connectionCount, context)
    connections.add(connection)
    sockets.add(socket)
    socket.once("close", () => {
      connections.delete(connection)
      sockets.delete(socket)
    })
  }
  const listen = async (port: number): Promise<Server> => {
    const server = createServer({ allowHalfOpen: true }, welcome)
    server.maxConnections = options.connectionsMax
    await startListening(server, options.host, port)
    return server
  }
  const hangUp = async (server: Server) => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  let server = await listen(options.port)
  const { port } = server.address() as AddressInfo
  void sweepForEver(connections, context, sweeping.signal)
  return {
    port,
    connections,
    async restart(downMs) {
      await hangUp(server)
      await context.clock.sleep(downMs, { signal: sweeping.signal })
      server = await listen(port)
    },
    async [Symbol.asyncDispose]() {
      sweeping.abort()
      await hangUp(server)
    },
  }
}

async function startListening(server: Server, host: string, port: number): Promise<void> {
  server.listen({ host, port })
  await once(server, "listening").catch((error) => {
    throw portProblem(error, port)
  })
}

/** What to throw when a port cannot be opened: `EMBEDDED_PORT_TAKEN` when somebody has it. */
export function portProblem(error: NodeJS.ErrnoException, port: number): Error {
  if (error.code !== "EADDRINUSE") return error
  const message = `Cannot open the embedded network: port ${port} is in use, expected a free port`
  return new AlliumError("EMBEDDED_PORT_TAKEN", message, { cause: error })
}

/** Ends when the signal aborts. */
async function sweepForEver(
  connections: ReadonlySet<Connection>,
  context: BridgeContext,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await context.clock.sleep(SWEEP_MS, { signal }).catch(() => undefined)
    const nowMs = context.clock.monotonicMs()
    for (const connection of connections) sweep(connection, nowMs, context)
  }
}

function sweep(connection: Connection, nowMs: number, { traits, knobs }: BridgeContext): void {
  const { agreedVersion, sinceMs, closingSinceMs = nowMs } = connection
  const isMute = agreedVersion === undefined && !knobs.faults.has("hang")
  if (isMute && nowMs - sinceMs > HELLO_MS) connection.destroy()
  else if (nowMs - closingSinceMs > HELLO_MS) connection.destroy()
  else if (traits.serverPing && connection.version >= 2 && connection.session)
    keepAlive(connection, nowMs)
}

/** PING after three idle minutes; goodbye three minutes later. */
function keepAlive(connection: Connection, nowMs: number): void {
  const { pingedAtMs, heardAtMs } = connection
  if (nowMs - heardAtMs < IDLE_MS) connection.pingedAtMs = undefined
  else if (pingedAtMs === undefined) {
    connection.pingedAtMs = nowMs
    void connection.reply(`PING ${Math.floor(nowMs)}`)
  } else if (nowMs - pingedAtMs >= IDLE_MS) connection.destroy()
}

/**
 * STREAM FORWARD: the router connects to us for every stream, for those who get many at once (ACCEPT
 * gives about 23 a second on i2pd).
 *
 * Anybody on this machine can connect to our port too, and claim to be whoever they like: believe a peer
 * only after a handshake of your own.
 *
 * @see https://geti2p.net/en/docs/api/samv3#forward
 * @module
 */
import { once } from "node:events"
import { createServer, type Server, type Socket } from "node:net"
import { type AlliumError, toAlliumError } from "../base/errors.ts"
import { Scope } from "../base/scope.ts"
import { Backlog } from "./backlog.ts"
import { Conversation, openConversation } from "./conversation.ts"
import { arrivalRequest, forwardRequest } from "./requests.ts"
import type { SamStream } from "./session.ts"
import { ACCEPT_TIMEOUT_MS, type StreamSession, toSamStream } from "./stream.ts"

/** The router writes the first line at once; others who knock get no longer than this. */
const FIRST_LINE_TIMEOUT_MS = 10_000
/** Connections at once, as many as newer i2pd queues. */
const CONNECTIONS_MAX = 1024
const BACKLOG = 128

/** Streams are being forwarded to us; closing ends that, and closes what nobody took. */
export interface Forwarding extends AsyncDisposable {
  /** In order of arrival; beyond the backlog, streams are refused. One consumer. */
  readonly incoming: AsyncIterable<SamStream>
  /** Resolves, never rejects, when the router no longer forwards. */
  readonly closed: Promise<AlliumError>
}

/**
 * Listens on a free port, and has the router connect to it. Not together with ACCEPT on one session.
 *
 * @param options.host - Address to listen on that the router can reach; 127.0.0.1 unless given. i2pd
 * 2.45.1 connects to the address we come from, whatever is said here.
 * @throws {AlliumError} `SESSION_LOST`, `BRIDGE_FAILED`, `BRIDGE_UNREACHABLE`, `BRIDGE_SILENT`, `ABORTED`, `TIMED_OUT`.
 */
export async function openForward(
  session: StreamSession,
  options: { signal: AbortSignal; host?: string; backlog?: number },
): Promise<Forwarding> {
  const { signal, host = "127.0.0.1", backlog = BACKLOG } = options
  await using scope = new Scope()
  const incoming = new Backlog<SamStream>(backlog)
  const server = createServer({ noDelay: true, allowHalfOpen: false })
  server.maxConnections = CONNECTIONS_MAX
  server.on("connection", (socket) => void welcome(socket, session, incoming))
  server.listen(0, host)
  scope.defer(() => void server.close())
  await once(server, "listening", { signal })
  const { conversation } = await openConversation(session.context, { signal })
  scope.defer(() => conversation.close())
  const values: [string, string][] = [
    ["ID", session.id],
    ["PORT", String(portOf(server))],
    ["HOST", host],
    ["SILENT", "false"],
  ]
  await conversation.ask(forwardRequest(values), { signal, timeoutMs: ACCEPT_TIMEOUT_MS })
  const owned = scope.move()
  owned.defer(() => {
    for (const stream of incoming.drain()) stream.destroy()
  })
  const { closed } = conversation
  return { incoming, closed, [Symbol.asyncDispose]: () => owned.close() }
}

/** Reads who is there, and puts the stream into the backlog. */
async function welcome(
  socket: Socket,
  session: StreamSession,
  incoming: Backlog<SamStream>,
): Promise<void> {
  const { clock, log } = session.context
  socket.on("error", () => {})
  const conversation = new Conversation(socket, { clock, log })
  const { signal } = new AbortController()
  try {
    const call = { signal, timeoutMs: FIRST_LINE_TIMEOUT_MS }
    const { peer } = await conversation.ask(arrivalRequest(), call)
    if (!incoming.push(toSamStream(socket, peer, "in"))) socket.destroy()
  } catch (error) {
    conversation.close()
    log.debug("sam.forwarded-refused", { code: toAlliumError(error).code })
  }
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === "string") throw new TypeError("Cannot tell port")
  return address.port
}

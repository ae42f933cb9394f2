/**
 * Hands the streams of a session to an HTTP server, and closes each with care.
 *
 * SAM loses what is on its way when the sender closes. So a stream stays open after an answer (for the
 * next request, or until the visitor closes), and when it has to be closed, it waits for the visitor to do
 * so first, for a bounded time.
 *
 * @module
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import {
  AlliumError,
  Counters,
  type Destination,
  endWithPage,
  faultPage,
  makeHttpServer,
  type SamStream,
  Scope,
  type Session,
  StreamSocket,
  startWithoutListening,
} from "allium/plugin"

/** What answers visitors. */
export interface SiteAnswers {
  request(request: IncomingMessage, response: ServerResponse, peer: Destination): Promise<void>
  /** Absent: nothing to switch to. */
  upgrade?(
    request: IncomingMessage,
    connection: Duplex,
    head: Buffer,
    peer: Destination,
  ): Promise<void>
}

/** Limits that depend on what answers. */
export interface SiteLimits {
  /** For a request with its body; 0 for none. */
  readonly requestMs: number
  /** A stream on which no byte moves is closed. */
  readonly idleMs: number
}

/** A server that takes streams. */
export interface SiteServer extends AsyncDisposable {
  counters(): Readonly<Record<string, number>>
}

const HEAD_BYTES_MAX = 16 * 1024
const HEAD_MS = 30_000
/** Longer than visitors' proxies keep a stream: they close first. */
const KEEP_ALIVE_MS = 90_000
/** After the last byte of a stream that is to be closed. */
const LINGER_MS = 30_000
const STREAMS_MAX = 512
const STREAMS_PER_PEER_MAX = 32

/** Takes streams until it is closed; the session stays its owner's. */
export function openSiteServer(
  session: Session,
  answers: SiteAnswers,
  limits: SiteLimits,
): SiteServer {
  const scope = new Scope()
  const visitors = new Visitors()
  const server = makeHttpServer({
    ...{ headBytesMax: HEAD_BYTES_MAX, headMs: HEAD_MS, keepAliveMs: KEEP_ALIVE_MS },
    requestMs: limits.requestMs,
  })
  server.timeout = limits.idleMs
  route(server, answers, visitors)
  startWithoutListening(server)
  scope.defer(() => {
    server.close()
    visitors.close()
  })
  void takeStreams(session, scope.signal, (stream) => {
    const connection = new StreamSocket(stream, { lingerMs: LINGER_MS })
    connection.on("error", () => {}) // a visitor who vanishes is no news
    if (visitors.enter(connection, stream)) server.emit("connection", connection)
    else connection.destroy()
  }).catch((error) => visitors.counters.fail(error))
  return {
    counters: () => visitors.counters.read(),
    [Symbol.asyncDispose]: () => scope.close(),
  }
}

async function takeStreams(
  session: Session,
  signal: AbortSignal,
  take: (stream: SamStream) => void,
): Promise<void> {
  for await (const stream of session.incoming) {
    if (!signal.aborted) take(stream)
    else stream.destroy()
  }
}

function route(server: Server, answers: SiteAnswers, visitors: Visitors): void {
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    visitors.counters.add("requests")
    const peer = visitors.peerOf(request.socket)
    if (peer === undefined) response.destroy()
    else void answers.request(request, response, peer)
  }
  server.on("request", answer)
  server.on("checkContinue", answer)
  server.on("connect", (_request, connection: Duplex) => refuse(connection))
  if (answers.upgrade === undefined) return
  server.on("upgrade", (request: IncomingMessage, connection: Duplex, head: Buffer) => {
    visitors.counters.add("upgrades")
    const peer = visitors.peerOf(connection)
    if (peer === undefined) connection.destroy()
    else void answers.upgrade?.(request, connection, head, peer)
  })
}

function refuse(connection: Duplex): void {
  const error = new AlliumError("METHOD_NOT_ALLOWED", "Cannot connect on: this is a site, no proxy")
  endWithPage(connection, faultPage(error, undefined))
}

/** Streams that are open, and whose they are. */
class Visitors {
  readonly counters = new Counters(["streams", "refused", "requests", "upgrades"])
  readonly #peers = new Map<Duplex, Destination>()

  /** `false`: too many, of this visitor or of all. */
  enter(connection: Duplex, { peer }: SamStream): boolean {
    const own = [...this.#peers.values()].filter(({ b32 }) => b32 === peer.b32).length
    const isFull = this.#peers.size >= STREAMS_MAX || own >= STREAMS_PER_PEER_MAX
    this.counters.add(isFull ? "refused" : "streams")
    if (isFull) return false
    this.#peers.set(connection, peer)
    connection.once("close", () => this.#peers.delete(connection))
    return true
  }

  /** `undefined` when the visitor has gone meanwhile. */
  peerOf(connection: Duplex): Destination | undefined {
    return this.#peers.get(connection)
  }

  close(): void {
    for (const connection of this.#peers.keys()) connection.destroy()
  }
}

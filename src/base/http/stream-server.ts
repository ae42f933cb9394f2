/**
 * Hands streams from I2P to an HTTP server, and closes each with care.
 *
 * A router loses what is on its way when the sender closes. So a stream stays open after an answer (for the
 * next request, or until the visitor closes), and when it has to be closed, it waits for the visitor to do
 * so first, for a bounded time.
 *
 * @module
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import type { Gate, Refusal } from "../access/gate.ts"
import { AlliumError } from "../errors.ts"
import { Meter } from "../meter.ts"
import { Scope } from "../scope.ts"
import { endWithPage, faultPage } from "./fault-page.ts"
import type { Visitor } from "./served-fields.ts"
import { answerWithPage, makeHttpServer, startWithoutListening } from "./server.ts"
import { StreamSocket } from "./stream-socket.ts"

/** What answers visitors. */
export interface StreamAnswers {
  request(request: IncomingMessage, response: ServerResponse, visitor: Visitor): Promise<void>
  /** Absent: nothing to switch to. */
  upgrade?(
    request: IncomingMessage,
    connection: Duplex,
    head: Buffer,
    visitor: Visitor,
  ): Promise<void>
}

/** Limits that depend on what answers. */
export interface StreamServerLimits {
  /** For a request with its body; 0 for none. */
  readonly requestMs: number
  /** A stream on which no byte moves is closed. */
  readonly idleMs: number
  /** Request line and fields together; 16 KiB unless given. */
  readonly headBytesMax?: number
}

/** What {@linkcode openStreamServer} needs. */
export interface StreamServerOptions {
  /** Taken until the server is closed; their session stays its owner's. */
  readonly incoming: AsyncIterable<VisitorStream>
  readonly answers: StreamAnswers
  readonly limits: StreamServerLimits
  readonly gate: Gate
}

/** A stream, and who is at its other end. */
export interface VisitorStream extends Duplex {
  readonly peer: Visitor
}

/** A server that takes streams. */
export interface StreamServer extends AsyncDisposable {
  counters(): Readonly<Record<string, number>>
}

const HEAD_BYTES_MAX = 16 * 1024
const HEAD_MS = 30_000
/** Longer than visitors' proxies keep a stream: they close first. */
const KEEP_ALIVE_MS = 90_000
/** After the last byte of a stream that is to be closed. */
const LINGER_MS = 30_000
/** Streams that are only told why they may not come in; more are closed without a word. */
const TURNED_AWAY_MAX = 64

/** Takes streams until it is closed. */
export function openStreamServer(options: StreamServerOptions): StreamServer {
  const { answers, limits, incoming } = options
  const scope = new Scope()
  const visitors = new Visitors(options.gate)
  const server = makeHttpServer({
    headBytesMax: limits.headBytesMax ?? HEAD_BYTES_MAX,
    headMs: HEAD_MS,
    keepAliveMs: KEEP_ALIVE_MS,
    requestMs: limits.requestMs,
  })
  server.timeout = limits.idleMs
  route(server, answers, visitors)
  startWithoutListening(server)
  scope.defer(() => {
    server.close()
    visitors.close()
  })
  void takeStreams(incoming, scope.signal, (stream) => {
    const { b32 } = stream.peer
    const onBytes = (bytesIn: number, bytesOut: number) => {
      options.gate.moved(b32, bytesIn + bytesOut) // what is too much is refused at the next request
      visitors.counters.moved(bytesIn, bytesOut)
      if (bytesOut > 0) visitors.waiting.get(connection)?.()
    }
    const connection: StreamSocket = new StreamSocket(stream, { lingerMs: LINGER_MS, onBytes })
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
  incoming: AsyncIterable<VisitorStream>,
  signal: AbortSignal,
  take: (stream: VisitorStream) => void,
): Promise<void> {
  for await (const stream of incoming) {
    if (!signal.aborted) take(stream)
    else stream.destroy()
  }
}

function route(server: Server, answers: StreamAnswers, visitors: Visitors): void {
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    visitors.waiting.set(request.socket, visitors.counters.awaitFirstByte())
    const visitor = visitors.admit(request, response)
    if (visitor !== undefined) void answers.request(request, response, visitor)
  }
  server.on("request", answer)
  server.on("checkContinue", answer)
  server.on("connect", (_request, connection: Duplex) => refuse(connection, notHere()))
  if (answers.upgrade === undefined) return
  server.on("upgrade", (request: IncomingMessage, connection: Duplex, head: Buffer) => {
    visitors.counters.add("upgrades")
    const visitor = visitors.visitorOf(connection)
    const refusal = visitor && visitors.gate.request(visitor.b32, false)
    if (refusal !== undefined) refuse(connection, refusal.error)
    else if (visitor === undefined) connection.destroy()
    else void answers.upgrade?.(request, connection, head, visitor)
  })
}

function refuse(connection: Duplex, error: AlliumError): void {
  endWithPage(connection, faultPage(error, undefined))
}

function notHere(): AlliumError {
  return new AlliumError("METHOD_NOT_ALLOWED", "Cannot connect on: this is a site, no proxy")
}

/** Methods that bring something. */
const POSTS = new Set(["POST", "PUT", "PATCH", "DELETE"])

/** Streams that are open, whose they are, and who is only told to go. */
class Visitors {
  readonly gate: Gate
  readonly counters = new Meter(["requests", "upgrades"])
  /** Told when the first byte of the answer to the last request is on its way. */
  readonly waiting = new WeakMap<Duplex, () => void>()
  readonly #inside = new Map<Duplex, Visitor>()
  readonly #turnedAway = new Map<Duplex, Refusal>()

  constructor(gate: Gate) {
    this.gate = gate
  }

  /** `false`: it is to be closed at once. Who is admitted nowhere learns nothing; who comes too often gets a page. */
  enter(connection: Duplex, { peer }: VisitorStream): boolean {
    const refusal = this.gate.enter(peer.b32)
    if (refusal !== undefined) this.counters.add("refused")
    else {
      this.#inside.set(connection, peer)
      connection.once("close", this.counters.enter())
      connection.once("close", () => {
        this.#inside.delete(connection)
        this.gate.leave(peer.b32)
      })
      return true
    }
    if (refusal.error.code === "ACCESS_DENIED" || this.#turnedAway.size >= TURNED_AWAY_MAX)
      return false
    this.#turnedAway.set(connection, refusal)
    connection.once("close", () => this.#turnedAway.delete(connection))
    return true
  }

  /** The visitor, when the request may be answered; else the answer was given. */
  admit(request: IncomingMessage, response: ServerResponse): Visitor | undefined {
    this.counters.add("requests")
    const visitor = this.#inside.get(request.socket)
    const sent = this.#turnedAway.get(request.socket)
    if (sent !== undefined) response.shouldKeepAlive = false
    const refusal =
      sent ?? (visitor && this.gate.request(visitor.b32, POSTS.has(request.method ?? "")))
    if (refusal === undefined) {
      if (visitor === undefined) response.destroy()
      return visitor
    }
    if (refusal.waitMs !== undefined)
      response.setHeader("Retry-After", Math.ceil(refusal.waitMs / 1_000))
    answerWithPage({ request, response }, refusal.error)
    return undefined
  }

  /** `undefined` when the visitor has gone meanwhile, or was turned away. */
  visitorOf(connection: Duplex): Visitor | undefined {
    return this.#inside.get(connection)
  }

  close(): void {
    for (const connection of [...this.#inside.keys(), ...this.#turnedAway.keys()])
      connection.destroy()
  }
}

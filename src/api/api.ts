/**
 * The local API: the router's offers over HTTP, on a Unix socket and, where asked, on loopback.
 *
 * @see docs/reference/api.md
 * @module
 */
import { once } from "node:events"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import { Scope } from "../base/scope.ts"
import type { EventBus } from "../router/events.ts"
import type { OfferBook } from "../router/offers.ts"
import { SECURITY_HEADERS, sendFailure } from "./answer.ts"
import { checkCaller, type Door, loopbackDoor, SOCKET_DOOR } from "./gate.ts"
import { NETWORK_EMBEDDED, NETWORK_HEADER } from "./protocol.ts"
import { answer, type Rooms } from "./routes.ts"
import { listenOnSocket } from "./socket.ts"
import { TokenGuard } from "./token.ts"

/** Bounds of the API; the defaults are what `docs/reference/api.md` says. */
interface ApiLimits {
  /** Time for the headers of a request, and for all of it. */
  readonly headersMs: number
  readonly requestMs: number
  /** A reader of an answer that takes nothing for so long is cut off; people do pause their pager. */
  readonly stallMs: number
  /** Requests that run at once, streams included; more are refused with `BUSY`. */
  readonly runningMax: number
  /** Connections of each door; more are closed at once. */
  readonly connectionsMax: number
}

const LIMITS: ApiLimits = {
  headersMs: 5_000,
  requestMs: 30_000,
  stallMs: 600_000,
  runningMax: 64,
  connectionsMax: 256,
}

/** What is left to finish, once the router stops, has so long. */
const CLOSE_PATIENCE_MS = 1_000

/** What the API needs. */
export interface ApiOptions {
  readonly offers: OfferBook
  readonly events: EventBus
  /** Absolute; in a folder of its own. */
  readonly socketPath: string
  /** Port on 127.0.0.1; 0 for a free one; no loopback door when absent. */
  readonly port?: number | undefined
  /** Opens the loopback door; see `openToken()`. */
  readonly token: string
  readonly log: Log
  readonly clock: Clock
  /** A sentence while the network is embedded, such as `EMBEDDED_BANNER`. */
  readonly banner: () => string | undefined
  readonly limits?: Partial<ApiLimits>
}

/** The open API; closing aborts what runs. */
export interface Api extends AsyncDisposable {
  readonly socketPath: string
  /** On 127.0.0.1. */
  readonly port: number | undefined
}

/**
 * Opens both doors.
 *
 * @throws {AlliumError} `ALREADY_RUNNING`, `BAD_SOCKET`, `PORT_TAKEN`.
 */
export async function openApi(options: ApiOptions): Promise<Api> {
  await using scope = new Scope()
  const desk = new Desk(options)
  const local = desk.open(scope)
  await listenOnSocket(local.server, options.socketPath)
  local.door = SOCKET_DOOR
  const port = options.port === undefined ? undefined : await openLoopback(desk, scope, options)
  options.log.info("open", { loopback: port !== undefined })
  const owned = scope.move()
  return { socketPath: options.socketPath, port, [Symbol.asyncDispose]: () => owned.close() }
}

async function openLoopback(desk: Desk, scope: Scope, options: ApiOptions): Promise<number> {
  const loopback = desk.open(scope)
  loopback.server.listen({ port: options.port, host: "127.0.0.1" })
  await once(loopback.server, "listening").catch(portTaken)
  const { port } = loopback.server.address() as AddressInfo
  loopback.door = loopbackDoor(port, new TokenGuard(options.token, options.clock))
  return port
}

function portTaken(cause: NodeJS.ErrnoException): never {
  throw new AlliumError("PORT_TAKEN", `Cannot listen on loopback: the system says ${cause.code}`, {
    cause,
  })
}

/** A server, and its door once it listens. */
interface Entrance {
  readonly server: Server
  door: Door | undefined
}

/** Takes requests in at every door, and knows what runs. */
class Desk {
  readonly #options: ApiOptions
  readonly #limits: ApiLimits
  readonly #rooms: Rooms
  readonly #running = new Set<AbortController>()

  constructor(options: ApiOptions) {
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits }
    this.#rooms = { ...options, stallMsMax: this.#limits.stallMs }
  }

  /** A server whose door is set once it listens; nobody is let in before. */
  open(scope: Scope): Entrance {
    const { headersMs, requestMs, connectionsMax } = this.#limits
    const server = createServer(
      {
        headersTimeout: headersMs,
        requestTimeout: requestMs,
        keepAliveTimeout: 5_000,
        connectionsCheckingInterval: Math.min(2_000, headersMs),
        maxHeaderSize: 16_384,
      },
      (request, response) => void this.#take(request, response, entrance.door),
    )
    const entrance: Entrance = { server, door: undefined }
    server.maxConnections = connectionsMax
    scope.defer(() => this.#close(server))
    return entrance
  }

  async #take(
    request: IncomingMessage,
    response: ServerResponse,
    door: Door | undefined,
  ): Promise<void> {
    const caller = new AbortController()
    response.once("close", () => caller.abort())
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value)
    if (this.#options.banner() !== undefined) response.setHeader(NETWORK_HEADER, NETWORK_EMBEDDED)
    try {
      if (door === undefined) throw new AlliumError("BUSY", "Cannot answer: the router is starting")
      checkCaller(request, door)
      await this.#run(request, response, caller)
    } catch (thrown) {
      this.#fail(response, thrown)
    }
  }

  async #run(
    request: IncomingMessage,
    response: ServerResponse,
    caller: AbortController,
  ): Promise<void> {
    if (this.#running.size >= this.#limits.runningMax)
      throw new AlliumError("BUSY", `Cannot answer: ${this.#running.size} requests are running`)
    this.#running.add(caller)
    try {
      await answer({ request, response, signal: caller.signal }, this.#rooms)
    } finally {
      this.#running.delete(caller)
    }
  }

  #fail(response: ServerResponse, thrown: unknown): void {
    const error = toAlliumError(thrown)
    if (error.code === "INTERNAL") this.#options.log.error("fault", faultOf(error.cause))
    else this.#options.log.debug("failed", { code: error.code })
    if (!response.headersSent && !response.destroyed) sendFailure(response, error)
  }

  async #close(server: Server): Promise<void> {
    if (!server.listening) return
    const closed = once(server, "close")
    server.close()
    const reason = new AlliumError("ABORTED", "Cannot finish: the router is stopping")
    for (const caller of this.#running) caller.abort(reason)
    const patience = new AbortController()
    const late = this.#options.clock.sleep(CLOSE_PATIENCE_MS, patience)
    await Promise.race([closed, late]).finally(() => patience.abort())
    server.closeAllConnections()
    await closed
  }
}

/** Name and place of a fault; its message may hold what is nobody's business. */
function faultOf(cause: unknown): { fault: string; where: string } {
  if (!(cause instanceof Error)) return { fault: typeof cause, where: "" }
  return {
    fault: cause.name,
    where: /([^/\\(\s]+:\d+):\d+\)?$/m.exec(cause.stack ?? "")?.[1] ?? "",
  }
}

/**
 * A program of this machine as a site: every message is read and written anew.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { hostname } from "node:os"
import type { Duplex } from "node:stream"
import { formatBackend } from "../backend/address.ts"
import { type Backend, connectBackend } from "../backend/connect.ts"
import { AlliumError, toAlliumError } from "../errors.ts"
import type { SpoolPlace } from "../spool.ts"
import { spoolRelay } from "../spool-relay.ts"
import { type ExchangeTarget, exchange } from "./exchange.ts"
import { endWithPage, faultPage } from "./fault-page.ts"
import { type Field, readFields, valuesOf } from "./fields.ts"
import { requireLength, watchBody } from "./pace.ts"
import { ReadAhead } from "./read-ahead.ts"
import {
  fieldsForBackend,
  fieldsForVisitor,
  type SiteNames,
  type Visitor,
} from "./served-fields.ts"
import { answerWithPage, requestFault } from "./server.ts"
import { StreamAgent } from "./stream-agent.ts"
import type { StreamAnswers } from "./stream-server.ts"
import { upgrade } from "./upgrade.ts"

/** Whom a site does not answer, whatever they ask for. */
export interface RequestRefusals {
  /** Requests that passed through a gateway from the clear net. */
  readonly inproxy: boolean
  /** Requests that were led here by a link on another site. */
  readonly referer: boolean
  /** Requests whose `User-Agent` holds one of these; `none` stands for those without one. */
  readonly userAgents: readonly string[]
}

/** A program and how to speak to it. */
export interface BackendAnswersOptions {
  readonly backend: Backend
  /** Value of `Host` towards the program. */
  readonly host: string
  /** The site's own `.b32.i2p` name. */
  readonly site: string
  readonly keepClearnet: boolean
  readonly bodyBytesMax: number
  readonly refusals: RequestRefusals
  /** Not passed on to the program. */
  readonly ownCookie?: string
  /** For answers to slow readers, and for what a WebSocket brings faster than the program reads. */
  readonly place: SpoolPlace
  readonly signal: AbortSignal
}

const LIMITS = { answerMs: 60_000, idleMs: 120_000, waitForReader: false }
/** Connections to the program: one for each request at a time, and a few that wait for the next. */
const BACKEND_CONNECTIONS_MAX = 256
/** Requests of all visitors at a time. */
const REQUESTS_MAX = 256
const REQUESTS_PER_PEER_MAX = 32
const BACKEND_KEEP_MS = 15_000
/** Path and query of a request. */
const URL_BYTES_MAX = 8_192
/** For WebSockets: after the program's last word, and while nothing moves. */
const LINGER_MS = 30_000
const OPAQUE_IDLE_MS = 3_600_000

/** Opens the way to the program; no connection is made before a request is read whole up to its body. */
export function openBackendAnswers(options: BackendAnswersOptions): StreamAnswers & Disposable {
  return new BackendAnswers(options)
}

class BackendAnswers implements StreamAnswers, Disposable {
  readonly #options: BackendAnswersOptions
  readonly #agent: StreamAgent
  readonly #names: SiteNames
  readonly #turnstile = new Turnstile()

  constructor(options: BackendAnswersOptions) {
    const { backend, signal } = options
    this.#options = options
    this.#names = namesOf(options)
    const bounds = { totalMax: BACKEND_CONNECTIONS_MAX, keepMs: BACKEND_KEEP_MS }
    this.#agent = new StreamAgent(({ host }) => connectBackend(backend, host, signal), {
      perHostMax: BACKEND_CONNECTIONS_MAX,
      ...bounds,
    })
  }

  async request(request: IncomingMessage, response: ServerResponse, peer: Visitor): Promise<void> {
    let stop = () => {}
    try {
      const target = this.#targetOf(request, peer)
      requireLength(request, this.#options.bodyBytesMax)
      const fail = (error: AlliumError) => answerLate(request, response, error)
      stop = watchBody(request, this.#options.bodyBytesMax, fail)
      const through = () => new ReadAhead(this.#options.place)
      const call = { request, response, target, limits: LIMITS, through }
      const { answerFields } = this
      await this.#turnstile.pass(peer.b32, () => exchange({ ...call, answerFields }))
    } catch (thrown) {
      answerLate(request, response, toAlliumError(thrown))
    } finally {
      stop()
    }
  }

  async upgrade(
    request: IncomingMessage,
    connection: Duplex,
    head: Buffer,
    peer: Visitor,
  ): Promise<void> {
    const { place, signal } = this.#options
    try {
      const target = this.#targetOf(request, peer)
      const call = { request, connection, head, target, limits: LIMITS }
      const { answerFields } = this
      const local = await this.#turnstile.pass(peer.b32, () => upgrade({ ...call, answerFields }))
      if (local === undefined) return
      const limits = { place, lingerMs: LINGER_MS, idleMs: OPAQUE_IDLE_MS, signal }
      await spoolRelay(connection, local, limits).catch(() => {}) // both are closed: that says it
    } catch (thrown) {
      endWithPage(connection, faultPage(toAlliumError(thrown), request.headers.accept))
    }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }

  readonly answerFields = (fields: Field[]): Field[] => fieldsForVisitor(fields, this.#names)

  /** A connection that tells the program who asks belongs to one visitor; else all share them. */
  #targetOf(request: IncomingMessage, peer: Visitor): ExchangeTarget {
    const { backend, host, ownCookie, refusals } = this.#options
    const sent = readFields(request.rawHeaders)
    const fault = requestFault(request) ?? methodFault(request) ?? refusalOf(sent, refusals)
    if (fault !== undefined) throw fault
    const fields = fieldsForBackend(sent, { host, peer, ownCookie })
    const pool = backend.clientAddress === "none" ? "all" : peer.b32
    return {
      agent: this.#agent,
      host: pool,
      port: 80,
      path: originForm(request.url ?? ""),
      fields,
    }
  }
}

function namesOf({ backend, host, site, keepClearnet }: BackendAnswersOptions): SiteNames {
  const { address } = backend
  const own = [formatBackend(address), host, hostname(), "path" in address ? host : address.host]
  return { own: new Set(own.map((name) => name.toLowerCase())), site, keepClearnet }
}

/** The page; when the body still comes, the connection ends behind it. */
function answerLate(request: IncomingMessage, response: ServerResponse, error: AlliumError): void {
  if (response.writableEnded) return
  if (!request.complete) response.shouldKeepAlive = false
  answerWithPage({ request, response }, error)
}

/** Path and query of a request target; the authority of an absolute one is not believed. */
function originForm(target: string): string {
  if (target.length > URL_BYTES_MAX)
    throw new AlliumError("URL_TOO_LONG", "Cannot read request: its address is too long")
  const path = target.replace(/^https?:\/\/[^/?#]*/i, "")
  if (path.startsWith("/")) return path
  if (path === "" || path.startsWith("?")) return `/${path}`
  throw new AlliumError("BAD_REQUEST", "Cannot read path: it does not begin with a slash")
}

function methodFault({ method }: IncomingMessage): AlliumError | undefined {
  if (method !== "TRACE" && method !== "CONNECT") return undefined
  return new AlliumError("METHOD_NOT_ALLOWED", "Cannot do that here: expected an ordinary request")
}

/** What gateways from the clear net add. */
const INPROXY = ["x-forwarded-for", "x-forwarded-server", "x-forwarded-host", "forwarded"]

function refusalOf(fields: readonly Field[], refusals: RequestRefusals): AlliumError | undefined {
  if (refusals.inproxy && INPROXY.some((name) => valuesOf(fields, name).length > 0))
    return refused("through a gateway from the clear net")
  if (refusals.referer && valuesOf(fields, "referer").some((value) => value.includes("://")))
    return refused("by a link on another site")
  const agents = valuesOf(fields, "user-agent")
  const isRefused = refusals.userAgents.some((part) =>
    part === "none"
      ? agents.every((agent) => agent.trim() === "")
      : agents.some((agent) => agent.includes(part) && !agent.startsWith("MYOB/")),
  )
  return isRefused ? refused("with that program") : undefined
}

function refused(way: string): AlliumError {
  return new AlliumError("ACCESS_DENIED", `Cannot answer: you come ${way}`)
}

/** Bounds requests that run at a time. */
class Turnstile {
  readonly #inside = new Map<string, number>()
  #count = 0

  /** @throws {AlliumError} `TOO_MANY_REQUESTS` for this peer, `BUSY` for all together. */
  async pass<T>(peer: string, run: () => Promise<T>): Promise<T> {
    const own = this.#inside.get(peer) ?? 0
    if (own >= REQUESTS_PER_PEER_MAX)
      throw new AlliumError(
        "TOO_MANY_REQUESTS",
        `Cannot answer: ${own} requests of yours are running`,
      )
    if (this.#count >= REQUESTS_MAX)
      throw new AlliumError("BUSY", "Cannot answer: too many people are asking")
    this.#inside.set(peer, own + 1)
    this.#count += 1
    try {
      return await run()
    } finally {
      const left = (this.#inside.get(peer) ?? 1) - 1
      if (left > 0) this.#inside.set(peer, left)
      else this.#inside.delete(peer)
      this.#count -= 1
    }
  }
}

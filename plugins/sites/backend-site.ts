/**
 * A program of this machine as a site: every message is read and written anew.
 *
 * @module
 */
import { Agent, type IncomingMessage, type ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import {
  AlliumError,
  answerWithPage,
  type Destination,
  type ExchangeTarget,
  endWithPage,
  exchange,
  type Field,
  faultPage,
  formatHostPort,
  type HostPort,
  readFields,
  requestFault,
  type SpoolPlace,
  spoolRelay,
  toAlliumError,
  upgrade,
} from "allium/plugin"
import { fieldsForBackend, fieldsForVisitor } from "./backend-fields.ts"

/** A program and how to speak to it. */
export interface BackendSiteOptions {
  readonly backend: HostPort
  /** Value of `Host` towards the program. */
  readonly host: string
  /** For what a WebSocket brings faster than the program reads. */
  readonly place: SpoolPlace
  readonly signal: AbortSignal
}

/** Answers requests of known visitors. */
export interface BackendSite extends Disposable {
  request(request: IncomingMessage, response: ServerResponse, peer: Destination): Promise<void>
  upgrade(
    request: IncomingMessage,
    connection: Duplex,
    head: Buffer,
    peer: Destination,
  ): Promise<void>
}

const LIMITS = { answerMs: 60_000, idleMs: 120_000, waitForReader: false }
/** Connections to the program; more requests wait in line. */
const BACKEND_CONNECTIONS_MAX = 64
/** Requests of all visitors at a time, those in line included. */
const REQUESTS_MAX = 256
const REQUESTS_PER_PEER_MAX = 32
const BACKEND_KEEP_MS = 15_000
/** For WebSockets: after the program's last word, and while nothing moves. */
const LINGER_MS = 30_000
const OPAQUE_IDLE_MS = 3_600_000

/** Opens the way to the program; no connection is made before a request is read whole up to its body. */
export function openBackendSite(options: BackendSiteOptions): BackendSite {
  const { backend, host, place, signal } = options
  const agent = new Agent({
    keepAlive: true,
    maxSockets: BACKEND_CONNECTIONS_MAX,
    timeout: BACKEND_KEEP_MS,
  })
  const ownNames = new Set([formatHostPort(backend), backend.host, host.toLowerCase()])
  const answerFields = (fields: Field[]) => fieldsForVisitor(fields, ownNames)
  const turnstile = new Turnstile()

  const targetOf = (request: IncomingMessage, peer: Destination): ExchangeTarget => {
    const fault = requestFault(request) ?? methodFault(request)
    if (fault !== undefined) throw fault
    const fields = fieldsForBackend(readFields(request.rawHeaders), { host, peer })
    return { agent, ...backend, path: originForm(request.url ?? ""), fields }
  }

  return {
    async request(request, response, peer) {
      try {
        const target = targetOf(request, peer)
        const call = { request, response, target, limits: LIMITS, answerFields }
        await turnstile.pass(peer.b32, () => exchange(call))
      } catch (thrown) {
        answerWithPage({ request, response }, toAlliumError(thrown))
      }
    },
    async upgrade(request, connection, head, peer) {
      try {
        const target = targetOf(request, peer)
        const call = { request, connection, head, target, limits: LIMITS, answerFields }
        const local = await turnstile.pass(peer.b32, () => upgrade(call))
        if (local === undefined) return
        const limits = { place, lingerMs: LINGER_MS, idleMs: OPAQUE_IDLE_MS, signal }
        await spoolRelay(connection, local, limits).catch(() => {}) // both are closed: that says it
      } catch (thrown) {
        endWithPage(connection, faultPage(toAlliumError(thrown), request.headers.accept))
      }
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
}

/** Path and query of a request target; the authority of an absolute one is not believed. */
function originForm(target: string): string {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, "")
  if (path.startsWith("/")) return path
  if (path === "" || path.startsWith("?")) return `/${path}`
  throw new AlliumError("BAD_REQUEST", "Cannot read path: it does not begin with a slash")
}

function methodFault({ method }: IncomingMessage): AlliumError | undefined {
  if (method !== "TRACE" && method !== "CONNECT") return undefined
  return new AlliumError("METHOD_NOT_ALLOWED", "Cannot do that here: expected an ordinary request")
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

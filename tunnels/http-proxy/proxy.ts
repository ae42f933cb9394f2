/**
 * What becomes of a request: who asks, where it goes, how it looks there. Opaque bytes pass only after a
 * CONNECT or an agreed upgrade.
 *
 * @module
 */
import { type IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import {
  AlliumError,
  answerWithPage,
  type ExchangeLimits,
  endWithPage,
  exchange,
  type FaultPage,
  type Field,
  isAlliumError,
  leadsAstray,
  Meter,
  Spool,
  type SpoolPlace,
  spoolRelay,
  type TunnelContext,
  toAlliumError,
  upgrade,
  withoutFields,
} from "allium/tunnel"
import { AddressHelper, readHelperLink } from "./address-helper.ts"
import { InTurn } from "./in-turn.ts"
import { jumpLinks } from "./jump.ts"
import { ANY_OUTPROXY, connectThrough } from "./outproxy.ts"
import { type Extra, proxyPage } from "./pages.ts"
import { type PlanSettings, Plans, type Visit } from "./plans.ts"
import { SiteNames } from "./site-names.ts"
import { type ProxyTarget, parseConnectTarget, parseProxyUrl } from "./target.ts"
import type { SiteWay, SiteWays } from "./ways.ts"

/** After a program's last word, an opaque connection waits so long for the rest. */
const LINGER_MS = 60_000
/** What the system takes for a program that does not read yet, for certain, in bytes. */
const SHORT_ANSWER_BYTES = 64 * 1024
/** Protocols that are HTTP again, or hide it: the site answers in HTTP/1.1 instead. */
const NEVER_SWITCHED = /^(?:h2c?|http\/|tls\/)/i

/** How a proxy behaves. */
export interface ProxySettings extends PlanSettings {
  readonly limits: ExchangeLimits
  /** Ports CONNECT does not go to. */
  readonly refusedPorts: readonly number[]
  readonly jumps: readonly string[]
  /** An opaque connection on which nothing moves. */
  readonly opaqueIdleMs: number
}

/** Answers requests. */
export class HttpProxy {
  readonly counters = new Meter(["requests", "connects", "upgrades"])
  readonly #context: TunnelContext
  readonly #settings: ProxySettings
  readonly #place: SpoolPlace
  readonly #names: SiteNames
  readonly #plans: Plans
  readonly #helper: AddressHelper
  readonly #turns = new InTurn()
  /** Connections the server has let go of: CONNECT and upgrades. */
  readonly #opaque = new Set<Duplex>()

  constructor(
    context: TunnelContext,
    settings: ProxySettings,
    { ways, place }: { ways: SiteWays; place: SpoolPlace },
  ) {
    this.#context = context
    this.#settings = settings
    this.#place = place
    this.#names = new SiteNames(context)
    this.#plans = new Plans(this.#names, ways, settings)
    this.#helper = new AddressHelper(this.#names, () => context.clock.monotonicMs())
  }

  close(): void {
    for (const connection of this.#opaque) connection.destroy()
  }

  /** The connection carries a CONNECT or an upgrade. */
  isOpaque(connection: Duplex): boolean {
    return this.#opaque.has(connection)
  }

  /** Bytes that went over I2P. */
  count(bytesIn: number, bytesOut: number): void {
    this.counters.moved(bytesIn, bytesOut)
  }

  request = (request: IncomingMessage, response: ServerResponse): void => {
    this.counters.add("requests")
    this.#turns.run(request.socket, response, () => {
      this.#exchange(request, response).catch((thrown) => {
        const error = this.#tell(thrown)
        answerWithPage({ request, response }, error, this.#pageFor(error, request))
      })
    })
  }

  connect = (request: IncomingMessage, connection: Duplex, head: Buffer): void => {
    this.counters.add("connects")
    void this.#handOver(request, connection, () => this.#connect(request, connection, head))
  }

  upgrade = (request: IncomingMessage, connection: Duplex, head: Buffer): void => {
    this.counters.add("upgrades")
    void this.#handOver(request, connection, () => this.#upgrade(request, connection, head))
  }

  async #exchange(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const user = this.#plans.admit(request)
    const wanted = this.#plans.wanted(request)
    const link = readHelperLink(wanted.path)
    if (link === undefined) return this.#passOn(request, response, { user, wanted })
    const outcome = await this.#helper.judge(link, wanted, { request, user })
    if (outcome.do === "go") {
      const clean = { ...wanted, path: outcome.path }
      return this.#passOn(request, response, { user, wanted: clean })
    }
    if (outcome.do === "return") return sendBack(response, outcome.location)
    const page = proxyPage(outcome.error, request.headers, outcome.extra)
    answerWithPage({ request, response }, this.#tell(outcome.error), page)
  }

  async #passOn(request: IncomingMessage, response: ServerResponse, visit: Visit): Promise<void> {
    const { way, target } = await this.#plans.plan(request, visit)
    const { limits } = this.#settings
    const firstByte = this.counters.awaitFirstByte()
    const answerFields = (fields: Field[]): Field[] => {
      firstByte()
      return this.answerFields(fields)
    }
    const through = this.#leaveStream
    const call = { request, response, target, limits, answerFields, through }
    await exchange(call).finally(way.release)
  }

  /** There are few streams to a site: an answer whose reader is slow waits here, not in one of them. */
  readonly #leaveStream = ({ headers }: IncomingMessage): Spool | undefined => {
    const isShort = Number(headers["content-length"] ?? Infinity) <= SHORT_ANSWER_BYTES
    const neverEnds = headers["content-type"]?.startsWith("text/event-stream") === true
    return isShort || neverEnds ? undefined : new Spool(this.#place)
  }

  async #connect(request: IncomingMessage, connection: Duplex, head: Buffer): Promise<void> {
    const user = this.#plans.admit(request)
    const wanted = parseConnectTarget(request.url ?? "", this.#plans.rules)
    if (this.#settings.refusedPorts.includes(wanted.port)) throw portRefused(wanted.port)
    const way = await this.#plans.wayFor(request, { user, wanted })
    try {
      const stream = await this.#reach(way, wanted, connection)
      connection.write("HTTP/1.1 200 Connection established\r\n\r\n")
      if (head.length > 0) connection.unshift(head)
      await this.#join(stream, connection)
    } finally {
      way.release()
    }
  }

  async #reach(way: SiteWay, wanted: ProxyTarget, connection: Duplex): Promise<Duplex> {
    const abort = new AbortController()
    connection.once("close", () => abort.abort())
    const signal = AbortSignal.any([abort.signal, this.#context.signal])
    const { port, typedHost } = wanted
    if (!wanted.isOutside) {
      const { address } = await this.#names.find(wanted.host)
      return way.dial(address, { port, signal })
    }
    const stream = await way.dial(ANY_OUTPROXY, { port: 0, signal })
    const { answerMs } = this.#settings.limits
    const options = { place: this.#place, lingerMs: LINGER_MS, answerMs, signal }
    return connectThrough(stream, `${typedHost}:${port}`, options)
  }

  async #upgrade(request: IncomingMessage, connection: Duplex, head: Buffer): Promise<void> {
    const user = this.#plans.admit(request)
    const wanted = this.#plans.wanted(request)
    const { limits } = this.#settings
    const { answerFields } = this
    const { way, target } = await this.#plans.plan(request, { user, wanted })
    try {
      if (NEVER_SWITCHED.test(request.headers.upgrade ?? "")) {
        const response = responseOn(connection, request)
        await exchange({ request, response, target, limits, answerFields })
        return void connection.end()
      }
      const call = { request, connection, head, target, limits, answerFields }
      const stream = await upgrade(call)
      if (stream !== undefined) await this.#join(stream, connection)
    } finally {
      way.release()
    }
  }

  async #join(stream: Duplex, connection: Duplex): Promise<void> {
    const { opaqueIdleMs: idleMs } = this.#settings
    const options = { place: this.#place, lingerMs: LINGER_MS, idleMs }
    const onBytes = (bytesIn: number, bytesOut: number) => this.count(bytesIn, bytesOut)
    await spoolRelay(stream, connection, { ...options, onBytes, signal: this.#context.signal })
  }

  /** Runs what owns `connection` from now on; a failure before anything was answered gets a page. */
  async #handOver(
    request: IncomingMessage,
    connection: Duplex,
    run: () => Promise<void>,
  ): Promise<void> {
    this.#opaque.add(connection)
    connection.once("close", () => this.#opaque.delete(connection))
    connection.on("error", () => {}) // told by what runs
    if (this.#turns.isBusy(connection)) return void connection.destroy() // answers would overtake
    const answeredBytes = () => (connection as { bytesWritten?: number }).bytesWritten ?? 0
    const before = answeredBytes()
    try {
      await run()
    } catch (thrown) {
      const error = this.#tell(thrown)
      if (answeredBytes() > before) connection.destroy()
      else endWithPage(connection, this.#pageFor(error, request))
    }
  }

  #tell(thrown: unknown): AlliumError {
    this.#context.log.debug("request.failed", { code: this.counters.fail(thrown) })
    return toAlliumError(thrown)
  }

  #pageFor(error: AlliumError, request: IncomingMessage): FaultPage {
    return proxyPage(error, request.headers, this.#extraFor(error, request))
  }

  #extraFor(error: AlliumError, { method, url = "" }: IncomingMessage): Extra | undefined {
    const { jumps } = this.#settings
    if (!isAlliumError(error, "NAME_NOT_FOUND") || jumps.length === 0) return undefined
    const parse = method === "CONNECT" ? parseConnectTarget : parseProxyUrl
    const { host } = parse(url, this.#plans.rules)
    return jumpLinks(jumps, host)
  }

  readonly answerFields = (fields: Field[]): Field[] => withoutFields(fields, leadsAstray)
}

function portRefused(port: number): AlliumError {
  const message = `Cannot connect: this proxy does not go to port ${port}, see --refuse-ports`
  return new AlliumError("PROXY_REFUSED", message)
}

function sendBack(response: ServerResponse, location: string): void {
  const headers = ["Location", location, "Cache-Control", "no-store", "Content-Length", "0"]
  response.sendDate = false
  response.writeHead(303, headers).end()
}

/** An answer on a connection that its server has let go of; it is the last. */
function responseOn(connection: Duplex, request: IncomingMessage): ServerResponse {
  const response = new ServerResponse(request)
  response.assignSocket(connection as Parameters<typeof response.assignSocket>[0])
  response.shouldKeepAlive = false
  return response
}

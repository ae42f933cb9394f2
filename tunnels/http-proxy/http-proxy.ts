/**
 * The proxy: every message of every connection is read by a strict parser and written anew.
 *
 * Opaque bytes pass only after a CONNECT or an agreed upgrade.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-7
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import {
  AlliumError,
  answerWithPage,
  Counters,
  type ExchangeLimits,
  type ExchangeTarget,
  endWithPage,
  exchange,
  type Field,
  faultPage,
  type HostPort,
  leadsAstray,
  listen,
  makeHttpServer,
  type OpenTunnel,
  parseDestination,
  readFields,
  requestFault,
  Scope,
  SpoolPlace,
  spoolRelay,
  type TunnelContext,
  toAlliumError,
  upgrade,
  withoutFields,
} from "allium/tunnel"
import { fieldsForSite } from "./request-fields.ts"
import { hostAgrees, type ProxyTarget, parseConnectTarget, parseProxyUrl } from "./target.ts"
import { openUpstream, type Upstream } from "./upstream.ts"

const SERVER_LIMITS = {
  headBytesMax: 64 * 1024,
  headMs: 30_000,
  requestMs: 0, // an upload may take hours; one that stalls runs into `answerMs`
  keepAliveMs: 75_000,
}
/** After a program's last word, an opaque connection waits so long for the rest. */
const LINGER_MS = 60_000
/** An opaque connection on which nothing moves. */
const OPAQUE_IDLE_MS = 3_600_000

/** What {@linkcode openHttpProxy} needs. */
export interface HttpProxySettings extends HostPort {
  /** How long to look for a site. */
  readonly waitMs: number
  readonly limits: ExchangeLimits
  readonly connectionsMax: number
  readonly spoolBytesMax: number
}

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
  const upstream = scope.use(openUpstream(context, { place, waitMs: settings.waitMs }))
  const server = makeHttpServer(SERVER_LIMITS)
  server.maxConnections = settings.connectionsMax
  const proxy = new HttpProxy(context, settings, upstream, place)
  server.on("request", proxy.request)
  server.on("checkContinue", proxy.request)
  server.on("upgrade", proxy.upgrade)
  server.on("connect", proxy.connect)
  server.on("drop", () => proxy.counters.add("refused"))
  const listens = await listen(server, settings)
  const owned = scope.move()
  owned.defer(() => {
    server.close()
    server.closeAllConnections()
    proxy.close()
  })
  void context.session({ keys: "transient" }).catch((error) => {
    context.log.warn("session.failed", { code: proxy.counters.fail(error) })
  })
  return {
    listens,
    counters: () => proxy.counters.read(),
    [Symbol.asyncDispose]: () => owned.close(),
  }
}

class HttpProxy {
  readonly counters = new Counters(["requests", "connects", "upgrades", "refused"])
  readonly #context: TunnelContext
  readonly #limits: ExchangeLimits
  readonly #upstream: Upstream
  readonly #place: SpoolPlace
  /** Connections the server has let go of: CONNECT and upgrades. */
  readonly #opaque = new Set<Duplex>()

  constructor(
    context: TunnelContext,
    { limits }: HttpProxySettings,
    upstream: Upstream,
    place: SpoolPlace,
  ) {
    this.#context = context
    this.#limits = limits
    this.#upstream = upstream
    this.#place = place
  }

  close(): void {
    for (const connection of this.#opaque) connection.destroy()
  }

  request = (request: IncomingMessage, response: ServerResponse): void => {
    this.counters.add("requests")
    void this.#exchange(request, response).catch((thrown) => {
      this.#tell(thrown)
      answerWithPage({ request, response }, toAlliumError(thrown))
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
    const target = await this.#target(request)
    const { answerFields } = this
    await exchange({ request, response, target, limits: this.#limits, answerFields })
  }

  async #connect(request: IncomingMessage, connection: Duplex, head: Buffer): Promise<void> {
    const fault = requestFault(request)
    if (fault !== undefined) throw fault
    const { host, port } = parseConnectTarget(request.url ?? "")
    const abort = new AbortController()
    connection.once("close", () => abort.abort())
    const signal = AbortSignal.any([abort.signal, this.#context.signal])
    const address = await this.#context.resolve(host, { signal })
    const stream = await this.#upstream.dial(address, { port, signal })
    connection.write("HTTP/1.1 200 Connection established\r\n\r\n")
    if (head.length > 0) connection.unshift(head)
    await this.#join(stream, connection)
  }

  async #upgrade(request: IncomingMessage, connection: Duplex, head: Buffer): Promise<void> {
    if (request.headers.upgrade?.toLowerCase() !== "websocket")
      throw new AlliumError("BAD_REQUEST", "Cannot switch protocols: only to websocket")
    const target = await this.#target(request)
    const { answerFields } = this
    const call = { request, connection, head, target, limits: this.#limits, answerFields }
    const stream = await upgrade(call)
    if (stream !== undefined) await this.#join(stream, connection)
  }

  async #join(stream: Duplex, connection: Duplex): Promise<void> {
    const options = { place: this.#place, lingerMs: LINGER_MS, idleMs: OPAQUE_IDLE_MS }
    await spoolRelay(stream, connection, { ...options, signal: this.#context.signal })
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
    const answeredBytes = () => (connection as { bytesWritten?: number }).bytesWritten ?? 0
    const before = answeredBytes()
    try {
      await run()
    } catch (thrown) {
      this.#tell(thrown)
      if (answeredBytes() > before) connection.destroy()
      else endWithPage(connection, faultPage(toAlliumError(thrown), request.headers.accept))
    }
  }

  #tell(thrown: unknown): void {
    this.#context.log.debug("request.failed", { code: this.counters.fail(thrown) })
  }

  async #target(request: IncomingMessage): Promise<ExchangeTarget> {
    const fault = requestFault(request) ?? methodFault(request)
    if (fault !== undefined) throw fault
    const wanted = parseProxyUrl(request.url ?? "")
    if (!hostAgrees(request.headers.host, wanted))
      throw new AlliumError("BAD_REQUEST", "Cannot open page: URL and Host field name two sites")
    const address = await this.#context.resolve(wanted.host, { signal: this.#context.signal })
    const fields = fieldsForSite(readFields(request.rawHeaders), {
      typedHost: wanted.host,
      port: wanted.port,
      b32: b32Of(address),
    })
    return this.#through(wanted, address, fields)
  }

  #through({ port, path }: ProxyTarget, address: string, fields: readonly Field[]): ExchangeTarget {
    return { agent: this.#upstream.agent, host: address, port, path, fields }
  }

  readonly answerFields = (fields: Field[]): Field[] => withoutFields(fields, leadsAstray)
}

/** A name the site knows itself by: private names stay here. */
function b32Of(address: string): string {
  return address.endsWith(".i2p") ? address : parseDestination(address).b32
}

function methodFault({ method }: IncomingMessage): AlliumError | undefined {
  if (method !== "TRACE") return undefined
  return new AlliumError("METHOD_NOT_ALLOWED", "Cannot trace: it would show what the proxy hides")
}

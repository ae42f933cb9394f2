/**
 * The listener of a `socks` and what becomes of each connection.
 *
 * @module
 */
import { createServer, type Socket } from "node:net"
import {
  AlliumError,
  awaitSession,
  Meter,
  type OpenTunnel,
  openLocalPort,
  type ProxyRules,
  readI2pHost,
  type SamStream,
  Scope,
  SpoolPlace,
  spoolRelay,
  type TunnelContext,
  Ways,
  warmUp,
} from "allium/tunnel"
import { openByteReader } from "./byte-reader.ts"
import { type Isolation, isolationKey } from "./isolation.ts"
import { MadeUpAddresses } from "./made-up-addresses.ts"
import { formatName, formatReply, REPLY, replyFor } from "./reply.ts"
import { type Admit, COMMANDS, readSocks, type SocksAddress, type SocksRequest } from "./request.ts"

/** A program says what it wants in less. */
const GREETING_MS = 15_000
/** Connections that have not said yet what they want; the oldest makes room. */
const GREETINGS_MAX = 64

/** For a program to close its side, once it was told the end. */
const LEAVE_MS = 5_000

/** What {@linkcode openSocks} needs; units are in the names. */
export interface SocksSettings extends ProxyRules {
  readonly isolation: Isolation
  readonly admit: Admit
  readonly lingerMs: number
}

/** A bare stream to a host of I2P. */
type Dial = (host: string, call: { port: number; signal: AbortSignal }) => Promise<SamStream>

/** Listens. @throws {AlliumError} `PORT_TAKEN`, `LISTEN_FAILED`. */
export async function openSocks(
  context: TunnelContext,
  settings: SocksSettings,
): Promise<OpenTunnel> {
  await using scope = new Scope()
  const ways = scope.use(openSocksWays(context, settings))
  const proxy = new SocksProxy(context, settings, ways, scope.signal)
  const server = createServer({ allowHalfOpen: true, noDelay: true })
  const listens = await openLocalPort(server, settings, proxy)
  const owned = scope.move()
  owned.defer(() => server.close())
  if (!settings.isLazy)
    warmUp(() => context.session({ keys: "transient" }), { context, meter: proxy.meter })
  return {
    listens,
    counters: () => ({ ...proxy.meter.read(), sessions: ways.count }),
    [Symbol.asyncDispose]: () => owned.close(),
  }
}

function openSocksWays(context: TunnelContext, settings: SocksSettings) {
  const { waitMs, sessionWaitMs } = settings
  return new Ways(context, settings, (session) => {
    const dial: Dial = async (host, { port, signal }) => {
      const own = await session()
      await awaitSession(own, { signal, waitMs: sessionWaitMs })
      return context.dial(own, host, { signal, waitMs, toPort: port })
    }
    return { dial, destroy: () => {} }
  })
}

/** What the program is told, and what follows. */
interface Answer {
  readonly reply: Uint8Array
  readonly stream?: SamStream
  readonly release?: () => void
}

class SocksProxy {
  readonly meter = new Meter(["resolved"])
  readonly #context: TunnelContext
  readonly #settings: SocksSettings
  readonly #ways: ReturnType<typeof openSocksWays>
  readonly #signal: AbortSignal
  readonly #place: SpoolPlace
  readonly #madeUp = new MadeUpAddresses()
  readonly #greeting = new Set<Socket>()

  constructor(
    context: TunnelContext,
    settings: SocksSettings,
    ways: ReturnType<typeof openSocksWays>,
    signal: AbortSignal,
  ) {
    this.#context = context
    this.#settings = settings
    this.#ways = ways
    this.#signal = signal
    this.#place = new SpoolPlace(context.folder, settings.spoolBytesMax)
  }

  readonly take = (local: Socket): void => {
    const gone = new AbortController()
    local.once("close", () => gone.abort(new AlliumError("ABORTED", "Cannot go on: it closed")))
    void this.#serve(local, AbortSignal.any([this.#signal, gone.signal]))
  }

  async #serve(local: Socket, signal: AbortSignal): Promise<void> {
    try {
      const request = await this.#greet(local, signal)
      const { reply, stream, release } = await this.#answer(request, signal).catch((error) => {
        local.write(formatReply(request.version, replyFor(error)))
        throw error
      })
      local.write(reply)
      if (stream === undefined) letGo(local)
      else await this.#relay(stream, local).finally(release)
    } catch (error) {
      const code = this.meter.fail(error)
      if (!signal.aborted) this.#context.log.info("connection.failed", { code })
      letGo(local)
    }
  }

  /** Reads what the program wants; one that is slow, or one of too many, is let go. */
  async #greet(local: Socket, signal: AbortSignal): Promise<SocksRequest> {
    const [oldest] = this.#greeting
    if (this.#greeting.size >= GREETINGS_MAX) oldest?.destroy()
    this.#greeting.add(local)
    const { admit } = this.#settings
    const slow = new AbortController()
    const timer = setTimeout(() => slow.abort(tooSlow()), GREETING_MS).unref()
    const reader = openByteReader(local, AbortSignal.any([signal, slow.signal]))
    try {
      return await readSocks(reader, { say: (bytes) => local.write(bytes), admit })
    } catch (error) {
      throw slow.signal.aborted ? slow.signal.reason : error
    } finally {
      reader.close()
      clearTimeout(timer)
      this.#greeting.delete(local)
    }
  }

  async #answer(request: SocksRequest, signal: AbortSignal): Promise<Answer> {
    const { version, command } = request
    if (command === COMMANDS.connect) return this.#connect(request, signal)
    const isPtr = command === COMMANDS.resolvePtr && version === 5
    if (command !== COMMANDS.resolve && !isPtr) throw badCommand()
    const host = this.#hostOf(request.address)
    this.meter.add("resolved")
    if (isPtr) return { reply: formatName(host) }
    return { reply: formatReply(version, REPLY.done, this.#madeUp.of(host)) }
  }

  async #connect(request: SocksRequest, signal: AbortSignal): Promise<Answer> {
    const { version, port, credentials } = request
    const host = this.#hostOf(request.address)
    const key = isolationKey(this.#settings.isolation, { credentials, host })
    const { dial, release } = this.#ways.take(key)
    try {
      const stream = await dial(host, { port, signal })
      return { reply: formatReply(version, REPLY.done), stream, release }
    } catch (error) {
      release()
      throw error
    }
  }

  /** The program may have said more already: it waits in the connection. */
  async #relay(stream: SamStream, local: Socket): Promise<void> {
    local.setKeepAlive(true)
    const { lingerMs } = this.#settings
    const onBytes = this.meter.watch("in")
    await spoolRelay(stream, local, { place: this.#place, lingerMs, signal: this.#signal, onBytes })
  }

  /** @throws {AlliumError} `PROXY_REFUSED`, `BAD_NAME`; `BAD_INPUT` for an address of unknown type. */
  #hostOf(address: SocksAddress): string {
    const ip = address.kind === "ipv4" ? address.ip : address.kind === "name" ? address.name : ""
    const known = this.#madeUp.nameOf(ip) // torsocks says it as a name
    if (known !== undefined) return known
    if (address.kind === "name") return readI2pHost(address.name)
    throw address.kind === "unknown" ? badAddress() : notInside()
  }
}

/** Ends a connection so that the last words arrive: what the program still says is read away. */
function letGo(local: Socket): void {
  if (local.destroyed) return
  local.end()
  local.resume()
  const timer = setTimeout(() => local.destroy(), LEAVE_MS).unref()
  local.once("close", () => clearTimeout(timer))
}

function tooSlow(): AlliumError {
  return new AlliumError("TOO_SLOW", "Cannot read request: it did not come in time")
}

function badCommand(): AlliumError {
  const message = "Cannot do it: expected CONNECT, RESOLVE or RESOLVE_PTR"
  return new AlliumError("METHOD_NOT_ALLOWED", message)
}

function badAddress(): AlliumError {
  return new AlliumError("BAD_INPUT", "Cannot connect: the address is of an unknown type")
}

function notInside(): AlliumError {
  const message =
    "Cannot connect: an IP address leads out of I2P, expected a name that ends in .i2p"
  return new AlliumError("PROXY_REFUSED", message)
}

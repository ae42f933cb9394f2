/**
 * The listener of a `socks` and what becomes of each connection.
 *
 * @module
 */
import { once } from "node:events"
import { createServer, type Socket } from "node:net"
import {
  AlliumError,
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
  type Users,
  type Way,
  warmUp,
} from "allium/tunnel"
import { openAssociation } from "./association.ts"
import { Greetings } from "./greetings.ts"
import { type Isolation, isolationKey } from "./isolation.ts"
import { MadeUpAddresses } from "./made-up-addresses.ts"
import { formatName, formatReply, REPLY, replyFor } from "./reply.ts"
import { COMMANDS, type SocksAddress, type SocksRequest } from "./request.ts"
import { openWays, type SocksWays, type WayKit } from "./ways.ts"

/** For a program to close its side, once it was told the end. */
const LEAVE_MS = 5_000

/** What {@linkcode openSocks} needs; units are in the names. */
export interface SocksSettings extends ProxyRules {
  readonly isolation: Isolation
  readonly users: Users
  /** Datagrams go without tags. */
  readonly isPlain: boolean
  readonly lingerMs: number
}

/** Listens. @throws {AlliumError} `PORT_TAKEN`, `LISTEN_FAILED`. */
export async function openSocks(
  context: TunnelContext,
  settings: SocksSettings,
): Promise<OpenTunnel> {
  await using scope = new Scope()
  const meter = new Meter(["resolved", "datagramsIn", "datagramsOut", "lost"], context.clock)
  const ways = scope.use(openWays(context, { ...settings, meter }))
  const proxy = new SocksProxy({ context, settings, ways, meter, signal: scope.signal })
  const server = createServer({ allowHalfOpen: true, noDelay: true })
  const listens = await openLocalPort(server, settings, { meter, take: proxy.take })
  const owned = scope.move()
  owned.defer(() => server.close())
  if (!settings.isLazy) warmUp(() => ways.warmUp(), { context, meter })
  return {
    listens,
    counters: () => ({ ...meter.read(), sessions: ways.count }),
    [Symbol.asyncDispose]: () => owned.close(),
  }
}

/** What the program is told, and what follows; nothing, unless given. */
interface Answer {
  readonly reply: Uint8Array
  readonly follow?: () => Promise<void>
}

/** One program's connection. */
interface Call {
  readonly request: SocksRequest
  readonly local: Socket
  /** Aborts when the connection is gone. */
  readonly signal: AbortSignal
}

interface Parts {
  readonly context: TunnelContext
  readonly settings: SocksSettings
  readonly ways: SocksWays
  readonly meter: Meter
  readonly signal: AbortSignal
}

class SocksProxy {
  readonly #parts: Parts
  readonly #place: SpoolPlace
  readonly #madeUp = new MadeUpAddresses()
  readonly #greetings: Greetings

  constructor(parts: Parts) {
    const { context, settings } = parts
    this.#parts = parts
    this.#place = new SpoolPlace(context.folder, settings.spoolBytesMax)
    this.#greetings = new Greetings(settings.users)
  }

  readonly take = (local: Socket): void => {
    const gone = new AbortController()
    local.once("close", () => gone.abort(new AlliumError("ABORTED", "Cannot go on: it closed")))
    void this.#serve(local, AbortSignal.any([this.#parts.signal, gone.signal]))
  }

  async #serve(local: Socket, signal: AbortSignal): Promise<void> {
    const { context, meter } = this.#parts
    try {
      const request = await this.#greetings.read(local, signal)
      const { reply, follow } = await this.#answer({ request, local, signal }).catch((error) => {
        local.write(formatReply(request.version, replyFor(error)))
        throw error
      })
      local.write(reply)
      if (follow === undefined) letGo(local)
      else await follow()
    } catch (error) {
      const code = meter.fail(error)
      if (!signal.aborted) context.log.info("connection.failed", { code })
      letGo(local)
    }
  }

  async #answer(call: Call): Promise<Answer> {
    const { version, command, address } = call.request
    if (command === COMMANDS.connect) return this.#connect(call)
    if (command === COMMANDS.associate && version === 5) return this.#associate(call)
    const isPtr = command === COMMANDS.resolvePtr && version === 5
    if (command !== COMMANDS.resolve && !isPtr) throw badCommand()
    const host = this.#hostOf(address)
    this.#parts.meter.add("resolved")
    if (isPtr) return { reply: formatName(host) }
    const madeUp = { host: this.#madeUp.of(host), port: 0 }
    return { reply: formatReply(version, REPLY.done, madeUp) }
  }

  async #connect({ request, local, signal }: Call): Promise<Answer> {
    const host = this.#hostOf(request.address)
    const { dial, release } = this.#wayTo(host, request)
    try {
      const stream = await dial(host, { port: request.port, signal })
      const follow = () => this.#relay(stream, local).finally(release)
      return { reply: formatReply(request.version, REPLY.done), follow }
    } catch (error) {
      release()
      throw error
    }
  }

  /** The session for datagrams opens at once, where there is one for all hosts. */
  async #associate({ request, local, signal }: Call): Promise<Answer> {
    const { settings, meter } = this.#parts
    const standing = settings.isolation === "site" ? undefined : this.#wayTo("", request)
    try {
      await standing?.datagrams.session()
      const association = await openAssociation(
        { local, request },
        {
          meter,
          hostOf: (address) => this.#hostOf(address),
          wayTo: (host) => this.#wayTo(host, request),
        },
      )
      const follow = () =>
        untilOver(local, signal).finally(() => {
          association[Symbol.dispose]()
          standing?.release()
        })
      return { reply: formatReply(5, REPLY.done, association.at), follow }
    } catch (error) {
      standing?.release()
      throw error
    }
  }

  #wayTo(host: string, { credentials }: SocksRequest): Way<WayKit> {
    const { ways, settings } = this.#parts
    return ways.take(isolationKey(settings.isolation, { credentials, host }))
  }

  /** The program may have said more already: it waits in the connection. */
  async #relay(stream: SamStream, local: Socket): Promise<void> {
    local.setKeepAlive(true)
    const { settings, meter, signal } = this.#parts
    const { lingerMs } = settings
    const onBytes = meter.watch("in")
    await spoolRelay(stream, local, { place: this.#place, lingerMs, signal, onBytes })
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

/** Until the program ends its connection, or the tunnel does; what it says meanwhile is read away. */
async function untilOver(local: Socket, signal: AbortSignal): Promise<void> {
  local.setKeepAlive(true)
  local.resume()
  if (!local.readableEnded) await once(local, "end", { signal }).catch(() => {})
  letGo(local)
}

/** Ends a connection so that the last words arrive: what the program still says is read away. */
function letGo(local: Socket): void {
  if (local.destroyed) return
  local.end()
  local.resume()
  const timer = setTimeout(() => local.destroy(), LEAVE_MS).unref()
  local.once("close", () => clearTimeout(timer))
}

function badCommand(): AlliumError {
  const message = "Cannot do it: expected CONNECT, UDP ASSOCIATE, RESOLVE or RESOLVE_PTR"
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

/**
 * Ways to sites: a session each, and connections kept for several requests. Everything that could tie two
 * requests together hangs at a way; isolation is having more than one.
 *
 * @module
 */
import { createHash } from "node:crypto"
import {
  AlliumError,
  isAlliumError,
  type SamStream,
  type Session,
  type SessionWish,
  type SpoolPlace,
  StreamAgent,
  StreamSocket,
  type TunnelContext,
  toAlliumError,
} from "allium/tunnel"
import { ANY_OUTPROXY, type Outproxy, outproxyInTurn } from "./outproxy.ts"
import { awaitSession } from "./session-wait.ts"

/** Streams to one site at a time, as many as browsers open. */
const STREAMS_PER_SITE_MAX = 8
/** Of one way, to all sites. */
const STREAMS_MAX = 256
/** Unused streams are closed before the site does: who closes first may lose nothing. */
const KEEP_MS = 30_000
/** The answer is complete by then; this only lets the site close first. */
const LINGER_MS = 5_000

/** What all ways of a proxy have in common. */
export interface WaySettings {
  /** How long to look for a site, once the session is up. */
  readonly waitMs: number
  /** How long to wait for the session. */
  readonly sessionWaitMs: number
  /** Ways at a time. */
  readonly sessionsMax: number
  /** A way that nobody used for so long is closed; never, when 0. */
  readonly idleMs: number
  /** A way that was closed comes back under the address it had. */
  readonly keepAddress: boolean
  readonly outproxies: readonly Outproxy[]
  readonly place: SpoolPlace
  readonly onBytes: (bytesIn: number, bytesOut: number) => void
}

/** A way in use; whoever took it gives it back with {@linkcode Way.release}, once. */
export interface Way {
  readonly agent: StreamAgent
  /** A bare stream, for CONNECT. `host` is an address, or {@linkcode ANY_OUTPROXY}. */
  dial(host: string, call: { port: number; signal: AbortSignal }): Promise<SamStream>
  release(): void
}

interface Standing {
  readonly key: string
  readonly agent: StreamAgent
  readonly dial: Way["dial"]
  users: number
  idle: NodeJS.Timeout | undefined
}

/** The ways of one proxy. */
export class Ways implements AsyncDisposable {
  readonly #context: TunnelContext
  readonly #settings: WaySettings
  /** The one that was given back last stands last. */
  readonly #standing = new Map<string, Standing>()

  constructor(context: TunnelContext, settings: WaySettings) {
    this.#context = context
    this.#settings = settings
  }

  /** Ways that stand. */
  get count(): number {
    return this.#standing.size
  }

  /**
   * The way for a key; its session opens with the first stream.
   * @throws {AlliumError} `SESSION_LIMIT` when there are as many as may be and all are in use.
   */
  take(key: string): Way {
    const way = this.#standing.get(key) ?? this.#open(key)
    way.users++
    clearTimeout(way.idle)
    let held = true
    const release = () => {
      if (held) this.#rest(way)
      held = false
    }
    return { agent: way.agent, dial: way.dial, release }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const way of this.#standing.values()) this.#end(way)
    this.#standing.clear()
  }

  #open(key: string): Standing {
    const { sessionsMax } = this.#settings
    if (this.#standing.size >= sessionsMax && !this.#closeOneIdle()) throw tooMany(sessionsMax)
    const dial = dialBy(this.#context, this.#settings, () => this.#session(key))
    const { place, onBytes } = this.#settings
    const agent = new StreamAgent(
      async ({ host, port }) => {
        const stream = await dial(host, { port, signal: this.#context.signal })
        return new StreamSocket(stream, { place, onBytes, lingerMs: LINGER_MS })
      },
      { perHostMax: STREAMS_PER_SITE_MAX, totalMax: STREAMS_MAX, keepMs: KEEP_MS },
    )
    const way: Standing = { key, agent, dial, users: 0, idle: undefined }
    this.#standing.set(key, way)
    return way
  }

  /** All tunnels share a budget: when it is spent, one of ours that rests makes room. */
  async #session(key: string): Promise<Session> {
    const open = () => this.#context.session(wishFor(key))
    return open().catch(async (error) => {
      const closing = isAlliumError(error, "SESSION_LIMIT") ? this.#closeOneIdle() : undefined
      if (closing === undefined) throw error
      await closing
      return open()
    })
  }

  #rest(way: Standing): void {
    way.users--
    if (way.users > 0 || this.#standing.get(way.key) !== way) return
    this.#standing.delete(way.key)
    this.#standing.set(way.key, way)
    const { idleMs } = this.#settings
    if (idleMs > 0) way.idle = setTimeout(() => this.#close(way), idleMs).unref()
  }

  /** Resolves when it has closed; `undefined` when all are in use. */
  #closeOneIdle(): Promise<void> | undefined {
    const oldest = [...this.#standing.values()].find(({ users }) => users === 0)
    return oldest === undefined ? undefined : this.#close(oldest)
  }

  async #close(way: Standing): Promise<void> {
    this.#standing.delete(way.key)
    this.#end(way)
    const { keepAddress } = this.#settings
    const { name } = wishFor(way.key)
    await this.#context.closeSession(name, { keepKeys: keepAddress }).catch((error) => {
      this.#context.log.warn("session.close-failed", { code: toAlliumError(error).code })
    })
  }

  #end({ agent, idle }: Standing): void {
    clearTimeout(idle)
    agent.destroy()
  }
}

/** The name of a session tells nothing of the site or user. */
function wishFor(key: string): SessionWish {
  if (key === "") return { keys: "transient" }
  const name = createHash("sha256").update(key).digest("hex").slice(0, 32)
  return { keys: "transient", name }
}

function dialBy(
  context: TunnelContext,
  { waitMs, sessionWaitMs, outproxies }: WaySettings,
  session: () => Promise<Session>,
): Way["dial"] {
  const inTurn = outproxyInTurn(outproxies)
  return async (host, { port, signal }) => {
    const own = await session()
    await awaitSession(own, { signal, waitMs: sessionWaitMs })
    const dial = (to: Outproxy) =>
      context.dial(own, to.host, { signal, waitMs, toPort: to.port }).catch((error) => {
        throw isAlliumError(error, "NAME_NOT_FOUND") ? notFound(error) : error
      })
    return host === ANY_OUTPROXY ? inTurn(dial) : dial({ host, port })
  }
}

/** A router that finds no LeaseSet says "no such name"; here it was an address, so somebody is away. */
function notFound(cause: AlliumError): AlliumError {
  const message = "Cannot reach site: it was not found in the network"
  return new AlliumError("PEER_UNREACHABLE", message, { cause })
}

function tooMany(sessionsMax: number): AlliumError {
  const message = `Cannot open page: ${sessionsMax} sessions of this proxy are in use, expected fewer`
  return new AlliumError("SESSION_LIMIT", message)
}

/**
 * A session that comes back: the router may be away, restart, hang, or quietly forget the session; the
 * destination stays the same, and so does this object.
 *
 * @module
 */
import { setMaxListeners } from "node:events"
import { openBackoff } from "../base/backoff.ts"
import { AlliumError, isAlliumError, toAlliumError } from "../base/errors.ts"
import { Backlog } from "./backlog.ts"
import type { BridgeAddress } from "./bridge-address.ts"
import { contextOf, type SamContext } from "./context.ts"
import { type Greeted, openConversation } from "./conversation.ts"
import { type Destination, parseDestination } from "./destination.ts"
import { HEARTBEAT_MS } from "./heartbeat.ts"
import { COOL_DOWN_MS, type KeyGuard, type KeyHold, processKeyGuard } from "./key-guard.ts"
import { LiveSession } from "./live-session.ts"
import { isDestinationText, isHashAddress, requireName } from "./names.ts"
import { createSession } from "./open-session.ts"
import type { ConnectCall, SamStream, Session, SessionState } from "./session.ts"
import { type KeyChoice, SessionKeys } from "./session-keys.ts"
import { type I2cpOptions, optionValues } from "./session-options.ts"
import { Standing, sessionClosed } from "./standing.ts"

/** Streams that may wait to be taken from `incoming`. */
const BACKLOG = 32
/** Destinations remembered by address; one has about 1 kB. */
const KNOWN_MAX = 256
/** How often one call may meet a dead session before it gives up. */
const LOSSES_MAX = 3
/** Waits between attempts: a bridge on this machine costs nothing to ask, and keys rest by themselves. */
const RETRY_FIRST_MS = 500
const RETRY_MOST_MS = 5_000
/** A session that lived this long counts as a success: the next waits begin short again. */
const STEADY_MS = 60_000

/** What a supervised session shall be. */
export interface SupervisedSessionOptions extends Partial<Omit<SamContext, "bridge">> {
  /** Asked for again before every attempt when it is a function: bridges move. */
  readonly bridge: BridgeAddress | (() => Promise<BridgeAddress>)
  readonly keys: KeyChoice
  /** Shown in the router's own pages, and sent to it only when given; letters, digits, `.`, `_`, `-`. */
  readonly nickname?: string
  /** I2CP options over the defaults, such as `inbound.length`. */
  readonly i2cpOptions?: I2cpOptions
  /** 30 s unless given. */
  readonly heartbeatMs?: number
  /** How long keys rest between two sessions; 10 s unless given. Less is for bridges that are not I2P. */
  readonly coolDownMs?: number
  /** Streams that may wait in `incoming`; 32 unless given. */
  readonly backlog?: number
  /** Who watches over the keys; one for the whole process unless given. */
  readonly guard?: KeyGuard
}

/**
 * Opens a session and keeps it open, with the same destination, until it is closed.
 *
 * @returns At once, in state `opening`, also when there is no bridge yet.
 * @throws {AlliumError} `BAD_DESTINATION_KEYS` when the keys are no private key file of ours, `BAD_INPUT`
 * for a nickname or option that no router reads.
 */
export function openSupervisedSession(options: SupervisedSessionOptions): Session {
  return new SupervisedSession(options)
}

class SupervisedSession implements Session {
  readonly incoming: Backlog<SamStream>
  readonly #options: SupervisedSessionOptions
  readonly #tools: Omit<SamContext, "bridge">
  readonly #keys: SessionKeys
  readonly #guard: KeyGuard
  readonly #standing: Standing
  readonly #over = new AbortController()
  readonly #known = new Map<string, Destination>()
  readonly #running: Promise<void>
  #live: LiveSession | undefined
  #tending: Promise<unknown> = Promise.resolve()

  constructor(options: SupervisedSessionOptions) {
    this.#options = options
    this.#tools = contextOf({ ...options, bridge: { host: "", port: 0 } })
    const { clock, log, random } = this.#tools
    const { keys, guard, nickname, i2cpOptions } = options
    if (nickname !== undefined) nicknames(nickname)
    optionValues(i2cpOptions)
    this.#keys = new SessionKeys(keys, random)
    this.#guard = guard ?? processKeyGuard(clock)
    this.#standing = new Standing({ clock, log })
    this.incoming = new Backlog(options.backlog ?? BACKLOG)
    setMaxListeners(0, this.#over.signal) // everything under way listens for the end
    this.#running = this.#run()
  }

  get destination(): Destination {
    return this.#keys.destination
  }

  get state(): SessionState {
    return this.#standing.state
  }

  watch(listener: (state: SessionState) => void): () => void {
    return this.#standing.watch(listener)
  }

  ready(call: { signal: AbortSignal }): Promise<void> {
    return this.#standing.up(call.signal)
  }

  async connect(target: string, call: ConnectCall): Promise<SamStream> {
    const name = this.#nameOf(target)
    if (name === this.destination.b32) throw ownDestination()
    return this.#onLive(call.signal, async (live) => {
      const known = this.#known.get(name)
      if (known) return live.connect(known, call)
      const stream = await live.connectByName(name, call).catch((error) => {
        const isAway = isHashAddress(name) && isAlliumError(error, "NAME_NOT_FOUND")
        throw isAway ? peerUnknown(error) : error
      })
      if (isHashAddress(name)) this.#remember(stream.peer)
      return stream
    })
  }

  async lookup(name: string, call: { signal: AbortSignal }): Promise<Destination> {
    return this.#onLive(call.signal, (live) => live.lookup(name, call.signal))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#standing.closed()
    this.#over.abort(sessionClosed())
    for (const stream of this.incoming.drain()) stream.destroy()
    await this.#running
  }

  /** Runs `task` on the session that is up; again on the next one when it turns out to be dead. */
  async #onLive<T>(signal: AbortSignal, task: (live: LiveSession) => Promise<T>): Promise<T> {
    for (let losses = 1; ; losses++) {
      await this.#standing.up(signal)
      const live = this.#live
      if (live === undefined) throw sessionClosed()
      try {
        return await task(live)
      } catch (error) {
        if (!isAlliumError(error, "SESSION_LOST") || losses >= LOSSES_MAX) throw error
        live.lose(error)
        await this.#tending
      }
    }
  }

  /** What to call the target; a whole destination is remembered by its address. */
  #nameOf(target: string): string {
    if (!isDestinationText(target)) return requireName(target)
    const peer = parseDestination(target)
    this.#remember(peer)
    return peer.b32
  }

  /** Addresses made of a hash stand for one destination for ever, so it is asked for once. */
  #remember(peer: Destination): void {
    const [oldest] = this.#known.keys()
    if (this.#known.size >= KNOWN_MAX && oldest !== undefined) this.#known.delete(oldest)
    this.#known.set(peer.b32, peer)
  }

  async #run(): Promise<void> {
    const { clock, chance, log } = this.#tools
    const { signal } = this.#over
    const backoff = openBackoff({ firstMs: RETRY_FIRST_MS, mostMs: RETRY_MOST_MS, chance })
    while (!signal.aborted) {
      const beginMs = clock.monotonicMs()
      const reason = await this.#liveOnce().catch(toAlliumError)
      if (signal.aborted) return
      this.#standing.lost(reason)
      log.warn("sam.session-down", { code: reason.code })
      if (clock.monotonicMs() - beginMs > STEADY_MS) backoff.reset()
      await clock.sleep(backoff.next(), { signal }).catch(() => {}) // closing ends the sleep
    }
  }

  /** One life of the session; resolves with why it ended. */
  async #liveOnce(): Promise<AlliumError> {
    const { bridge, nickname, i2cpOptions = {} } = this.#options
    const { signal } = this.#over
    const address = typeof bridge === "function" ? await bridge() : bridge
    const context = { ...this.#tools, bridge: address }
    const greeted = await openConversation(context, { signal })
    this.#standing.answered()
    this.#keys.use()
    const hold = await this.#hold(greeted)
    try {
      const names = nickname === undefined ? {} : nicknames(nickname)
      const options = { keys: this.#keys.file, i2cpOptions: { ...names, ...i2cpOptions }, signal }
      const live = new LiveSession(await createSession(greeted, { ...context, ...options }))
      const tending = this.#tend(live)
      this.#tending = tending
      return await tending
    } finally {
      greeted.conversation.close()
      await hold.release()
    }
  }

  /** Only when the bridge answers: a bridge that is away shall not cost a cool-down. */
  async #hold({ conversation }: Greeted): Promise<KeyHold> {
    try {
      const { coolDownMs = COOL_DOWN_MS } = this.#options
      return await this.#guard.hold(this.destination.b32, { signal: this.#over.signal, coolDownMs })
    } catch (error) {
      conversation.close()
      throw error
    }
  }

  async #tend(live: LiveSession): Promise<AlliumError> {
    const { signal } = this.#over
    const close = () => live.lose(signal.reason)
    signal.addEventListener("abort", close, { once: true })
    if (signal.aborted) close()
    this.#live = live
    this.#standing.opened()
    this.#tools.log.info("sam.session-up")
    const { heartbeatMs = HEARTBEAT_MS } = this.#options
    const reason = await live.run({ incoming: this.incoming, heartbeatMs })
    signal.removeEventListener("abort", close)
    this.#live = undefined
    this.#standing.lost(reason)
    live.end(reason)
    return reason
  }
}

function nicknames(nickname: string): I2cpOptions {
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(nickname))
    throw new AlliumError(
      "BAD_INPUT",
      "Cannot open session: nickname has other characters than letters, digits, . _ and -",
    )
  return { "inbound.nickname": nickname, "outbound.nickname": nickname }
}

function peerUnknown(cause: unknown): AlliumError {
  const found = "the network does not know that address now, expected a LeaseSet"
  return new AlliumError("PEER_UNREACHABLE", `Cannot connect to peer: ${found}`, { cause })
}

/** Routers differ: 2.45.1 gives a mute stream, newer i2pd an error, Java I2P a stream. */
function ownDestination(): AlliumError {
  const found = "that is our own destination, expected another one"
  return new AlliumError("PEER_UNREACHABLE", `Cannot connect to peer: ${found}`)
}

/**
 * A datagram session that comes back: the router may be away, restart or hang; the destination stays the
 * same, and so does this object.
 *
 * @module
 */
import { openBackoff } from "../base/backoff.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import { Queue } from "../base/queue.ts"
import type { BridgeAddress } from "./bridge-address.ts"
import { contextOf, type SamContext } from "./context.ts"
import { openConversation } from "./conversation.ts"
import { type Datagrams, openDatagrams } from "./datagram.ts"
import type { Datagram, DatagramStyle } from "./datagram-format.ts"
import type { Destination } from "./destination.ts"
import { HEARTBEAT_MS, watchSession } from "./heartbeat.ts"
import { COOL_DOWN_MS, type KeyGuard, processKeyGuard } from "./key-guard.ts"
import { lookupName } from "./names.ts"
import type { Session } from "./session.ts"
import { type KeyChoice, SessionKeys } from "./session-keys.ts"
import { Standing, sessionClosed } from "./standing.ts"
import { withSignals } from "./within.ts"

/** Datagrams that may wait to be taken from `incoming`; more are lost, and counted. */
const ARRIVED_MAX = 256
/** Waits between attempts to open it again. */
const REOPEN_FIRST_MS = 500
const REOPEN_MOST_MS = 5_000

/** One destination of ours that speaks in datagrams, alive until it is closed. */
export interface DatagramSession
  extends Pick<Session, "destination" | "state" | "watch" | "ready" | "lookup">,
    AsyncDisposable {
  /** Bounded; one consumer; ends when the session is closed for good. */
  readonly incoming: AsyncIterable<Datagram>
  /** How many were lost because nobody took those that waited. */
  readonly lostCount: number
  /**
   * Hands one to the router; that is all that is ever known.
   *
   * @param payload - 1 to 31,744 bytes.
   * @throws {AlliumError} `SESSION_LOST` while the session is not up, `SESSION_CLOSED`, `TOO_LARGE`, `BUSY`,
   * `BRIDGE_UNREACHABLE`.
   */
  send(target: Destination, payload: Uint8Array): Promise<void>
}

/** What a supervised datagram session shall be. */
export interface SupervisedDatagramsOptions extends Partial<Omit<SamContext, "bridge">> {
  /** Asked before every attempt: bridges move. */
  readonly bridge: () => Promise<BridgeAddress>
  /** Of no other session: on i2pd a destination has streams or datagrams. */
  readonly keys: KeyChoice
  readonly style: DatagramStyle
  /** How long keys rest between two sessions; 10 s unless given. */
  readonly coolDownMs?: number
  /** Who watches over the keys; one for the whole process unless given. */
  readonly guard?: KeyGuard
}

/**
 * Opens a datagram session and keeps it open until it is closed.
 *
 * @returns At once, in state `opening`, also when there is no bridge yet.
 * @throws {AlliumError} `BAD_DESTINATION_KEYS`.
 */
export function openSupervisedDatagrams(options: SupervisedDatagramsOptions): DatagramSession {
  return new SupervisedDatagrams(options)
}

class SupervisedDatagrams implements DatagramSession {
  readonly incoming = new Queue<Datagram>(ARRIVED_MAX)
  readonly #options: SupervisedDatagramsOptions
  readonly #tools: SamContext
  readonly #keys: SessionKeys
  readonly #standing: Standing
  readonly #over = new AbortController()
  readonly #running: Promise<void>
  #live: Datagrams | undefined
  #lostCount = 0

  constructor(options: SupervisedDatagramsOptions) {
    this.#options = options
    this.#tools = contextOf({ ...options, bridge: { host: "", port: 0 } })
    this.#keys = new SessionKeys(options.keys, this.#tools.random)
    this.#standing = new Standing(this.#tools)
    this.#running = this.#run()
  }

  get destination(): Destination {
    return this.#keys.destination
  }

  get state() {
    return this.#standing.state
  }

  get lostCount(): number {
    return this.#lostCount + (this.#live?.lostCount ?? 0)
  }

  watch(listener: Parameters<Session["watch"]>[0]): () => void {
    return this.#standing.watch(listener)
  }

  ready(call: { signal: AbortSignal }): Promise<void> {
    return this.#standing.up(call.signal)
  }

  async lookup(name: string, call: { signal: AbortSignal }): Promise<Destination> {
    await this.ready(call)
    return lookupName(this.#require().session.control, name, call)
  }

  async send(target: Destination, payload: Uint8Array): Promise<void> {
    await this.#require().send(target, payload)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#standing.closed()
    this.#over.abort(sessionClosed())
    await this.#running
    this.incoming.drain()
  }

  #require(): Datagrams {
    if (this.#over.signal.aborted) throw sessionClosed()
    if (this.#live !== undefined) return this.#live
    const found = "the router is building tunnels, or away, expected it to be up"
    throw new AlliumError("SESSION_LOST", `Cannot use session: ${found}`)
  }

  async #run(): Promise<void> {
    const { clock, chance, log } = this.#tools
    const { signal } = this.#over
    const backoff = openBackoff({ firstMs: REOPEN_FIRST_MS, mostMs: REOPEN_MOST_MS, chance })
    while (!signal.aborted) {
      const reason = await this.#liveOnce(() => backoff.reset()).catch(toAlliumError)
      if (signal.aborted) return
      this.#standing.lost(reason)
      log.warn("sam.session-down", { code: reason.code })
      await clock.sleep(backoff.next(), { signal }).catch(() => {}) // closing ends the sleep
    }
  }

  /** One life of the session; resolves or rejects with why it ended. */
  async #liveOnce(opened: () => void): Promise<AlliumError> {
    const { style, coolDownMs = COOL_DOWN_MS } = this.#options
    const { signal } = this.#over
    const context = { ...this.#tools, bridge: await this.#options.bridge() }
    await requireAnswer(context, signal)
    this.#standing.answered()
    this.#keys.use()
    const guard = this.#options.guard ?? processKeyGuard(context.clock)
    const hold = await guard.hold(this.destination.b32, { signal, coolDownMs })
    try {
      await using live = await openDatagrams({ ...context, keys: this.#keys.file, style, signal })
      opened()
      return await this.#tend(live)
    } finally {
      await hold.release()
    }
  }

  async #tend(live: Datagrams): Promise<AlliumError> {
    const ended = new AbortController()
    this.#live = live
    this.#standing.opened()
    this.#tools.log.info("sam.session-up")
    void this.#take(live)
    try {
      return await Promise.race([
        live.closed,
        withSignals([this.#over.signal, ended.signal], (signal) =>
          watchSession(live.session, { signal, everyMs: HEARTBEAT_MS }),
        ),
      ])
    } finally {
      this.#live = undefined
      this.#lostCount += live.lostCount
      ended.abort(sessionClosed())
    }
  }

  async #take(live: Datagrams): Promise<void> {
    for await (const datagram of live.incoming) if (!this.incoming.push(datagram)) this.#lostCount++
  }
}

/** A bridge that is away shall not cost a cool-down. */
async function requireAnswer(context: SamContext, signal: AbortSignal): Promise<void> {
  const { conversation } = await openConversation(context, { signal })
  conversation.close()
}

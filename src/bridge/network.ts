/**
 * The tiny network behind the embedded bridge: destinations, LeaseSets, streams, datagrams, names.
 *
 * Nothing here knows of sockets or SAM lines. Time and chance are parameters: the same seed and the same
 * deeds give the same {@linkcode Network.trace}.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import type { Chance } from "../base/random.ts"
import type { Destination } from "../sam/destination.ts"
import { type Datagram, Endpoint } from "./endpoint.ts"
import type { Fault, Knobs } from "./knobs.ts"
import { Past } from "./past.ts"
import type { RouterTraits } from "./routers.ts"
import { emptyStats, type NetworkStats, Ring } from "./stats.ts"
import { EmbeddedStream, type StreamRoute } from "./stream.ts"

/** Same keys again within this time: the fault `zombie` strikes. */
const ZOMBIE_WINDOW_MS = 10_000
/** How long a zombie seems to live. */
const ZOMBIE_LIFE_MS = 5000
/** Datagrams that may be under way at once; beyond, they are lost. */
const DATAGRAMS_FLYING_MAX = 1024
const TRACE_MAX = 4096

/** What a network needs. */
export interface NetworkOptions {
  readonly clock: Clock
  readonly chance: Chance
  readonly knobs: Knobs
  readonly traits: RouterTraits
  /** Names that everybody can look up, with their destinations in base64. */
  readonly names?: ReadonlyMap<string, string>
}

/** One deed of the network. */
export interface TraceEvent {
  /** Milliseconds of the monotonic clock. */
  readonly atMs: number
  readonly what: string
  /** `.b32.i2p` of the destinations concerned. */
  readonly who: readonly string[]
}

/** How a CONNECT went. `silent`: the fault of saying OK to nobody. */
export type Dialled =
  | { readonly result: "OK"; readonly stream: EmbeddedStream | "silent" }
  | { readonly result: "CANT_REACH_PEER" | "INVALID_ID"; readonly message?: string }

const NO_LEASE_SET: Dialled = { result: "CANT_REACH_PEER", message: "no LeaseSet found" }

/** All destinations that are alive, and what becomes of what they send. */
export class Network {
  readonly stats: NetworkStats = emptyStats()
  readonly knobs: Knobs
  readonly traits: RouterTraits
  readonly clock: Clock
  readonly names: Map<string, string>
  readonly #chance: Chance
  readonly #endpoints = new Map<string, Endpoint>()
  readonly #past = new Past()
  readonly #trace = new Ring<TraceEvent>(TRACE_MAX)
  #generation = 0
  #datagramsFlying = 0

  constructor(options: NetworkOptions) {
    this.knobs = options.knobs
    this.traits = options.traits
    this.clock = options.clock
    this.names = new Map(options.names)
    this.#chance = options.chance
  }

  /** The newest deeds, oldest first. */
  get trace(): readonly TraceEvent[] {
    return this.#trace.items
  }

  /** Everyone who is alive. */
  get endpoints(): IterableIterator<Endpoint> {
    return this.#endpoints.values()
  }

  /** The live destination with this address. */
  find(b32: string): Endpoint | undefined {
    const endpoint = this.#endpoints.get(b32)
    return endpoint && this.isAlive(endpoint) ? endpoint : undefined
  }

  /** False for what its owner closed, and for what a fault killed behind the owner's back. */
  isAlive(endpoint: Endpoint): boolean {
    return !endpoint.closed && !endpoint.killed && this.clock.monotonicMs() < endpoint.diesAtMs
  }

  /** True by chance, with this share of ones. */
  strikes(share: number): boolean {
    return this.#chance() < share
  }

  /** Brings a destination to life; `undefined` when it lives already and no fault says otherwise. */
  attach(destination: Destination): Endpoint | undefined {
    const { b32 } = destination
    const lives = this.#endpoints.has(b32)
    const mute = lives && this.#has("duplicateDestSilent")
    if (lives && !mute && !this.#has("stolenDestination")) return undefined
    const endpoint = new Endpoint(destination, ++this.#generation, this.#diesAtMs(b32))
    if (!mute) this.#endpoints.set(b32, endpoint)
    this.stats.sessionsOpened++
    this.#note(lives ? "session again" : "session", b32)
    return endpoint
  }

  /** Ends a destination with all that hangs on it. A second one with the same keys dies with it. */
  detach(endpoint: Endpoint): void {
    if (endpoint.closed) return
    const { b32 } = endpoint.destination
    endpoint.closed = true
    for (const listener of endpoint.listeners) listener.close()
    for (const stream of [...endpoint.streams]) stream.cut()
    this.#note("session over", b32)
    this.#past.remember(b32, this.clock.monotonicMs())
    const heir = this.#endpoints.get(b32)
    const dies = heir === endpoint || (heir !== undefined && this.#has("stolenDestination"))
    if (dies) this.#endpoints.delete(b32)
    if (dies && heir) heir.killed = true
  }

  /** Calls another destination. Takes a round trip of the network's latency. */
  async dial(caller: Endpoint, route: StreamRoute): Promise<Dialled> {
    if (!this.isAlive(caller)) return { result: "INVALID_ID" }
    await this.#travel()
    const dialled = this.#meet(caller, route)
    if (dialled.result !== "OK") this.stats.streamsRefused++
    this.#note(`dial ${dialled.result}`, caller.destination.b32, route.to)
    await this.#travel()
    return dialled
  }

  /** Sends a datagram; whether it arrives, nobody learns. */
  send(caller: Endpoint, to: string, datagram: Datagram): void {
    this.stats.datagramsSent++
    if (this.#losesDatagram(caller, to)) {
      this.stats.datagramsLost++
      this.#note("datagram lost", caller.destination.b32, to)
    } else if (this.knobs.latencyMs > 0 || this.knobs.bandwidthBytesPerSecond > 0)
      this.#fly(to, datagram)
    else this.#land(to, datagram)
  }

  #meet(caller: Endpoint, route: StreamRoute): Dialled {
    const { b32 } = caller.destination
    if (this.#has("refuse") && this.#chance() < this.knobs.refuseChance)
      return { result: "CANT_REACH_PEER", message: "refused by a knob" }
    if (route.to === b32 && this.traits.selfConnect !== "works") return this.#meetSelf()
    const callee = this.find(route.to)
    const known = caller.knows(route.to)
    const isStale = known !== undefined && known !== callee?.generation
    if (this.#has("staleLeaseSet") && isStale) return { result: "OK", stream: "silent" }
    if (this.knobs.unpublished.has(route.to)) return NO_LEASE_SET
    if (callee === undefined) return this.#meetNobody(route.to)
    const listener = callee.listenerFor(this.traits.ports ? route.toPort : 0)
    if (listener === undefined || (listener.full && this.traits.backlogFull === "refused"))
      return { result: "CANT_REACH_PEER", message: "the peer takes no streams" }
    const stream = this.#open(caller, callee, route)
    if (listener.full) stream.cut()
    else listener.offer(stream)
    return { result: "OK", stream }
  }

  #meetSelf(): Dialled {
    if (this.traits.selfConnect === "mute") return { result: "OK", stream: "silent" }
    return { result: "CANT_REACH_PEER", message: "Can't connect to myself" }
  }

  #meetNobody(to: string): Dialled {
    const wasHere = this.#past.closedAtMs(to) !== undefined
    if (this.#has("lateOk") && wasHere) return { result: "OK", stream: "silent" }
    return NO_LEASE_SET
  }

  #open(caller: Endpoint, callee: Endpoint, route: StreamRoute): EmbeddedStream {
    const { clock, knobs, stats } = this
    const stream = new EmbeddedStream(route, { clock, knobs, stats, chance: this.#chance })
    stats.streamsOpened++
    caller.learn(route.to, callee.generation)
    callee.learn(caller.destination.b32, caller.generation)
    caller.streams.add(stream)
    callee.streams.add(stream)
    stream.onClosed = () => {
      caller.streams.delete(stream)
      callee.streams.delete(stream)
      this.#note("stream over", caller.destination.b32, route.to)
    }
    return stream
  }

  #losesDatagram(caller: Endpoint, to: string): boolean {
    const lost = this.knobs.loss > 0 && this.#chance() < this.knobs.loss
    const callee = this.find(to)
    if (!this.isAlive(caller) || callee === undefined) return true
    const isFirst = caller.knows(to) !== callee.generation
    caller.learn(to, callee.generation)
    const tooMany = this.#datagramsFlying >= DATAGRAMS_FLYING_MAX
    return lost || tooMany || (isFirst && this.#has("firstDatagramLost"))
  }

  #fly(to: string, datagram: Datagram): void {
    const { latencyMs, bandwidthBytesPerSecond } = this.knobs
    const bytesPerMs = bandwidthBytesPerSecond / 1000
    const sendMs = bytesPerMs > 0 ? datagram.payload.length / bytesPerMs : 0
    this.#datagramsFlying++
    this.clock.sleep(latencyMs + sendMs).then(
      () => {
        this.#datagramsFlying--
        this.#land(to, datagram)
      },
      () => this.#datagramsFlying--,
    )
  }

  #land(to: string, datagram: Datagram): void {
    const { ports } = this.traits
    const seen = ports ? datagram : { ...datagram, fromPort: 0, toPort: 0 }
    const receiver = this.find(to)?.receiverFor(seen)
    this.#note(receiver ? "datagram" : "datagram unwanted", datagram.from.b32, to)
    receiver?.deliver(seen)
  }

  async #travel(): Promise<void> {
    if (this.knobs.latencyMs > 0) await this.clock.sleep(this.knobs.latencyMs)
  }

  #diesAtMs(b32: string): number {
    const nowMs = this.clock.monotonicMs()
    const closedAtMs = this.#past.closedAtMs(b32)
    const isTooSoon = closedAtMs !== undefined && nowMs - closedAtMs < ZOMBIE_WINDOW_MS
    return this.#has("zombie") && isTooSoon ? nowMs + ZOMBIE_LIFE_MS : Number.POSITIVE_INFINITY
  }

  #has(fault: Fault): boolean {
    return this.knobs.faults.has(fault)
  }

  #note(what: string, ...who: string[]): void {
    this.#trace.add({ atMs: this.clock.monotonicMs(), what, who })
  }
}

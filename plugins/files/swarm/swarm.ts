/**
 * One torrent alive: peers over any stream, in both directions, until it is closed.
 *
 * @see `docs/protocol/torrent.md`
 * @module
 */
import { randomBytes } from "node:crypto"
import type { Duplex } from "node:stream"
import { type Clock, isAlliumError, type Log, Scope } from "allium/plugin"
import type { Bitfield } from "../torrent/bitfield.ts"
import type { Block } from "../torrent/geometry.ts"
import { type Metainfo, readInfo } from "../torrent/metainfo.ts"
import type { Priority } from "../torrent/piece-order.ts"
import { Acquaintances } from "./acquaintances.ts"
import { Bans } from "./bans.ts"
import { Choking } from "./choking.ts"
import { Content, type ContentHost } from "./content.ts"
import { Flow } from "./flow.ts"
import { oneTooMany } from "./lanes.ts"
import { MetadataFetch } from "./metadata-fetch.ts"
import { Seeding } from "./seeding.ts"
import { PeerSession, type SessionHost } from "./session.ts"
import { stateOf } from "./state.ts"
import { Gate } from "./throttle.ts"
import type {
  PeerEnd,
  SeedingGoal,
  Swarm,
  SwarmEvent,
  SwarmOptions,
  SwarmPeer,
  SwarmStage,
  SwarmState,
} from "./types.ts"
import { Wishes } from "./wishes.ts"

/** Streams of all peers, unless the owner says otherwise. I2PSnark has 24. */
const PEERS_MAX = 50
/** How often everything is looked after. */
const TICK_MS = 1_000
/** Requests that take too long are looked for. */
const OVERDUE_EVERY_MS = 3_000
/** A full disk is tried again. */
const DISK_AGAIN_MS = 30_000
/** Between two times of asking for peers. */
const PEERS_WANTED_MS = 30_000

/** Makes a torrent alive. The caller owns it; see {@linkcode Swarm}. */
export function openSwarm(options: SwarmOptions): Swarm {
  return new LiveSwarm(options)
}

class LiveSwarm implements Swarm, SessionHost, ContentHost {
  readonly infohash: Uint8Array
  readonly peerId = new Uint8Array(randomBytes(20))
  readonly clock: Clock
  readonly client: string | undefined
  readonly up: Gate
  readonly down: Gate
  readonly options: SwarmOptions
  metainfo: Metainfo | undefined
  content: Content | undefined
  fetch: MetadataFetch | undefined
  readonly #log: Log
  readonly #scope = new Scope()
  readonly #sessions = new Map<string, PeerSession>()
  readonly #ends = new Map<PeerSession, (why: PeerEnd) => void>()
  readonly #listeners = new Set<(event: SwarmEvent) => void>()
  readonly #bans = new Bans()
  readonly #choking: Choking
  readonly #seeding: Seeding
  readonly #acquaintances = new Acquaintances()
  readonly #wishes = new Wishes()
  /** All streams that were, and are. */
  readonly #flows: { readonly down: Flow; readonly up: Flow }
  #isPaused = false
  #isClosed = false
  /** While the place for the bytes is opened. */
  #opening: Promise<void> | undefined
  /** Streams that wait for that. */
  #waiting = 0
  #code: string | undefined
  #tryAgainAt = Number.POSITIVE_INFINITY
  #overdueAt = 0
  #wantedAt = Number.NEGATIVE_INFINITY
  #hasFinished = false
  #lastId = 0
  #isDeciding = false

  constructor(options: SwarmOptions) {
    const { clock, chance, slots, infohash, before } = options
    const now = clock.monotonicMs()
    this.options = options
    this.infohash = infohash
    this.clock = clock
    this.client = options.client
    this.#log = options.log
    this.up = new Gate(options.up ?? [])
    this.down = new Gate(options.down ?? [])
    this.#choking = new Choking({ chance, slots, now })
    this.#seeding = new Seeding(options.goal ?? {}, before?.seedingMs ?? 0, now)
    this.#flows = { down: new Flow(now, before?.downBytes), up: new Flow(now, before?.upBytes) }
    if (options.metainfo !== undefined) void this.#open(options.metainfo)
    else this.fetch = new MetadataFetch(infohash, chance)
    void this.#live()
  }

  get tells(): { readonly metadata: boolean; readonly peers: boolean } {
    const isPrivate = this.metainfo?.isPrivate === true
    return this.options.tells ?? { metadata: !isPrivate, peers: !isPrivate }
  }

  get stage(): SwarmStage {
    if (this.#isPaused) return "paused"
    if (this.#code !== undefined) return "stopped"
    if (this.metainfo === undefined) return "metadata"
    if (this.content === undefined) return "opening"
    return this.content.isComplete ? "seeding" : "downloading"
  }

  get isAsking(): boolean {
    return this.stage === "downloading"
  }

  get have(): Bitfield | undefined {
    return this.content?.download.have
  }

  admits(name: string): boolean {
    return this.#refusal(name) === undefined
  }

  join(stream: Duplex, peer: SwarmPeer): Promise<PeerEnd> {
    stream.on("error", () => {})
    const refusal = this.#refusal(peer.name)
    if (refusal !== undefined) {
      stream.destroy()
      return Promise.resolve(refusal)
    }
    // What we have is said once, at the beginning: so it must be known.
    if (this.#opening !== undefined) return this.#joinLater(stream, peer)
    return new Promise((resolve) => {
      const session = new PeerSession(`${peer.name}#${++this.#lastId}`, stream, peer, this)
      this.#sessions.set(session.id, session)
      this.#ends.set(session, resolve)
      // Who gets a place is told so at once.
      this.#decide()
      session.start()
    })
  }

  state(): SwarmState {
    const now = this.clock.monotonicMs()
    const { down, up } = this.#flows
    const { downloads, seedingMs } = this.#seeding
    return stateOf({
      stage: this.stage,
      code: this.#code,
      metainfo: this.metainfo,
      content: this.content,
      wanted: this.#wishes,
      sessions: [...this.#sessions.values()],
      facts: {
        downBytes: down.bytes,
        upBytes: up.bytes,
        downRate: down.rate,
        upRate: up.rate,
        downloads,
        seedingMs,
        bans: this.#bans.count(now),
      },
    })
  }

  on(listener: (event: SwarmEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async pause(): Promise<void> {
    this.#isPaused = true
    this.#endAll("paused")
    await this.content?.saver.finish()
    this.#emit({ kind: "changed" })
  }

  resume(): void {
    this.#isPaused = false
    this.#wantedAt = Number.NEGATIVE_INFINITY
    this.#again()
    this.#emit({ kind: "changed" })
  }

  setPriority(file: number, priority: Priority): void {
    this.#wishes.setPriority(file, priority, this.metainfo)
    if (this.content === undefined) return
    this.#wishes.apply(this.content)
    this.#afterWish()
  }

  setWindow(from: number, to: number): void {
    this.#wishes.setWindow(from, to)
    if (this.content === undefined) return
    this.#wishes.applyWindow(this.content)
    this.#afterWish()
  }

  setGoal(goal: SeedingGoal): void {
    this.#seeding.goal = goal
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#endAll("closed")
    await this.#scope.close()
    await this.content?.close()
    await this.content?.saver.finish()
    this.#listeners.clear()
  }

  // What sessions tell.

  shaken(session: PeerSession): void {
    const { name } = session.peer
    const same = this.#of(name).filter(({ isShaken }) => isShaken)
    if (same.length <= (this.options.lanes ?? 1)) return
    const others = same.filter((other) => other !== session)
    const now = this.clock.monotonicMs()
    oneTooMany([...others, session], this.peerId, now)?.end("replaced")
  }

  interestChanged(): void {
    if (this.#isDeciding) return
    this.#isDeciding = true
    queueMicrotask(() => {
      this.#isDeciding = false
      this.#decide()
    })
  }

  peers(): ReadonlySet<string> {
    return this.#acquaintances.names(this.#sessions.values(), this.clock.monotonicMs())
  }

  learned(hashes: readonly Uint8Array[]): void {
    this.#emit({ kind: "peers", hashes })
  }

  pageCame(peer: string, page: number, bytes: Uint8Array): void {
    const now = this.clock.monotonicMs()
    const taken = this.fetch?.take(peer, page, bytes, now)
    if (taken?.liar !== undefined) this.lied([taken.liar])
    if (taken?.info !== undefined) this.#metadataCame(taken.info)
    else if (taken !== undefined) this.#sessions.get(peer)?.extensions.askMetadata(now)
  }

  ended(session: PeerSession, why: PeerEnd): void {
    const { name } = session.peer
    this.#sessions.delete(session.id)
    this.#seeding.see(session)
    this.fetch?.left(session.id)
    if (why === "broken rules") this.#ban(name, false)
    else this.#acquaintances.left(session, this.clock.monotonicMs())
    this.#log.debug("peer.ended", { why, peers: this.#sessions.size })
    this.#ends.get(session)?.(why)
    this.#ends.delete(session)
    this.interestChanged()
    this.#askAll()
  }

  moved(direction: "down" | "up", byteCount: number): void {
    this.#flows[direction].bytes += byteCount
  }

  gave(session: PeerSession): void {
    this.#seeding.see(session)
  }

  // What the content tells.

  cancel(peer: string, block: Block): void {
    this.#sessions.get(peer)?.cancel(block)
  }

  verified(piece: number): void {
    for (const session of this.#sessions.values()) session.tell(piece)
    this.#emit({ kind: "piece", piece })
    this.#finishIfDone()
  }

  lied(peers: readonly string[]): void {
    for (const id of peers) this.#ban(nameOf(id), true)
  }

  failed(error: unknown): void {
    const code = isAlliumError(error) ? error.code : "INTERNAL"
    if (this.#isClosed || this.#code !== undefined) return
    this.#code = code
    if (code === "DISK_FULL") this.#tryAgainAt = this.clock.monotonicMs() + DISK_AGAIN_MS
    this.#log.warn("stopped", { code })
    this.#emit({ kind: "stopped", code })
    this.#emit({ kind: "changed" })
  }

  // Our own.

  async #joinLater(stream: Duplex, peer: SwarmPeer): Promise<PeerEnd> {
    if (this.#waiting >= (this.options.peersMax ?? PEERS_MAX)) {
      stream.destroy()
      return "full"
    }
    this.#waiting++
    await this.#opening
    this.#waiting--
    return this.join(stream, peer)
  }

  #open(metainfo: Metainfo): Promise<void> {
    this.metainfo = metainfo
    this.#opening = this.#tryOpen(metainfo).finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #tryOpen(metainfo: Metainfo): Promise<void> {
    try {
      const content = await this.options.open(metainfo)
      if (this.#isClosed) return
      this.content = new Content(metainfo, content, this)
      this.#wishes.apply(this.content)
      for (const session of this.#sessions.values()) session.attach(this.content)
      this.#finishIfDone()
      this.#emit({ kind: "changed" })
    } catch (error) {
      this.failed(error)
    }
  }

  /** What was whole when the infohash was made of it may still be no torrent that we take. */
  #metadataCame(info: Uint8Array): void {
    this.fetch = undefined
    try {
      const metainfo = readInfo(info)
      this.#emit({ kind: "metadata", metainfo })
      void this.#open(metainfo)
      for (const session of this.#sessions.values()) session.introduce()
    } catch (error) {
      this.failed(error)
    }
  }

  #refusal(name: string): PeerEnd | undefined {
    if (this.#isClosed) return "closed"
    if (this.#isPaused) return "paused"
    if (this.options.admit?.(name) === false) return "not admitted"
    if (this.#bans.has(name, this.clock.monotonicMs())) return "banned"
    // Streams that come again replace those that died: one more than there may be.
    if (this.#of(name).length > (this.options.lanes ?? 1)) return "full"
    return this.#sessions.size >= (this.options.peersMax ?? PEERS_MAX) ? "full" : undefined
  }

  #of(name: string): PeerSession[] {
    return [...this.#sessions.values()].filter(({ peer }) => peer.name === name)
  }

  #ban(name: string, isLiar: boolean): void {
    this.#bans.add(name, this.clock.monotonicMs(), isLiar)
    for (const session of this.#of(name)) session.end("banned")
    this.#log.info("peer.banned", { isLiar })
    this.#emit({ kind: "banned", name })
  }

  #endAll(why: PeerEnd): void {
    for (const session of [...this.#sessions.values()]) session.end(why)
  }

  #decide(): void {
    if (this.#isClosed) return
    const isSeeding = this.content?.isComplete === true
    this.#choking.decide([...this.#sessions.values()], isSeeding, this.clock.monotonicMs())
  }

  #askAll(): void {
    for (const session of this.#sessions.values()) session.ask()
  }

  #afterWish(): void {
    this.#hasFinished &&= this.content?.isComplete === true
    this.#askAll()
    this.#finishIfDone()
    this.#emit({ kind: "changed" })
  }

  #finishIfDone(): void {
    const { content } = this
    if (this.#hasFinished || content?.isComplete !== true) return
    this.#hasFinished = true
    for (const session of this.#sessions.values()) session.introduce()
    void content.saver.finish().then(() => {
      if (!this.#isClosed && this.#code === undefined) this.#emit({ kind: "finished" })
    })
  }

  async #live(): Promise<void> {
    const { signal } = this.#scope
    try {
      for (;;) {
        await this.clock.sleep(TICK_MS, { signal })
        this.#tick(this.clock.monotonicMs())
      }
    } catch (error) {
      if (!signal.aborted) this.failed(error)
    }
  }

  #tick(now: number): void {
    this.#flows.down.tick(now)
    this.#flows.up.tick(now)
    if (now >= this.#tryAgainAt) void this.#tryDisk(now)
    if (now - this.#overdueAt >= OVERDUE_EVERY_MS) this.#giveUp(now)
    for (const session of [...this.#sessions.values()]) session.tick(now)
    this.#decide()
    if (this.#code === undefined) this.content?.saver.tick()
    this.#wantPeers(now)
    if (this.#seeding.tick(this.#seedingFacts(), now)) this.#emit({ kind: "goal" })
    this.#emit({ kind: "changed" })
  }

  #seedingFacts() {
    const isSeeding = this.stage === "seeding"
    const sessions = [...this.#sessions.values()]
    const size = this.metainfo?.geometry.size ?? 0
    return { isSeeding, size, upBytes: this.#flows.up.bytes, sessions }
  }

  #giveUp(now: number): void {
    this.#overdueAt = now
    for (const { peer, block } of this.content?.download.overdue(now) ?? [])
      this.cancel(peer, block)
  }

  async #tryDisk(now: number): Promise<void> {
    this.#tryAgainAt = now + DISK_AGAIN_MS
    const hasRoom = await this.content?.store.hasRoom().catch(() => false)
    if (hasRoom !== false && !this.#isClosed) this.#again()
  }

  /** After the disk was full, or when the owner says so. */
  #again(): void {
    this.#tryAgainAt = Number.POSITIVE_INFINITY
    if (this.#code === undefined) return
    this.#code = undefined
    if (this.content === undefined) {
      if (this.metainfo !== undefined && this.#opening === undefined) void this.#open(this.metainfo)
      return
    }
    this.content.retry()
    this.#askAll()
    this.#finishIfDone()
  }

  #wantPeers(now: number): void {
    const isWanting = this.stage === "downloading" || this.stage === "metadata"
    if (!isWanting || now - this.#wantedAt < PEERS_WANTED_MS) return
    if (this.#sessions.size * 2 >= (this.options.peersMax ?? PEERS_MAX)) return
    this.#wantedAt = now
    this.#emit({ kind: "peers wanted" })
  }

  #emit(event: SwarmEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}

/** A session is named by its peer and a number. */
function nameOf(id: string): string {
  return id.slice(0, id.lastIndexOf("#"))
}

/**
 * One torrent with the world while it runs: a swarm, the trackers that are told of it, and the peers that are dialled.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import type { Duplex } from "node:stream"
import {
  AlliumError,
  type Clock,
  decodeBase32,
  type Log,
  Scope,
  toAlliumError,
} from "allium/plugin"
import type { DiskRoom } from "../disk/disk-room.ts"
import type { Playable } from "../play/playable.ts"
import {
  openSwarm,
  type Swarm,
  type SwarmEvent,
  type SwarmState,
  type Throttle,
} from "../swarm/index.ts"
import { announceUrl, decodeTrackerAnswer } from "../torrent/announce.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import { parseTrackerUrl } from "../torrent/tracker-url.ts"
import type { Address } from "./addresses.ts"
import {
  type AnnounceFacts,
  type Announcer,
  openAnnouncer,
  type TrackerReport,
} from "./announcer.ts"
import { type OpenContent, openContent } from "./content.ts"
import { openPeerHunt, type PeerHunt } from "./peer-hunt.ts"
import type { ShareRecord, ShareTables } from "./record.ts"
import { sealOpened } from "./secret-lines.ts"
import { askTracker } from "./tracker-get.ts"
import { unwantedFiles } from "./wanted-files.ts"

/** Streams of one torrent, as I2PSnark has them. */
const PEERS_MAX = 24
/** Streams a seeder opens itself: the others come to it. */
const SEEDER_DIALS_MAX = 8
/** Peers a tracker is asked for, as I2PSnark does. */
const WANTED = 24
/** Peers that are remembered over a restart. */
const KEPT_MAX = 32
/** They are written down so often at most. */
const KEEP_PEERS_MS = 5_000
/** Changes that people are told of at once. */
const NEWS: readonly SwarmEvent["kind"][] = ["metadata", "goal", "stopped"]

/** What {@linkcode openLiveShare} needs. */
export interface LiveShareOptions {
  readonly record: ShareRecord
  readonly metainfo: Metainfo | undefined
  /** Asked of when the torrent names no tracker itself. */
  readonly openTrackers: readonly string[]
  readonly address: Address
  readonly tables: ShareTables
  readonly room: DiskRoom
  /** Names this run of the machine. */
  readonly boot: string
  readonly down: readonly Throttle[]
  readonly up: readonly Throttle[]
  readonly clock: Clock
  readonly chance: () => number
  readonly log: Log
  /** Facts to be kept; on disk when it resolves. */
  readonly keep: (different: Partial<ShareRecord>) => Promise<void>
  /** What the magnet link stands for: to be kept with the rest. */
  readonly learnt: (metainfo: Metainfo) => Promise<void>
  /** Something changed; `isNews` unless it is mere progress. */
  readonly changed: (isNews: boolean) => void
  /** It ended by itself: enough was given, or it cannot go on. To be closed by the owner. */
  readonly ended: (reason: string | undefined) => void
}

/** See the module; closing takes leave of trackers and peers, and keeps everything. */
export interface LiveShare extends AsyncDisposable {
  readonly swarm: Swarm
  state(): SwarmState
  trackers(): readonly TrackerReport[]
  peers(): { known: number; dialling: number }
  /** Bytes hashed, of how many, while files are looked at again. */
  readonly looking: { done: number; size: number } | undefined
  /** The same one while it is open; `undefined` while nothing can be read. */
  readonly playable: Playable | undefined
  /** Removes part files at closing. */
  discard(): void
}

/** Begins at once; never rejects: what goes wrong is told by `ended` or is part of the state. */
export function openLiveShare(options: LiveShareOptions): LiveShare {
  return new Live(options)
}

class Live implements LiveShare {
  readonly swarm: Swarm
  looking: { done: number; size: number } | undefined
  readonly #options: LiveShareOptions
  readonly #scope = new Scope()
  readonly #peerId = new Uint8Array(randomBytes(20))
  readonly #hunt: PeerHunt
  #announcer: Announcer | undefined
  #content: OpenContent | undefined
  #playable: Playable | undefined
  #isGivenUp = false
  #isOver = false
  #keptPeers: readonly string[] = []
  #keptPeersMs = Number.NEGATIVE_INFINITY
  #closing: Promise<void> | undefined
  /** One after the other: finishing twice at once would place files twice. */
  #working: Promise<void> = Promise.resolve()

  constructor(options: LiveShareOptions) {
    this.#options = options
    this.swarm = this.#openSwarm()
    this.#scope.defer(options.address.registry.add(this.swarm))
    this.#hunt = this.#openHunt()
    if (options.metainfo === undefined) this.#begin()
    this.#scope.defer(this.swarm.on((event) => this.#hear(event)))
    this.#wish(options.metainfo)
    this.#hunt.found(
      options.record.peers.flatMap((name) => {
        const hash = decodeBase32(name.slice(0, 52))
        return hash === undefined ? [] : [{ hash }]
      }),
    )
  }

  state(): SwarmState {
    return this.swarm.state()
  }

  trackers(): readonly TrackerReport[] {
    return this.#announcer?.report() ?? []
  }

  peers(): { known: number; dialling: number } {
    return this.#hunt.report()
  }

  get playable(): Playable | undefined {
    const { metainfo, have } = this.swarm
    const store = this.#content?.store
    if (metainfo === undefined || have === undefined || store === undefined) return undefined
    this.#playable ??= {
      ...{ metainfo, have },
      read: (block, into) => store.read(block, into),
      setWindow: (from, to) => this.swarm.setWindow(from, to),
      endWindow: () => this.#setOrder(metainfo),
    }
    return this.#playable
  }

  discard(): void {
    this.#isGivenUp = true
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { uploaded, downloaded } = this.#facts()
    const { seedingMs } = this.state()
    await this.#scope.close()
    await Promise.all([this.#announcer?.[Symbol.asyncDispose](), this.#hunt[Symbol.asyncDispose]()])
    await this.swarm[Symbol.asyncDispose]()
    await this.#working
    if (this.#isGivenUp) await this.#content?.discard()
    else await this.#content?.[Symbol.asyncDispose]()
    await this.#options.keep({ uploaded, downloaded, seedingMs })
  }

  #openSwarm(): Swarm {
    const { record, metainfo, clock, chance, log, down, up } = this.#options
    const infohash = new Uint8Array(Buffer.from(record.id, "hex"))
    return openSwarm({
      ...{ infohash, clock, chance, log, down, up, peersMax: PEERS_MAX },
      ...(metainfo && { metainfo }),
      open: (known) => this.#open(known),
      save: async (progress, isSynced) => this.#content?.save(progress, isSynced),
      goal: goalOf(record),
      // Who knows the key may know what it is; others of them are nobody's business.
      ...(record.secret !== undefined && { tells: { metadata: true, peers: false } }),
      before: {
        upBytes: record.uploaded,
        downBytes: record.downloaded,
        seedingMs: record.seedingMs,
      },
    })
  }

  /** Looks at what is on disk. What it is was learnt before. */
  async #open(metainfo: Metainfo): Promise<OpenContent> {
    const { room, boot, tables, record, learnt } = this.#options
    if (this.#options.metainfo === undefined) await learnt(metainfo)
    try {
      this.#content = await openContent({
        ...{ room, tables, record, metainfo, signal: this.#scope.signal, boot },
        tell: (done, size) => {
          this.looking = { done, size }
          this.#options.changed(false)
        },
      })
      setImmediate(() => this.#begin())
      return this.#content
    } catch (error) {
      const { code } = toAlliumError(error)
      if (!this.#scope.signal.aborted && code !== "DISK_FULL") this.#options.ended(code)
      throw error
    } finally {
      this.looking = undefined
    }
  }

  /** Once it is known what is missing: trackers are told that, and peers are asked for. */
  #begin(): void {
    if (this.#scope.signal.aborted) return
    this.#announcer ??= this.#openAnnouncer()
    this.#hunt.wake()
  }

  #openHunt(): PeerHunt {
    const { address, clock, chance, log, record } = this.#options
    const { session, dials } = address
    const { secret } = record
    return openPeerHunt({
      own: session.destination.b32,
      connect: async (target, call): Promise<Duplex> => {
        const stream = await session.connect(target, call)
        return secret === undefined ? stream : sealOpened(stream, secret, call.signal)
      },
      join: (stream, peer) => this.swarm.join(stream, peer),
      admits: (name) => this.swarm.admits(name) && !this.#isHere(name),
      wanted: () => this.#wanted(),
      ...{ slots: dials, clock, chance, log },
    })
  }

  #isHere(name: string): boolean {
    return this.state().peers.some((peer) => peer.name === name)
  }

  #wanted(): number {
    const { stage, peers } = this.state()
    const room = PEERS_MAX - peers.length
    if (stage === "downloading" || stage === "metadata") return room
    if (stage !== "seeding") return 0
    return Math.min(room, SEEDER_DIALS_MAX - peers.filter(({ outgoing }) => outgoing).length)
  }

  #openAnnouncer(): Announcer {
    const { record, metainfo, openTrackers, clock, chance, log } = this.#options
    const isAlone = metainfo?.isPrivate === true || record.secret !== undefined
    const others = isAlone ? [] : openTrackers.map((url) => [url])
    const tiers = record.tiers.length > 0 ? record.tiers : others
    return openAnnouncer({
      tiers,
      ask: (tracker, announce, call) => this.#announce(tracker, announce, call),
      facts: () => this.#facts(),
      found: (peers) => this.#hunt.found(peers),
      ...{ clock, chance, log },
    })
  }

  async #announce(
    tracker: string,
    announce: AnnounceFacts & { event?: "started" | "completed" | "stopped" },
    call: { signal: AbortSignal },
  ) {
    const { session } = this.#options.address
    const { path } = parseTrackerUrl(tracker) ?? { path: "/" }
    const target = announceUrl(path, {
      ...{ infohash: this.swarm.infohash, peerId: this.#peerId },
      ...{ destination: session.destination.base64, ...announce },
    })
    return decodeTrackerAnswer(await askTracker(session, { tracker, target }, call))
  }

  #facts(): AnnounceFacts {
    const { upBytes, downBytes, size, bytesHere, stage } = this.state()
    // Whoever skips files never has everything: no seeder, for trackers.
    const left = stage === "metadata" ? undefined : size - bytesHere
    const wanted = this.#wanted() > 0 ? WANTED : 0
    return { uploaded: upBytes, downloaded: downBytes, wanted, left }
  }

  #hear(event: SwarmEvent): void {
    const { changed, ended } = this.#options
    if (event.kind === "piece") return
    if (event.kind === "changed") {
      this.#lookAtTime()
      this.#look()
    }
    if (event.kind === "peers wanted") this.#hunt.wake()
    if (event.kind === "peers") this.#hunt.found(event.hashes.map((hash) => ({ hash })))
    if (event.kind === "metadata") this.#wish(event.metainfo)
    if (event.kind === "finished") this.#then(() => this.#finish())
    if (event.kind === "goal") ended("SATED")
    if (NEWS.includes(event.kind)) changed(true)
  }

  /** When the time it is shared for is over, it ends; said once. */
  #lookAtTime(): void {
    const { record, clock, ended } = this.#options
    if (this.#isOver || clock.now() < (record.goal.until ?? Number.POSITIVE_INFINITY)) return
    this.#isOver = true
    ended("SATED")
  }

  /** Who is there is kept, so that a restarted side can dial first. */
  #look(): void {
    const { changed, keep, record, clock } = this.#options
    changed(false)
    const here = this.state().peers.map(({ name }) => name)
    const nowMs = clock.monotonicMs()
    const isNews = here.some((name) => !this.#keptPeers.includes(name))
    if (!isNews || nowMs - this.#keptPeersMs < KEEP_PEERS_MS) return
    this.#keptPeersMs = nowMs
    this.#keptPeers = [...new Set([...here, ...this.#keptPeers, ...record.peers])].slice(
      0,
      KEPT_MAX,
    )
    void keep({ peers: [...this.#keptPeers] }).catch(() => {}) // told by the next change
  }

  /** Which files are wanted, and in which order. */
  #wish(metainfo: Metainfo | undefined): void {
    if (metainfo === undefined) return
    const { record, ended } = this.#options
    const unwanted = unwantedFiles(metainfo.files, record.only)
    if (unwanted === undefined) ended("NOT_FOUND")
    for (const file of unwanted ?? []) this.swarm.setPriority(file, "skip")
    if (record.isSequential) this.#setOrder(metainfo)
  }

  /** From the beginning to the end, or in any order. */
  #setOrder({ geometry }: Metainfo): void {
    this.swarm.setWindow(0, this.#options.record.isSequential ? geometry.size : 0)
  }

  #then(deed: () => Promise<void>): void {
    this.#working = this.#working.then(deed).catch((error) => {
      this.#options.ended(toAlliumError(error).code)
    })
  }

  /** Files get their names; only then is it done. */
  async #finish(): Promise<void> {
    if (this.#content === undefined || this.#isGivenUp) return
    const paths = await this.#content.finish()
    const wasDone = this.#options.record.isDone
    const isMended = this.#options.record.isMending === true
    await this.#options.keep({ paths: [...paths], isDone: true, isMending: false })
    await this.#content.settle(paths)
    if (this.swarm.have !== undefined)
      await this.#content.save({ have: this.swarm.have, partial: new Map() }, true)
    if (!wasDone && !isMended && this.#options.record.kind === "get") this.#announcer?.completed()
    this.#options.changed(true)
  }
}

/** No `undefined` members. */
function goalOf({ goal }: ShareRecord) {
  const { ratio, seconds, downloads } = goal
  return {
    ...(ratio !== undefined && { ratio }),
    ...(seconds !== undefined && { seconds }),
    ...(downloads !== undefined && { downloads }),
  }
}

/** What cannot be done with a torrent as it stands. */
export function wrongState(deed: string, found: string, expected: string): AlliumError {
  return new AlliumError(
    "FILE_STATE",
    `Cannot ${deed} torrent: it is ${found}, expected ${expected}`,
  )
}

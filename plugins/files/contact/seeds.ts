/**
 * What we send: each transfer is hashed once, then given to whom it was offered, for as long as somebody asks.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { AlliumError, type Clock, type Log, Slots, toAlliumError } from "allium/plugin"
import type { DiskRoom } from "../disk/disk-room.ts"
import { makeShare } from "../disk/make-share.ts"
import { ShareStore } from "../disk/share-store.ts"
import { suspectPieces } from "../disk/stamps.ts"
import { surveyShare } from "../disk/survey.ts"
import type { FileRates } from "../rates.ts"
import { openSwarm } from "../swarm/swarm.ts"
import type { PeerEnd, Swarm, SwarmContent, SwarmStore } from "../swarm/types.ts"
import { Bitfield } from "../torrent/bitfield.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import type { TransferBook } from "./book.ts"
import { combine } from "./digest.ts"
import { STREAMS_MAX } from "./lane-count.ts"
import type { Post } from "./post.ts"
import type { ProgressBook } from "./progress-book.ts"
import type { SealedLine } from "./sealed-line.ts"
import type { Sources } from "./sources.ts"
import { isFinished, type Transfer } from "./transfer.ts"

/** A transfer nobody asks for is put away after this. */
const IDLE_MS = 120_000
/** How often progress is looked at. */
const LOOK_MS = 1_000
/** How often it is looked whether the files are as they were. */
const CHANGED_EVERY_MS = 5_000

/** Files that are not what they were, for good; after other faults of a disk they are opened anew when somebody asks. */
const LOST: ReadonlySet<string> = new Set(["FILE_GONE", "FILE_CHANGED"])

/** What seeds need of the rest. */
export interface SeedsOptions {
  readonly book: TransferBook
  readonly progress: ProgressBook
  readonly sources: Sources
  readonly room: DiskRoom
  /** Limits of everything that travels. */
  readonly rates: Pick<FileRates, "down" | "up">
  readonly post: Post
  readonly clock: Clock
  readonly log: Log
  readonly chance: () => number
  readonly signal: AbortSignal
}

/** See the module. */
export class Seeds {
  readonly #o: SeedsOptions
  readonly #hashing = new Map<string, AbortController>()
  readonly #slot = new Slots(1)
  readonly #seeds = new Map<string, Promise<Seed>>()

  constructor(options: SeedsOptions) {
    this.#o = options
  }

  /** Starts what has to be done for a transfer of ours, and stops what has not. */
  care(transfer: Transfer): void {
    const { id, stage } = transfer
    if (stage === "hashing" && !transfer.isPaused) this.#hash(transfer)
    else this.#hashing.get(id)?.abort()
    if (isFinished(transfer) || transfer.isPaused) void this.#close(id)
  }

  /** Gives what is asked for on a line. Never rejects. */
  async serve(transfer: Transfer, line: SealedLine): Promise<PeerEnd> {
    let opening = this.#seeds.get(transfer.id)
    if (opening === undefined) {
      opening = this.#open(transfer)
      this.#seeds.set(transfer.id, opening)
      opening.catch(() => this.#seeds.delete(transfer.id))
    }
    try {
      const seed = await opening
      return await seed.join(line)
    } catch (error) {
      line.destroy()
      await this.#stopped(transfer.id, toAlliumError(error).code)
      return "not admitted"
    }
  }

  /** Closes everything. */
  async close(): Promise<void> {
    await Promise.all([...this.#seeds.keys()].map((id) => this.#close(id)))
  }

  #hash(transfer: Transfer): void {
    const { signal, log } = this.#o
    const { id } = transfer
    if (this.#hashing.has(id)) return
    const stop = new AbortController()
    const either = AbortSignal.any([stop.signal, signal])
    this.#hashing.set(id, stop)
    this.#slot
      .take(() => this.#hashNow(transfer, either), { signal: either })
      .catch(async (error: unknown) => {
        if (!either.aborted) await this.#failed(id, toAlliumError(error).code)
      })
      .catch((error: unknown) => log.error("hash.lost", { code: toAlliumError(error).code }))
      .finally(() => this.#hashing.delete(id))
  }

  async #hashNow(transfer: Transfer, signal: AbortSignal): Promise<void> {
    const { book, room, post, sources } = this.#o
    const { id } = transfer
    const survey = await surveyShare(room.disk, transfer.path ?? "", { signal })
    let before = 0
    const tell = (done: number) => {
      book.moved(id, done - before, done)
      before = done
    }
    book.turned(id, { busy: true })
    const { metainfo, digests, paths } = await makeShare({
      ...{ room, survey, isPrivate: true, signal, tell },
    }).finally(() => book.turned(id, { busy: false, done: 0 }))
    if (metainfo.geometry.size !== transfer.size)
      throw new AlliumError("FILE_CHANGED", "Cannot send files: their size has changed")
    const kept = await sources.keep(id, metainfo, paths)
    await book.change(
      id,
      ({ stage }) =>
        stage === "hashing"
          ? {
              stage: "waiting",
              infohash: metainfo.infohash,
              info: new Uint8Array(createHash("sha256").update(metainfo.info).digest()),
              sha256: combine(digests, metainfo.isFolder),
            }
          : undefined,
      post.with(transfer, "offer", kept),
    )
  }

  async #open(transfer: Transfer): Promise<Seed> {
    const { sources, room } = this.#o
    const found = await sources.load(transfer.id, transfer.infohash!)
    if (found === undefined)
      throw new AlliumError("FILE_GONE", "Cannot send files: lost track of them")
    const inner = new ShareStore({ room, metainfo: found.metainfo, paths: found.paths })
    const store = new WatchedStore(inner, { ...found, room, clock: this.#o.clock })
    await store.requireUnchanged()
    const seed = new Seed(transfer, found.metainfo, store, {
      ...this.#o,
      failed: (code) => void this.#stopped(transfer.id, code),
      idle: () => void this.#close(transfer.id),
    })
    return seed
  }

  async #close(id: string): Promise<void> {
    const opening = this.#seeds.get(id)
    this.#seeds.delete(id)
    await opening?.then((seed) => seed[Symbol.asyncDispose]()).catch(() => {})
  }

  /** Nothing can be read just now, or never again. */
  async #stopped(id: string, code: string): Promise<void> {
    if (LOST.has(code)) return this.#failed(id, code)
    this.#o.log.info("send.stopped", { code })
    await this.#close(id)
  }

  /** The files are not what they were: nobody gets more of them. */
  async #failed(id: string, code: string): Promise<void> {
    const { book, post, log } = this.#o
    const transfer = book.get(id)
    log.info("send.failed", { code })
    if (transfer === undefined) return
    await this.#close(id)
    await book.change(
      id,
      (now) => (isFinished(now) ? undefined : { stage: "failed", reason: code }),
      transfer.stage === "hashing" ? undefined : post.with(transfer, "withdraw"),
    )
  }
}

interface SeedOptions extends SeedsOptions {
  readonly failed: (code: string) => void
  readonly idle: () => void
}

/** One transfer being given. */
class Seed implements AsyncDisposable {
  readonly #transfer: Transfer
  readonly #o: SeedOptions
  readonly #swarm: Swarm
  readonly #store: WatchedStore
  readonly #life = new AbortController()

  constructor(transfer: Transfer, metainfo: Metainfo, store: WatchedStore, options: SeedOptions) {
    this.#transfer = transfer
    this.#o = options
    this.#store = store
    const { clock, chance, log, rates } = options
    const content: SwarmContent = {
      store,
      progress: { have: Bitfield.full(metainfo.geometry.pieceCount), partial: new Map() },
    }
    this.#swarm = openSwarm({
      ...{ infohash: metainfo.infohash, metainfo, clock, chance, log },
      open: async () => content,
      save: async () => {},
      ...{ lanes: STREAMS_MAX, slots: STREAMS_MAX + 1, peersMax: STREAMS_MAX + 1 },
      ...{ down: [rates.down], up: [rates.up] },
      tells: { metadata: true, peers: false },
    })
    this.#swarm.on((event) => {
      if (event.kind === "stopped") options.failed(event.code)
    })
    void this.#look().catch(() => {})
  }

  join(line: SealedLine): Promise<PeerEnd> {
    return this.#swarm.join(line, { name: this.#transfer.contact, outgoing: false, isOwn: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort()
    await this.#swarm[Symbol.asyncDispose]()
    await this.#store[Symbol.asyncDispose]()
    this.#o.book.turned(this.#transfer.id, { busy: false, streams: 0 })
  }

  /** Facts for who watches: what they have, as they say. */
  async #look(): Promise<void> {
    const { book, clock, idle } = this.#o
    const { id, size } = this.#transfer
    let [before, idleMs] = [0, 0]
    for (;;) {
      await clock.sleep(LOOK_MS, { signal: this.#life.signal })
      const { upBytes, peers, pieceCount } = this.#swarm.state()
      const byteCount = upBytes - before
      before = upBytes
      const pieces = Math.max(0, ...peers.map((peer) => peer.pieces))
      const share = pieceCount === 0 ? 0 : pieces / pieceCount
      const activity = { busy: byteCount > 0, streams: peers.length, pieceCount }
      book.turned(id, { ...activity, ...(peers.length > 0 && { pieces, waitsFor: undefined }) })
      if (byteCount > 0) book.moved(id, byteCount, Math.floor(size * share))
      idleMs = peers.length > 0 ? 0 : idleMs + LOOK_MS
      if (idleMs >= IDLE_MS) return idle()
    }
  }
}

interface WatchedOptions {
  readonly metainfo: Metainfo
  readonly stamps: Uint8Array
  readonly room: DiskRoom
  readonly clock: Clock
}

/** Files of the user's, that may change while they are given. */
class WatchedStore implements SwarmStore, AsyncDisposable {
  readonly geometry
  readonly #inner: ShareStore
  readonly #o: WatchedOptions
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor(inner: ShareStore, options: WatchedOptions) {
    this.#inner = inner
    this.#o = options
    this.geometry = inner.geometry
  }

  /** @throws {AlliumError} `FILE_CHANGED`. */
  async requireUnchanged(): Promise<void> {
    const now = this.#o.clock.monotonicMs()
    if (now - this.#lookedAt < CHANGED_EVERY_MS) return
    this.#lookedAt = now
    const { metainfo, room, stamps } = this.#o
    const spotOf = (file: number) => this.#inner.spotOf(file)
    const suspects = await suspectPieces({ disk: room.disk, metainfo, spotOf }, stamps)
    if (suspects.count === 0) return
    throw new AlliumError("FILE_CHANGED", "Cannot send files: they were changed meanwhile")
  }

  async read(...args: Parameters<SwarmStore["read"]>): Promise<void> {
    await this.requireUnchanged()
    await this.#inner.read(...args)
  }

  write(): Promise<void> {
    return this.#inner.write()
  }

  check(...args: Parameters<SwarmStore["check"]>): ReturnType<SwarmStore["check"]> {
    return this.#inner.check(...args)
  }

  async sync(): Promise<void> {}

  async hasRoom(): Promise<boolean> {
    return true
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#inner[Symbol.asyncDispose]()
  }
}

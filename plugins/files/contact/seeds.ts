/**
 * What we send: each transfer is hashed once, then given to whom it was offered, for as long as somebody asks.
 *
 * @module
 */
import { createHash } from "node:crypto"
import {
  AlliumError,
  type Change,
  type Clock,
  isAlliumError,
  type Log,
  Slots,
  toAlliumError,
} from "allium/plugin"
import type { DiskRoom } from "../disk/disk-room.ts"
import { makeShare } from "../disk/make-share.ts"
import { ShareStore } from "../disk/share-store.ts"
import { suspectPieces } from "../disk/stamps.ts"
import { surveyShare } from "../disk/survey.ts"
import type { FileRates } from "../rates.ts"
import { openSwarm } from "../swarm/swarm.ts"
import type { PeerEnd, Swarm, SwarmContent, SwarmState, SwarmStore } from "../swarm/types.ts"
import { Bitfield } from "../torrent/bitfield.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import type { Activity, TransferBook } from "./book.ts"
import { combine } from "./digest.ts"
import { STREAMS_MAX } from "./lane-count.ts"
import type { Post } from "./post.ts"
import type { ProgressBook } from "./progress-book.ts"
import type { SealedLine } from "./sealed-line.ts"
import type { Sources } from "./sources.ts"
import { isFinished, sourceId, type Transfer } from "./transfer.ts"

/** A transfer nobody asks for is put away after this. */
const IDLE_MS = 120_000
/** How often progress is looked at. */
const LOOK_MS = 1_000
/** How often it is looked whether the files are as they were. */
const CHANGED_EVERY_MS = 5_000

/** Members of a group who have streams at once. */
const MEMBERS_AT_ONCE = 8

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
    const id = sourceId(transfer)
    const all = this.#o.book.together(transfer)
    const toHash = all.find(({ stage, isPaused }) => stage === "hashing" && !isPaused)
    if (toHash !== undefined) this.#hash(toHash)
    else this.#hashing.get(id)?.abort()
    if (!isOver(transfer)) return
    if (all.every(isOver)) void this.#close(id)
    else void this.#seeds.get(id)?.then((seed) => seed.drop(transfer.contact))
  }

  /**
   * Gives what is asked for on a line. Never rejects.
   *
   * @param contact - Key of who is at the other end.
   */
  async serve(transfer: Transfer, line: SealedLine, contact: string): Promise<PeerEnd> {
    const id = sourceId(transfer)
    let opening = this.#seeds.get(id)
    if (opening === undefined) {
      opening = this.#open(transfer)
      this.#seeds.set(id, opening)
      opening.catch(() => this.#seeds.delete(id))
    }
    try {
      const seed = await opening
      return await seed.join(line, contact)
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
    const { book, signal, log } = this.#o
    const id = sourceId(transfer)
    if (this.#hashing.has(id)) return
    const stop = new AbortController()
    const either = AbortSignal.any([stop.signal, signal])
    this.#hashing.set(id, stop)
    this.#slot
      .take(() => this.#hashNow(transfer, either), { signal: either })
      .catch(async (error: unknown) => {
        if (!either.aborted) await this.#failed(transfer.id, toAlliumError(error).code)
      })
      .catch((error: unknown) => log.error("hash.lost", { code: toAlliumError(error).code }))
      .finally(() => {
        this.#hashing.delete(id)
        // It may have been resumed meanwhile.
        const now = book.get(transfer.id)
        if (now !== undefined && stop.signal.aborted && !signal.aborted) this.care(now)
      })
  }

  async #hashNow(transfer: Transfer, signal: AbortSignal): Promise<void> {
    const { book, room, sources } = this.#o
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
    const all = book.together(transfer)
    const { infohash } = metainfo
    const isOther = ({ infohash: before }: Transfer) =>
      before !== undefined && Buffer.compare(before, infohash) !== 0
    if (all.some(isOther))
      throw new AlliumError("FILE_CHANGED", "Cannot send files: they were changed meanwhile")
    const info = new Uint8Array(createHash("sha256").update(metainfo.info).digest())
    const facts = { infohash, info, sha256: combine(digests, metainfo.isFolder) }
    const kept = await sources.keep(sourceId(transfer), metainfo, paths)
    for (const one of all) await this.#offer(one, facts, kept)
  }

  /** @param kept - Goes with each offer: whichever is the first to be on disk. */
  async #offer(one: Transfer, facts: Partial<Transfer>, kept: readonly Change[]): Promise<void> {
    const { book, post } = this.#o
    const change = ({ stage, isPaused }: Transfer): Partial<Transfer> | undefined =>
      stage === "hashing" && !isPaused ? { stage: "waiting", ...facts } : undefined
    try {
      await book.change(one.id, change, post.with(one, "offer", kept))
    } catch (error) {
      // The others of a group are offered it all the same.
      if (one.group === undefined || !isAlliumError(error, "CONTACT_STATE", "NO_CONTACT"))
        throw error
      await book.change(one.id, () => ({ stage: "failed", reason: toAlliumError(error).code }))
    }
  }

  async #open(transfer: Transfer): Promise<Seed> {
    const { sources, room } = this.#o
    const id = sourceId(transfer)
    const found = await sources.load(id, transfer.infohash!)
    if (found === undefined)
      throw new AlliumError("FILE_GONE", "Cannot send files: lost track of them")
    const inner = new ShareStore({ room, metainfo: found.metainfo, paths: found.paths })
    const store = new WatchedStore(inner, { ...found, room, clock: this.#o.clock })
    await store.requireUnchanged()
    const seed = new Seed(transfer, found.metainfo, store, {
      ...this.#o,
      failed: (code) => void this.#stopped(transfer.id, code),
      idle: () => void this.#close(id),
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
    const transfer = this.#o.book.get(id)
    if (transfer !== undefined) await this.#close(sourceId(transfer))
  }

  /** The files are not what they were: nobody gets more of them. */
  async #failed(id: string, code: string): Promise<void> {
    const { book, post, log } = this.#o
    const transfer = book.get(id)
    log.info("send.failed", { code })
    if (transfer === undefined) return
    await this.#close(sourceId(transfer))
    for (const one of book.together(transfer))
      await book.change(
        one.id,
        (now) => (isFinished(now) ? undefined : { stage: "failed", reason: code }),
        one.stage === "hashing" ? undefined : post.with(one, "withdraw"),
      )
  }
}

/** Nothing more is given, or not now. */
function isOver(transfer: Transfer): boolean {
  return isFinished(transfer) || transfer.isPaused
}

interface SeedOptions extends SeedsOptions {
  readonly failed: (code: string) => void
  readonly idle: () => void
}

/** One transfer being given; to all members of a group at once. */
class Seed implements AsyncDisposable {
  readonly #transfer: Transfer
  readonly #o: SeedOptions
  readonly #swarm: Swarm
  readonly #store: WatchedStore
  readonly #life = new AbortController()
  /** By contact. */
  readonly #lines = new Map<string, Set<SealedLine>>()
  readonly #given = new Map<string, number>()

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
      ...{ lanes: STREAMS_MAX, ...seatsOf(transfer) },
      ...{ down: [rates.down], up: [rates.up] },
      tells: { metadata: true, peers: false },
    })
    this.#swarm.on((event) => {
      if (event.kind === "stopped") options.failed(event.code)
    })
    void this.#look().catch(() => {})
  }

  async join(line: SealedLine, contact: string): Promise<PeerEnd> {
    const lines = this.#lines.get(contact) ?? new Set()
    this.#lines.set(contact, lines.add(line))
    try {
      return await this.#swarm.join(line, { name: contact, outgoing: false, isOwn: true })
    } finally {
      lines.delete(line)
    }
  }

  /** Nothing more for this contact. */
  drop(contact: string): void {
    for (const line of this.#lines.get(contact) ?? []) line.destroy()
    this.#tell(contact, { busy: false, streams: 0 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort()
    await this.#swarm[Symbol.asyncDispose]()
    await this.#store[Symbol.asyncDispose]()
    for (const contact of this.#lines.keys()) this.#tell(contact, { busy: false, streams: 0 })
  }

  #tell(contact: string, activity: Partial<Omit<Activity, "meter">>): void {
    const transfer = this.#of(contact)
    if (transfer !== undefined) this.#o.book.turned(transfer.id, activity)
  }

  /** The transfer to this contact; none when we received it ourselves. */
  #of(contact: string): Transfer | undefined {
    const all = this.#o.book.together(this.#transfer)
    return all.find((one) => one.direction === "out" && one.contact === contact)
  }

  /** Facts for who watches: what they have, as they say. */
  async #look(): Promise<void> {
    const { clock, idle } = this.#o
    let idleMs = 0
    for (;;) {
      await clock.sleep(LOOK_MS, { signal: this.#life.signal })
      const state = this.#swarm.state()
      for (const contact of this.#lines.keys()) this.#lookAt(contact, state)
      idleMs = state.peers.length > 0 ? 0 : idleMs + LOOK_MS
      if (idleMs >= IDLE_MS) return idle()
    }
  }

  #lookAt(contact: string, state: SwarmState): void {
    const { book } = this.#o
    const transfer = this.#of(contact)
    if (transfer === undefined) return
    const { pieceCount } = state
    const peers = state.peers.filter(({ name }) => name === contact)
    const given = peers.reduce((sum, { upBytes }) => sum + upBytes, 0)
    // What went over a stream that has ended is not counted again.
    const byteCount = Math.max(0, given - (this.#given.get(contact) ?? 0))
    this.#given.set(contact, given)
    const pieces = Math.max(0, ...peers.map((peer) => peer.pieces))
    const share = pieceCount === 0 ? 0 : pieces / pieceCount
    const activity = { busy: byteCount > 0, streams: peers.length, pieceCount }
    const more = { pieces, waitsFor: undefined }
    book.turned(transfer.id, { ...activity, ...(peers.length > 0 && more) })
    if (byteCount > 0) book.moved(transfer.id, byteCount, Math.floor(transfer.size * share))
  }
}

/** Streams at once, and of how many something is given at once. */
function seatsOf({ group }: Transfer): { slots: number; peersMax: number } {
  const seats = (STREAMS_MAX + 1) * Math.min(MEMBERS_AT_ONCE, 1 + (group?.fellows.length ?? 0))
  return { slots: seats, peersMax: seats }
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

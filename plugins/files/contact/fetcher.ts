/**
 * Brings in one transfer that was accepted: a swarm of its own, lanes to the contact, and the whole placed when it is right.
 *
 * @module
 */
import { createHash } from "node:crypto"
import {
  Alarm,
  AlliumError,
  type Change,
  type Clock,
  type Log,
  openBackoff,
  type PluginBlobs,
  toAlliumError,
} from "allium/plugin"
import type { DiskRoom } from "../disk/disk-room.ts"
import { openPartStore, type PartStore } from "../disk/part-store.ts"
import { recheck } from "../disk/recheck.ts"
import type { Playable } from "../play/playable.ts"
import type { FileRates } from "../rates.ts"
import { openSwarm } from "../swarm/swarm.ts"
import type { PeerEnd, Swarm, SwarmContent } from "../swarm/types.ts"
import { Bitfield } from "../torrent/bitfield.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import type { TransferBook } from "./book.ts"
import { collect } from "./collector.ts"
import { digestOf } from "./digest.ts"
import { STREAMS_MAX } from "./lane-count.ts"
import { LanePool } from "./lane-pool.ts"
import type { Post } from "./post.ts"
import type { ProgressBook } from "./progress-book.ts"
import type { SealedLine } from "./sealed-line.ts"
import { isFinished, type Transfer } from "./transfer.ts"

/** Before what failed for good reasons is looked at again: a folder that is away may come back. */
const RETRY = { firstMs: 1_000, mostMs: 300_000 }
/** A full disk is looked at again after this. */
const DISK_RETRY_MS = 10_000
/** Swarms in which the contact sent wrong bytes; what they offered is not what they have. */
const LIES_MAX = 3
/** It is not what was offered. */
const WRONG: ReadonlySet<string> = new Set(["FILE_CORRUPT", "BAD_TORRENT"])
/** A tower has not what it should have; the contact may. */
const NOT_THERE: ReadonlySet<string> = new Set([...WRONG, "NOT_FOUND", "BAD_SEAL"])
/** Fellows to whom there are lanes at once; others may open some to us. */
const FELLOWS_AT_ONCE_MAX = 4
/** Lanes to one fellow. */
const FELLOW_LANES_MAX = 4
/** No stream to the contact for so long: a tower is asked, if there is one. */
const AWAY_MS = 10_000
/** How often progress is looked at. */
const LOOK_MS = 1_000

/** What a fetcher needs of the rest. */
export interface FetcherOptions {
  readonly book: TransferBook
  readonly progress: ProgressBook
  readonly room: DiskRoom
  /** Limits of everything that travels. */
  readonly rates: Pick<FileRates, "down" | "up">
  readonly post: Post
  readonly clock: Clock
  readonly log: Log
  readonly chance: () => number
  /** Lanes of one transfer. */
  readonly lanesMax: number
  readonly blobs: PluginBlobs
  /** How long without a stream before a tower is asked; 10 s. */
  readonly afterMs?: number
  readonly commit: (changes: readonly Change[]) => Promise<void>
  /** Code of why nothing can come from this contact any more. */
  readonly hopeless: (transfer: Transfer) => string | undefined
  /** Opens a line on a lane, to the contact or to a fellow. */
  readonly open: (
    transfer: Transfer,
    lane: number,
    call: { signal: AbortSignal; to: string },
  ) => Promise<SealedLine>
  /** Keys of contacts who may have it too: of those in the group to whom it was offered. */
  readonly fellows: (transfer: Transfer) => readonly string[]
  /** The changes that keep where the files are, so that they can be given to fellows. */
  readonly keep: (id: string, metainfo: Metainfo, paths: readonly string[]) => Promise<Change[]>
  /** Paths of the files of a transfer that was here whole. */
  readonly placed: (transfer: Transfer) => Promise<readonly string[]>
}

/** One transfer's; see the module. */
export class Fetcher {
  readonly #id: string
  readonly #o: FetcherOptions
  readonly #stop = new AbortController()
  readonly #alarm = new Alarm()
  #run: Run | undefined
  #lies = 0

  constructor(id: string, options: FetcherOptions) {
    this.#id = id
    this.#o = options
  }

  /** Aborts when {@linkcode stop} is called. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** What is here by now; `undefined` when nothing can be read. */
  get playable(): Playable | undefined {
    return this.#run?.playable
  }

  /** Resolves when the transfer has ended or rests, or {@linkcode stop} was called. */
  async run(): Promise<void> {
    const backoff = openBackoff({ ...RETRY, chance: this.#o.chance })
    const { signal } = this.#stop
    while (!signal.aborted && this.#isWanted()) {
      try {
        await this.#attempt()
        continue
      } catch (error) {
        if (signal.aborted) break
        const { code } = toAlliumError(error)
        this.#o.log.debug("fetch.again", { code })
        if (WRONG.has(code)) {
          await this.#end({ stage: "failed", reason: "FILE_CORRUPT" })
          break
        }
        this.#o.book.turned(this.#id, { busy: false, streams: 0, waitsFor: code })
      }
      const code = this.#o.book.activity(this.#id).waitsFor
      const atMostMs = code === "DISK_FULL" ? DISK_RETRY_MS : backoff.next()
      await this.#alarm.wait({ signal, clock: this.#o.clock, atMostMs }).catch(() => {})
    }
    this.#o.book.turned(this.#id, { busy: false, streams: 0 })
  }

  /** The contact can be reached now. */
  wake(): void {
    this.#alarm.ring()
    this.#run?.wake()
  }

  /** Gives a fellow what is here, until the line ends. */
  async serve(line: SealedLine, fellow: string): Promise<void> {
    if (this.#run === undefined) line.destroy()
    else await this.#run.join(line, fellow, false)
  }

  /** Lets go at once. */
  stop(): void {
    this.#stop.abort()
  }

  #isWanted(): boolean {
    const transfer = this.#o.book.get(this.#id)
    if (transfer === undefined || transfer.isPaused) return false
    return transfer.stage === "accepted" || transfer.stage === "verifying"
  }

  async #attempt(): Promise<void> {
    const { book, progress, hopeless } = this.#o
    const transfer = book.require(this.#id)
    const reason = hopeless(transfer)
    if (reason !== undefined) return this.#end({ stage: "failed", reason })
    const known = await progress.info(this.#id, transfer.infohash!)
    const run = new Run(transfer, { ...this.#o, metainfo: known, signal: this.#stop.signal })
    this.#run = run
    try {
      const outcome = await run.untilWhole(
        () => this.#o.book.get(this.#id)?.tower?.isStored === true,
      )
      if (outcome === "away") return await this.#collect(run)
      if (outcome === "lied") return await this.#lied()
      await this.#finish(transfer, run)
    } finally {
      this.#run = undefined
      await run.close()
    }
  }

  /** The contact is away, but left it at a tower. */
  async #collect(before: Run): Promise<void> {
    const { book, blobs, progress } = this.#o
    await before.close()
    const transfer = book.require(this.#id)
    const run = new Run(transfer, { ...this.#o, metainfo: undefined, signal: this.#stop.signal })
    this.#run = run
    try {
      await collect(transfer, {
        blobs,
        open: (metainfo) => run.openStore(metainfo),
        save: (now) => progress.save(this.#id, transfer.infohash!, now, true),
        moved: (byteCount, done) => book.moved(this.#id, byteCount, done),
        signal: this.#stop.signal,
      })
      await this.#finish(transfer, run)
    } catch (error) {
      if (!NOT_THERE.has(toAlliumError(error).code)) throw error
      await book.change(this.#id, () => ({ tower: undefined }))
    } finally {
      await run.close()
    }
  }

  async #lied(): Promise<void> {
    if (++this.#lies >= LIES_MAX) await this.#end({ stage: "failed", reason: "FILE_CORRUPT" })
  }

  async #finish(transfer: Transfer, run: Run): Promise<void> {
    const { book, room, post, progress, log, keep } = this.#o
    const { store, metainfo } = run.opened
    await book.change(this.#id, (now) =>
      now.stage === "accepted" ? { stage: "verifying" } : undefined,
    )
    const digest = await digestOf(room, metainfo, store, this.#stop.signal)
    if (Buffer.compare(digest, transfer.sha256!) !== 0) return this.#heal(transfer, run)
    const paths = await store.finish()
    const path = transfer.isFolder ? folderOf(paths, metainfo) : paths[0]
    // Where it is stays known: to verify it again, and for the members of a group.
    const forgotten = progress.forgetProgress(this.#id)
    const kept = await keep(this.#id, metainfo, paths)
    await book.change(
      this.#id,
      (now) =>
        now.stage === "verifying"
          ? { stage: "done", isUntidy: true, isMending: false, ...(path !== undefined && { path }) }
          : undefined,
      post.with(transfer, "done", [...forgotten, ...kept]),
    )
    log.debug("fetch.done", { files: paths.length })
    await run.discard()
    await book.change(this.#id, () => ({ isUntidy: false }))
  }

  /** Something happened to it on this disk; if not, it never was what was offered. */
  async #heal(transfer: Transfer, run: Run): Promise<void> {
    const { book, progress } = this.#o
    const have = await recheck(run.opened.store, { signal: this.#stop.signal })
    if (have.isFull) return this.#end({ stage: "failed", reason: "FILE_CORRUPT" })
    await progress.save(transfer.id, transfer.infohash!, { have, partial: new Map() }, true)
    await book.change(this.#id, ({ stage }) =>
      stage === "verifying" ? { stage: "accepted" } : undefined,
    )
  }

  /** Ended without success: the contact hears why. */
  async #end(how: { stage: "failed"; reason: string }): Promise<void> {
    const { book, post, progress } = this.#o
    const transfer = book.require(this.#id)
    const { isMending } = transfer
    const forgotten = isMending
      ? progress.forgetProgress(this.#id)
      : await progress.forget(this.#id)
    await book.change(
      this.#id,
      (now) => (isFinished(now) ? undefined : { ...how, isUntidy: true }),
      post.with(transfer, "decline", forgotten),
    )
  }
}

/** Where the files of a folder are. */
function folderOf(paths: readonly string[], { files }: Metainfo): string | undefined {
  const depth = (files[0]?.path.length ?? 1) - 1
  return paths[0]
    ?.split("/")
    .slice(0, -depth || undefined)
    .join("/")
}

interface RunOptions extends FetcherOptions {
  readonly metainfo: Metainfo | undefined
  readonly signal: AbortSignal
}

/** A swarm and its lanes, for one try. */
class Run {
  readonly #lanes: LanePool
  /** To fellows, by key. */
  readonly #others = new Map<string, { pool: LanePool; end: AbortController }>()
  /** What came from each, on streams that stand. */
  readonly #came = new Map<string, number>()
  readonly #transfer: Transfer
  readonly #o: RunOptions
  readonly #swarm: Swarm
  #opened: { store: PartStore; metainfo: Metainfo } | undefined
  #playable: Playable | undefined

  constructor(transfer: Transfer, options: RunOptions) {
    this.#transfer = transfer
    this.#o = options
    const { clock, log, chance, metainfo, progress, rates } = options
    const infohash = transfer.infohash!
    this.#swarm = openSwarm({
      infohash,
      ...(metainfo !== undefined && { metainfo }),
      open: (found) => this.openStore(found),
      save: (now, isSynced) => progress.save(transfer.id, infohash, now, isSynced),
      ...{ clock, chance, log, lanes: STREAMS_MAX, ...seatsOf(transfer) },
      ...{ down: [rates.down], up: [rates.up] },
      tells: { metadata: true, peers: false },
    })
    this.#lanes = this.#poolTo(transfer.contact)
  }

  wake(): void {
    this.#lanes.wake()
    for (const { pool } of this.#others.values()) pool.wake()
  }

  /** Takes from and gives to a member, until the line ends. */
  join(line: SealedLine, contact: string, outgoing: boolean): Promise<PeerEnd> {
    return this.#swarm.join(line, { name: contact, outgoing, isOwn: true })
  }

  #poolTo(contact: string): LanePool {
    const { clock, chance, lanesMax, open, book } = this.#o
    const transfer = this.#transfer
    const isAlone = () => this.#swarm.state().peers.length === 0
    return new LanePool({
      ...{ clock, chance, lanesMax: contact === transfer.contact ? lanesMax : FELLOW_LANES_MAX },
      bytes: () => this.#bytesFrom(contact),
      open: (lane, call) => open(transfer, lane, { ...call, to: contact }),
      join: (line) => this.join(line, contact, true),
      waits: (code) => {
        if (contact === transfer.contact && isAlone())
          book.turned(transfer.id, { busy: false, waitsFor: code })
      },
    })
  }

  /** The same one for as long as it can be read. */
  get playable(): Playable | undefined {
    const { store, metainfo } = this.#opened ?? {}
    if (store === undefined || metainfo === undefined) return undefined
    this.#playable ??= {
      ...{ metainfo, have: store.have },
      read: (block, into) => store.read(block, into),
      setWindow: (from, to) => this.#swarm.setWindow(from, to),
      endWindow: () => this.#swarm.setWindow(0, 0),
    }
    return this.#playable
  }

  /** All that came from one of them. */
  #bytesFrom(contact: string): number {
    if (this.#transfer.group === undefined) return this.#swarm.state().downBytes
    const peers = this.#swarm.state().peers.filter(({ name }) => name === contact)
    const byteCount = peers.reduce((sum, { downBytes }) => sum + downBytes, 0)
    const most = Math.max(byteCount, this.#came.get(contact) ?? 0)
    this.#came.set(contact, most)
    return most
  }

  /** Lanes to those who are fellows now, and to no others. */
  #careForFellows(signal: AbortSignal): void {
    const fellows = new Set(this.#o.fellows(this.#transfer).slice(0, FELLOWS_AT_ONCE_MAX))
    for (const [key, { end }] of this.#others) if (!fellows.has(key)) end.abort()
    for (const key of fellows) {
      if (this.#others.has(key)) continue
      const end = new AbortController()
      const pool = this.#poolTo(key)
      this.#others.set(key, { pool, end })
      pool
        .run(AbortSignal.any([signal, end.signal]))
        .catch(() => {})
        .finally(() => this.#others.delete(key))
    }
  }

  get opened(): { readonly store: PartStore; readonly metainfo: Metainfo } {
    if (this.#opened !== undefined) return this.#opened
    throw new AlliumError("FILE_STATE", "Cannot finish transfer: nothing of it is here")
  }

  /**
   * Resolves when every piece is here, or the contact sent wrong ones, or is away and `hasOther` says that there is another way.
   *
   * @throws Why it cannot go on.
   */
  async untilWhole(hasOther: () => boolean): Promise<"whole" | "lied" | "away"> {
    const over = new AbortController()
    const signal = AbortSignal.any([this.#o.signal, over.signal])
    try {
      return await new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason))
        this.#swarm.on((event) => {
          if (event.kind === "finished") resolve("whole")
          else if (event.kind === "banned" && event.name === this.#transfer.contact) resolve("lied")
          else if (event.kind === "stopped") reject(stopped(event.code))
        })
        this.#lanes.run(signal).catch(reject)
        this.#look(signal, () => hasOther() && resolve("away")).catch(reject)
        const { stage } = this.#swarm.state()
        if (stage === "seeding") resolve("whole")
      })
    } finally {
      over.abort()
    }
  }

  async close(): Promise<void> {
    await this.#swarm[Symbol.asyncDispose]()
    await this.#opened?.store[Symbol.asyncDispose]()
  }

  /** Removes the part files. */
  async discard(): Promise<void> {
    await this.#swarm[Symbol.asyncDispose]()
    await this.#opened?.store.discard()
  }

  async #look(signal: AbortSignal, away: () => void): Promise<void> {
    const { book, clock } = this.#o
    let before = this.#swarm.state().downBytes
    let awayMs = 0
    for (;;) {
      this.#careForFellows(signal)
      await clock.sleep(LOOK_MS, { signal })
      const state = this.#swarm.state()
      const byteCount = state.downBytes - before
      before = state.downBytes
      const { bytesHere, piecesHere: pieces, pieceCount } = state
      const busy = byteCount > 0
      const streams = state.peers.length
      book.turned(this.#transfer.id, {
        ...{ busy, streams, pieces, pieceCount },
        ...((busy || streams > 0) && { waitsFor: undefined }),
      })
      book.moved(this.#transfer.id, byteCount, bytesHere)
      awayMs = streams > 0 ? 0 : awayMs + LOOK_MS
      if (awayMs >= (this.#o.afterMs ?? AWAY_MS)) away()
    }
  }

  /** The place for the bytes, and what is there already; open until {@linkcode close}. */
  async openStore(metainfo: Metainfo): Promise<SwarmContent & { readonly store: PartStore }> {
    const { room, progress, commit, placed } = this.#o
    const { id, infohash, folder, isMending } = this.#transfer
    requireOffered(metainfo, this.#transfer)
    const found = await progress.load(id, infohash!, metainfo.geometry)
    const have = found?.have
    const mends = isMending && { mends: { paths: await placed(this.#transfer) } }
    const store = await openPartStore({
      ...{ room, metainfo, id, folder: folder!, ...mends },
      ...(have !== undefined && { have: Bitfield.from(have.toBytes(), have.length) }),
    })
    await commit(progress.keepInfo(id, metainfo.info))
    this.#opened = { store, metainfo }
    return { store, ...(found !== undefined && { progress: found }) }
  }
}

/** Streams at once, and of how many something is given at once; alone with one contact, nothing is given. */
function seatsOf({ group }: Transfer): { slots?: number; peersMax: number } {
  const seats = STREAMS_MAX + 1
  if (group === undefined) return { peersMax: seats }
  const all = seats + 2 * FELLOW_LANES_MAX * FELLOWS_AT_ONCE_MAX
  return { slots: all, peersMax: all }
}

/** What came is what was offered, in every respect that counts. */
function requireOffered(metainfo: Metainfo, transfer: Transfer): void {
  const digest = createHash("sha256").update(metainfo.info).digest()
  const isIt =
    digest.equals(transfer.info!) &&
    metainfo.geometry.size === transfer.size &&
    metainfo.isFolder === transfer.isFolder &&
    metainfo.files.length === transfer.fileCount &&
    metainfo.files.every(({ kind }) => kind === "file")
  if (!isIt) throw new AlliumError("FILE_CORRUPT", "Cannot fetch files: they are not as offered")
}

function stopped(code: string): AlliumError {
  // A swarm names the code of an `AlliumError`.
  return new AlliumError(code as "DISK_FULL", `Cannot go on with transfer: ${code}`)
}

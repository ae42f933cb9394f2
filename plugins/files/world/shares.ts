/**
 * All torrents with the world: made, fetched, paused, resumed, given up, and alive again after a restart.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { AlliumError, type PluginContext, Slots, Turns, toAlliumError } from "allium/plugin"
import type { DiskRoom } from "../disk/disk-room.ts"
import type { TransferDocument } from "../offers.ts"
import type { TransferOwner } from "../owners.ts"
import type { PlayState } from "../play/playable.ts"
import type { Throttle } from "../swarm/index.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import { type Address, type Addresses, PUBLIC } from "./addresses.ts"
import { type LiveShare, openLiveShare, wrongState } from "./live-share.ts"
import { type ShareRecord, ShareTables } from "./record.ts"
import { toShareDocument } from "./share-document.ts"

/** Torrents of one router. Each one that runs takes memory for its pieces and peers. */
const SHARES_MAX = 1_000
/** Torrents that are opened at once after a start: each looks at its files. */
const OPENING_MAX = 4

/** What {@linkcode Shares} needs. */
export interface SharesOptions {
  readonly context: PluginContext
  readonly room: DiskRoom
  /** Names this run of the machine. */
  readonly boot: string
  readonly addresses: Addresses
  /** Open trackers the user chose, for torrents that name none. */
  readonly openTrackers: () => readonly string[]
  readonly down: readonly Throttle[]
  readonly up: readonly Throttle[]
}

/** Told after each change that is on disk. */
export type ShareListener = (record: ShareRecord, document: TransferDocument) => void

interface Entry {
  record: ShareRecord
  live: LiveShare | undefined
  address: Address | undefined
  /** Opening and closing, one after the other. */
  readonly turns: Turns
  /** As it was told last. */
  told: string
}

/** See the module. */
export class Shares implements TransferOwner, AsyncDisposable {
  readonly tables: ShareTables
  readonly #options: SharesOptions
  readonly #entries = new Map<string, Entry>()
  readonly #listeners = new Set<ShareListener>()
  readonly #opening = new Slots(OPENING_MAX)
  #isClosed = false

  constructor(options: SharesOptions) {
    this.#options = options
    this.tables = new ShareTables(options.context.store)
  }

  /** Reads what is on disk, and begins to go on with it. */
  async open(): Promise<void> {
    for (const record of await this.tables.list()) {
      this.#entries.set(record.id, newEntry(record))
      if (isToRun(record)) this.#startLater(record.id)
    }
  }

  /** Calls `listener` after changes; returns how to stop that. */
  watch(listener: ShareListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  get(id: string): ShareRecord | undefined {
    return this.#entries.get(id)?.record
  }

  list(input: { readonly identity?: string | undefined }): TransferDocument[] {
    if (input.identity !== undefined) return []
    return [...this.#entries.values()].map((entry) => this.#document(entry))
  }

  ids(): string[] {
    return [...this.#entries.keys()]
  }

  /** By the beginning of its id. @throws {AlliumError} `NOT_FOUND` for none or several. */
  idOf(beginning: string): string {
    const found = this.ids().filter((id) => id.startsWith(beginning.toLowerCase()))
    if (found.length === 1) return found[0]!
    throw new AlliumError(
      "NOT_FOUND",
      `Cannot find torrent: ${found.length} begin with "${beginning}", expected 1`,
    )
  }

  async show(id: string): Promise<TransferDocument> {
    return this.#document(this.#find(id), true)
  }

  /**
   * Takes a torrent in and begins with it.
   *
   * @param metainfo - `undefined` for a magnet link.
   * @throws {AlliumError} `ALREADY_EXISTS`; `LIMIT_REACHED`.
   */
  async add(
    record: ShareRecord,
    metainfo: Metainfo | undefined,
    also: Parameters<PluginContext["store"]["commit"]>[0] = [],
  ): Promise<TransferDocument> {
    if (this.#entries.has(record.id))
      throw new AlliumError("ALREADY_EXISTS", "Cannot add torrent: it is here already")
    if (this.#entries.size >= SHARES_MAX)
      throw new AlliumError("LIMIT_REACHED", `Cannot add torrent: there are ${SHARES_MAX} already`)
    const entry = newEntry(record)
    this.#entries.set(record.id, entry)
    try {
      const info = metainfo === undefined ? [] : this.tables.putInfo(record.id, metainfo.info)
      await this.tables.store.commit([this.tables.put(record), ...info, ...also])
    } catch (error) {
      this.#entries.delete(record.id)
      throw error
    }
    await this.#start(entry)
    this.#tell(entry, true)
    return this.#document(entry, true)
  }

  async pause(id: string): Promise<TransferDocument> {
    const entry = this.#find(id)
    if (entry.record.isPaused) throw wrongState("pause", "paused", "one that goes on")
    await this.#keep(entry, { isPaused: true })
    await this.#stop(entry)
    this.#tell(entry, true)
    return this.#document(entry)
  }

  async resume(id: string): Promise<TransferDocument> {
    const entry = this.#find(id)
    const { record } = entry
    if (isToRun(record)) throw wrongState("resume", "not paused", "a paused one")
    const goal = record.isSated ? {} : record.goal
    const { reason: _, ...rest } = record
    await this.#keep(entry, { ...rest, goal, isPaused: false, isSated: false }, true)
    await this.#start(entry)
    this.#tell(entry, true)
    return this.#document(entry)
  }

  /** Files that are complete stay where they are. */
  async cancel({ id }: { readonly id: string }): Promise<TransferDocument> {
    const entry = this.#find(id)
    const document: TransferDocument = { ...this.#document(entry), state: "cancelled" }
    entry.live?.discard()
    await this.#stop(entry)
    this.#entries.delete(id)
    await this.tables.store.commit(this.tables.remove(id))
    const { address } = entry.record
    if (address !== PUBLIC) await this.#options.context.forgetSession(address)
    this.#told(entry.record, document)
    return document
  }

  /** What is not running can be read again when it is resumed. */
  async play(id: string): Promise<PlayState> {
    const { live, record } = this.#find(id)
    if (record.reason !== undefined) return { kind: "never" }
    const playable = live?.playable
    return playable ? { kind: "now", playable } : { kind: "later" }
  }

  /** Hashes everything again, and fetches what is wrong of a download; resolves when it runs again. */
  async verify(id: string): Promise<TransferDocument> {
    const entry = this.#find(id)
    await this.#stop(entry)
    const kept = await this.tables.progress(id)
    if (kept !== undefined) {
      // What cannot be decoded is not believed: every piece is hashed.
      const doubtful = { ...kept, last: new Uint8Array(), synced: new Uint8Array() }
      await this.tables.store.commit([this.tables.putProgress(id, doubtful)])
    }
    const { reason: _, ...rest } = entry.record
    // Files of ours are never written.
    const again = rest.kind === "get" && { isDone: false, isSated: false, isMending: true }
    await this.#keep(entry, { ...rest, ...again, isPaused: false }, true)
    await this.#start(entry)
    return this.#document(entry)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#entries.values()].map((entry) => this.#stop(entry)))
    await this.#options.addresses[Symbol.asyncDispose]()
  }

  #find(id: string): Entry {
    const entry = this.#entries.get(id)
    if (entry === undefined)
      throw new AlliumError("NOT_FOUND", "Cannot find torrent: it is not here")
    return entry
  }

  #startLater(id: string): void {
    const { signal } = this.#options.context
    const entry = this.#find(id)
    void this.#opening
      .take(() => this.#start(entry), { signal })
      .catch((error) => {
        if (!signal.aborted) this.#failed(entry, toAlliumError(error).code)
      })
  }

  #start(entry: Entry): Promise<void> {
    return entry.turns.take(async () => {
      const { record } = entry
      if (entry.live !== undefined || this.#isClosed || !isToRun(record)) return
      if (this.#options.context.clock.now() >= (record.goal.until ?? Number.POSITIVE_INFINITY))
        return await this.#keep(entry, { isSated: true })
      const metainfo = await this.tables.metainfo(record.id)
      entry.address = await this.#options.addresses.take(record.address, record.secret)
      entry.live = this.#openLive(entry, entry.address, metainfo)
    })
  }

  #openLive(entry: Entry, address: Address, metainfo: Metainfo | undefined): LiveShare {
    const { context, room, boot, down, up, openTrackers } = this.#options
    return openLiveShare({
      ...{ record: entry.record, metainfo, address, room, boot, down, up },
      openTrackers: openTrackers(),
      tables: this.tables,
      clock: context.clock,
      chance: Math.random,
      log: context.log,
      keep: (different) => this.#keep(entry, different),
      learnt: (known) => this.#learnt(entry, known),
      changed: (isNews) => this.#tell(entry, isNews),
      ended: (reason) => this.#ended(entry, reason),
    })
  }

  #stop(entry: Entry): Promise<void> {
    return entry.turns.take(async () => {
      const { live, address } = entry
      await live?.[Symbol.asyncDispose]()
      entry.live = undefined
      entry.address = undefined
      if (address !== undefined) await this.#options.addresses.leave(address)
    })
  }

  async #learnt(entry: Entry, metainfo: Metainfo): Promise<void> {
    const { name, geometry } = metainfo
    Object.assign(entry.record, { name, size: geometry.size })
    const changes = this.tables.putInfo(entry.record.id, metainfo.info)
    await this.tables.store.commit([this.tables.put(entry.record), ...changes])
  }

  #ended(entry: Entry, reason: string | undefined): void {
    const different = reason === "SATED" ? { isSated: true } : { ...(reason && { reason }) }
    void this.#keep(entry, different)
      .then(() => this.#stop(entry))
      .then(() => this.#tell(entry, true))
      .catch((error) => this.#failed(entry, toAlliumError(error).code))
  }

  #failed(entry: Entry, code: string): void {
    this.#options.context.log.error("share.failed", { code })
    entry.record = { ...entry.record, reason: code }
    this.#tell(entry, true)
  }

  /** On disk when it resolves. @param anew - `different` is all there is. */
  async #keep(entry: Entry, different: Partial<ShareRecord>, anew = false): Promise<void> {
    entry.record = anew ? (different as ShareRecord) : { ...entry.record, ...different }
    if (!this.#entries.has(entry.record.id)) return
    await this.tables.store.commit([this.tables.put(entry.record)])
  }

  #document(entry: Entry, inDetail = false): TransferDocument {
    return toShareDocument({ ...entry, inDetail })
  }

  #tell(entry: Entry, isNews: boolean): void {
    const document = this.#document(entry)
    const told = `${document.state}/${document.reason}`
    const { context } = this.#options
    if (told !== entry.told) context.emit(document.state, document)
    else if (!isNews) context.emit("progress", document)
    if (told !== entry.told || isNews) this.#told(entry.record, document)
    entry.told = told
  }

  #told(record: ShareRecord, document: TransferDocument): void {
    for (const listener of this.#listeners) listener(record, document)
  }
}

function newEntry(record: ShareRecord): Entry {
  return { record, live: undefined, address: undefined, turns: new Turns(), told: "" }
}

function isToRun({ isPaused, isSated, reason }: ShareRecord): boolean {
  return !isPaused && !isSated && reason === undefined
}

/** Names the session of a share that wants an address of its own. */
export function newAddressName(): string {
  return `share-${randomBytes(8).toString("hex")}`
}

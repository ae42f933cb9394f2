/**
 * The bytes of a torrent with the world: what is on disk is believed as far as it can be, and the rest is hashed again.
 *
 * @module
 */
import { basename, dirname } from "node:path"
import { AlliumError } from "allium/plugin"
import type { DiskRoom } from "../disk/disk-room.ts"
import { openPartStore, type PartStore } from "../disk/part-store.ts"
import type { PieceStore } from "../disk/piece-store.ts"
import { recheck } from "../disk/recheck.ts"
import { ShareStore } from "../disk/share-store.ts"
import type { Spot } from "../disk/spot.ts"
import { suspectPieces, takeStamps } from "../disk/stamps.ts"
import type { SwarmStore } from "../swarm/index.ts"
import { Bitfield } from "../torrent/bitfield.ts"
import type { Block, Geometry } from "../torrent/geometry.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import { decodeProgress, encodeProgress, type Progress } from "../torrent/resume.ts"
import type { KeptProgress, ShareRecord, ShareTables } from "./record.ts"

/** A file that has its name. */
export function spotAt(path: string): Spot {
  return { root: dirname(path), names: [basename(path)], isPart: false }
}

/** What {@linkcode openContent} needs. */
export interface ContentOptions {
  readonly room: DiskRoom
  readonly tables: ShareTables
  readonly record: ShareRecord
  readonly metainfo: Metainfo
  readonly signal: AbortSignal
  /** Names this run of the machine. */
  readonly boot: string
  /** Told how many bytes are hashed, of how many. */
  readonly tell: (done: number, size: number) => void
}

/** Where the bytes are. */
export interface OpenContent extends AsyncDisposable {
  readonly store: SwarmStore
  readonly progress: Progress
  /** Keeps it; with what the files look like when it is synced. */
  save(progress: Progress, isSynced: boolean): Promise<void>
  /** Complete files get their names. @returns Them. */
  finish(): Promise<readonly string[]>
  /** The names are kept: when all files have theirs, nothing else is left behind. */
  settle(paths: readonly string[]): Promise<void>
  /** Removes part files; for what is given up. */
  discard(): Promise<void>
}

/**
 * Opens the files of a torrent.
 *
 * @throws {AlliumError} `DISK_FULL`; `FILE_GONE` and `FILE_CHANGED` when files of ours are not what was shared.
 */
export async function openContent(options: ContentOptions): Promise<OpenContent> {
  const { record, tables, metainfo } = options
  const kept = await tables.progress(record.id)
  const known = kept && believed(kept, options)
  const progress = known ?? {
    have: new Bitfield(metainfo.geometry.pieceCount),
    partial: new Map(),
  }
  // What is to be hashed first may be there whole: it is not asked of the disk twice.
  const isHashedFirst = kept !== undefined && known === undefined
  const store = await openStore(options, isHashedFirst ? fullOf(metainfo) : progress.have)
  try {
    const suspects = await suspectsOf(options, store, kept, known)
    await lookAgain(options, store, progress, suspects)
    if (isOurs(record, metainfo) && !progress.have.isFull) throw changed()
    if (isHashedFirst && !(await store.hasRoom())) throw noRoom()
    return new KeptContent(options, store, progress, kept)
  } catch (error) {
    await store[Symbol.asyncDispose]()
    throw error
  }
}

/** Files that have their names and are only read from now on: of a share, or of a whole download. */
function isOurs({ kind, paths, isMending }: ShareRecord, { files }: Metainfo): boolean {
  if (kind === "share") return true
  return !isMending && paths.length === files.filter((file) => file.kind === "file").length
}

async function openStore(
  { room, record, metainfo }: ContentOptions,
  have: Bitfield,
): Promise<PartStore | ShareStore> {
  if (isOurs(record, metainfo)) return new ShareStore({ room, metainfo, paths: record.paths })
  const { folder, id, isMending, paths } = record
  const mends = isMending && { mends: { paths } }
  const copy = Bitfield.from(have.toBytes(), have.length)
  return openPartStore({ room, metainfo, folder, id, have: copy, ...mends })
}

function fullOf({ geometry }: Metainfo): Bitfield {
  return Bitfield.full(geometry.pieceCount)
}

/** What was not on the disk for good is not believed when the whole machine went down since. */
function believed(
  kept: KeptProgress,
  { metainfo, boot }: Pick<ContentOptions, "metainfo" | "boot">,
): Progress | undefined {
  const bytes = kept.boot === boot ? kept.last : kept.synced
  return bytes && decodeProgress(metainfo.infohash, metainfo.geometry, bytes)
}

/** Pieces that have to be hashed again. */
async function suspectsOf(
  { room, metainfo }: ContentOptions,
  store: PartStore | ShareStore,
  kept: KeptProgress | undefined,
  known: Progress | undefined,
): Promise<Bitfield> {
  const { pieceCount } = metainfo.geometry
  if (kept === undefined && !(store instanceof ShareStore)) return new Bitfield(pieceCount)
  if (known === undefined) return Bitfield.full(pieceCount)
  if (kept?.stamps === undefined) return new Bitfield(pieceCount)
  const spotOf = (file: number): Spot => store.spotOf(file)
  const changedOnes = await suspectPieces({ disk: room.disk, metainfo, spotOf }, kept.stamps)
  return changedOnes
}

async function lookAgain(
  { signal, tell, metainfo: { geometry } }: ContentOptions,
  store: PieceStore,
  { have, partial }: { have: Bitfield; partial: ReadonlyMap<number, Bitfield> },
  suspects: Bitfield,
): Promise<void> {
  if (suspects.count === 0) return
  const size = bytesOf(suspects, geometry)
  let done = 0
  const right = await recheck(store, {
    ...{ pieces: suspects, signal },
    tell: (piece) => {
      done += geometry.lengthOf(piece)
      tell(done, size)
    },
  })
  for (const piece of suspects.indices()) {
    if (right.has(piece)) have.set(piece)
    else have.clear(piece)
    ;(partial as Map<number, Bitfield>).delete(piece)
  }
}

function bytesOf(pieces: Bitfield, geometry: Geometry): number {
  let byteCount = 0
  for (const piece of pieces.indices()) byteCount += geometry.lengthOf(piece)
  return byteCount
}

class KeptContent implements OpenContent {
  readonly store: SwarmStore
  readonly progress: Progress
  readonly #options: ContentOptions
  #store: PartStore | ShareStore
  #kept: Partial<KeptProgress>

  constructor(
    options: ContentOptions,
    store: PartStore | ShareStore,
    progress: Progress,
    kept: KeptProgress | undefined,
  ) {
    this.#options = options
    this.#store = store
    this.progress = progress
    this.#kept = kept ?? {}
    this.store = {
      geometry: options.metainfo.geometry,
      read: (block: Block, into: Uint8Array) => this.#store.read(block, into),
      write: (block: Block, bytes: Uint8Array) => this.#store.write(block, bytes),
      check: (piece, how) => this.#store.check(piece, how),
      sync: () => this.#store.sync(),
      hasRoom: () => this.#store.hasRoom(),
    }
  }

  async save(progress: Progress, isSynced: boolean): Promise<void> {
    const { tables, record, metainfo, boot } = this.#options
    const last = encodeProgress(metainfo.infohash, progress)
    const stamps = isSynced ? await this.#stamps() : this.#kept.stamps
    const synced = isSynced ? last : this.#kept.synced
    this.#kept = {
      ...{ last, boot },
      ...(synced && { synced }),
      ...(stamps && { stamps }),
    }
    await tables.store.commit([tables.putProgress(record.id, this.#kept as KeptProgress)])
  }

  finish(): Promise<readonly string[]> {
    return this.#store.finish()
  }

  async settle(paths: readonly string[]): Promise<void> {
    const { room, metainfo } = this.#options
    const realCount = metainfo.files.filter(({ kind }) => kind === "file").length
    if (paths.length !== realCount || this.#store instanceof ShareStore) return
    const part = this.#store
    this.#store = new ShareStore({ room, metainfo, paths })
    await part.discard()
  }

  async discard(): Promise<void> {
    if (this.#store instanceof ShareStore) await this.#store[Symbol.asyncDispose]()
    else await this.#store.discard()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#store[Symbol.asyncDispose]()
  }

  #stamps(): Promise<Uint8Array> {
    const { room, metainfo } = this.#options
    const spotOf = (file: number): Spot => this.#store.spotOf(file)
    return takeStamps({ disk: room.disk, metainfo, spotOf })
  }
}

function noRoom(): AlliumError {
  const message = "Cannot get files: the disk has no room for what is missing"
  return new AlliumError("DISK_FULL", message)
}

function changed(): AlliumError {
  const message = "Cannot share files: they are no longer what was shared"
  return new AlliumError("FILE_CHANGED", message)
}

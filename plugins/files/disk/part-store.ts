/**
 * A torrent that is being downloaded: its pieces in part files, and complete files under their final names.
 *
 * @module
 */
import { Turns } from "allium/plugin"
import { Bitfield } from "../torrent/bitfield.ts"
import type { Block, Geometry } from "../torrent/geometry.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import { diskError, hasSpace, look, requireSpace } from "./disk.ts"
import type { DiskRoom } from "./disk-room.ts"
import { openPartFolder, type PartFolder } from "./part-folder.ts"
import { PieceRow } from "./piece-row.ts"
import type { PieceCheck, PieceStore } from "./piece-store.ts"
import { openPlaces, type Places } from "./places.ts"
import { openSpot, pathOf, type Spot } from "./spot.ts"

/** What a download is opened with. */
export interface PartStoreOptions {
  readonly room: DiskRoom
  readonly metainfo: Metainfo
  /** Where the files are to be; it exists. */
  readonly folder: string
  /** Names the download among others there: lower-case letters and digits, such as the infohash in hex. */
  readonly id: string
  /** Pieces known to be right; the store's from then on, see {@linkcode PartStore.have}. */
  readonly have?: Bitfield
  /**
   * To be mended: files that have their final names are written where they are. The paths are needed when the download was whole,
   * in the torrent's order.
   */
  readonly mends?: { readonly paths: readonly string[] }
}

/**
 * Opens a download, or goes on with it.
 *
 * @throws {AlliumError} `DISK_FULL` when what is missing has no room; `FILE_GONE` for a folder that is not there; others as
 * {@linkcode PieceStore} says.
 */
export async function openPartStore(options: PartStoreOptions): Promise<PartStore> {
  const { disk } = options.room
  try {
    const folder = await disk.realpath(options.folder)
    const have = options.have ?? new Bitfield(options.metainfo.geometry.pieceCount)
    await requireSpace(disk, folder, missingBytes(options.metainfo.geometry, have))
    const parts = await openPartFolder(disk, folder, options.id)
    const { metainfo, mends } = options
    const placed = mends && { placed: mends.paths }
    const places = await openPlaces({ disk, folder, parts, metainfo, ...placed })
    if (mends !== undefined) for (const file of await places.found()) parts.made.add(file)
    return new PartStore({ ...options, folder, have }, parts, places)
  } catch (error) {
    throw diskError("open download", error)
  }
}

/** See the module. */
export class PartStore implements PieceStore {
  readonly geometry: Geometry
  /** Pieces that are right: given, or found so by {@linkcode PartStore.check}. */
  readonly have: Bitfield
  readonly #o: PartStoreOptions
  readonly #parts: PartFolder
  readonly #places: Places
  readonly #row: PieceRow
  readonly #turns = new Turns()

  /** For {@linkcode openPartStore} only. */
  constructor(
    options: PartStoreOptions & { readonly have: Bitfield },
    parts: PartFolder,
    places: Places,
  ) {
    this.#o = options
    this.#parts = parts
    this.#places = places
    this.geometry = options.metainfo.geometry
    this.have = options.have
    const spotOf = (file: number) => this.spotOf(file)
    const { room, metainfo } = options
    this.#row = new PieceRow(metainfo, { room, spotOf, made: parts.made })
  }

  /** Where a file's bytes are now. */
  spotOf(file: number): Spot {
    const placed = this.#places.spotOf(file)
    if (placed === undefined) return this.#parts.spot(file)
    return this.#o.mends === undefined ? placed : { ...placed, isPart: true }
  }

  read(block: Block, into: Uint8Array): Promise<void> {
    return this.#row.read(block, into)
  }

  write(block: Block, bytes: Uint8Array): Promise<void> {
    return this.#row.write(block, bytes)
  }

  async check(piece: number, how: { digests: boolean }): Promise<PieceCheck> {
    const found = await this.#row.check(piece, how)
    if (found.isRight) this.have.set(piece)
    else this.have.clear(piece)
    return found
  }

  sync(): Promise<void> {
    return this.#row.sync()
  }

  hasRoom(): Promise<boolean> {
    return hasSpace(this.#o.room.disk, this.#o.folder, missingBytes(this.geometry, this.have))
  }

  finish(): Promise<readonly string[]> {
    return this.#turns.take(async () => {
      await this.sync()
      const complete = this.#files().filter((file) => this.isComplete(file))
      try {
        if (this.#o.mends !== undefined) await this.#trim()
        await this.#places.place(complete, (path) => this.#o.room.files.forget([path]))
      } catch (error) {
        throw diskError("place file", error)
      }
      return this.#places.paths()
    })
  }

  /** Whether every piece of a file is right; padding never is a file. */
  isComplete(file: number): boolean {
    const { offset, size, kind } = this.#o.metainfo.files[file]!
    const { from, to } = this.geometry.piecesOf(offset, size)
    for (let piece = from; piece < to; piece++) if (!this.have.has(piece)) return false
    return kind === "file"
  }

  /** Removes the part files and what is known of final names: for downloads given up, and for those whose paths the owner keeps. */
  async discard(): Promise<void> {
    await this[Symbol.asyncDispose]()
    await this.#turns.take(() => this.#parts.remove())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#o.room.files.forget(this.#files().map((file) => pathOf(this.spotOf(file))))
  }

  /** What somebody wrote behind the end of a file that has its name. */
  async #trim(): Promise<void> {
    const { room, metainfo } = this.#o
    for (const file of this.#files()) {
      const spot = this.#places.spotOf(file)
      const { size } = metainfo.files[file]!
      if (!spot || ((await look(room.disk, pathOf(spot)))?.size ?? 0) <= size) continue
      const handle = await openSpot(room.disk, spot, "write")
      await handle.truncate(size).finally(() => handle.close())
    }
  }

  #files(): number[] {
    return [...this.#o.metainfo.files.keys()]
  }
}

/** Bytes of pieces that are not there. */
function missingBytes(geometry: Geometry, have: Bitfield): number {
  let missing = 0
  for (let piece = 0; piece < geometry.pieceCount; piece++)
    if (!have.has(piece)) missing += geometry.lengthOf(piece)
  return missing
}

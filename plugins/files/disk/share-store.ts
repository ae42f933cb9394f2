/**
 * A torrent whose files are the user's: they are only read, and may change or go at any time.
 *
 * @module
 */
import { basename, dirname } from "node:path"
import { AlliumError } from "allium/plugin"
import type { Block, Geometry } from "../torrent/geometry.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import type { DiskRoom } from "./disk-room.ts"
import { PieceRow } from "./piece-row.ts"
import type { PieceCheck, PieceStore } from "./piece-store.ts"
import { pathOf, type Spot } from "./spot.ts"

/** What a share is opened with. */
export interface ShareStoreOptions {
  readonly room: DiskRoom
  readonly metainfo: Metainfo
  /**
   * Real path of each file, in the torrent's order, without padding and links: as {@linkcode makeShare} found them, or
   * {@linkcode PieceStore.finish} gave them.
   */
  readonly paths: readonly string[]
}

/** See the module. Nothing is opened before it is read. */
export class ShareStore implements PieceStore {
  readonly geometry: Geometry
  readonly #room: DiskRoom
  readonly #spots: ReadonlyMap<number, Spot>
  readonly #row: PieceRow

  /** @throws {RangeError} When there are more or fewer paths than files. */
  constructor({ room, metainfo, paths }: ShareStoreOptions) {
    this.geometry = metainfo.geometry
    this.#room = room
    this.#spots = spotsOf(metainfo, paths)
    const spotOf = (file: number) => this.spotOf(file)
    this.#row = new PieceRow(metainfo, { room, spotOf, made: new Set() })
  }

  /** Where a file's bytes are. */
  spotOf(file: number): Spot {
    return this.#spots.get(file)!
  }

  read(block: Block, into: Uint8Array): Promise<void> {
    return this.#row.read(block, into)
  }

  check(piece: number, how: { digests: boolean }): Promise<PieceCheck> {
    return this.#row.check(piece, how)
  }

  /** @throws {AlliumError} `FILE_STATE`, always: the user's files are never written. */
  async write(): Promise<void> {
    throw new AlliumError("FILE_STATE", "Cannot write file: it is shared, expected a download")
  }

  async sync(): Promise<void> {}

  async hasRoom(): Promise<boolean> {
    return true
  }

  async finish(): Promise<readonly string[]> {
    return [...this.#spots.values()].map(pathOf)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#room.files.forget(await this.finish())
  }
}

function spotsOf({ files }: Metainfo, paths: readonly string[]): Map<number, Spot> {
  const real = [...files.keys()].filter((file) => files[file]!.kind === "file")
  if (real.length !== paths.length)
    throw new RangeError(`A torrent of ${real.length} files has as many paths, not ${paths.length}`)
  return new Map(
    real.map((file, index) => {
      const path = paths[index]!
      return [file, { root: dirname(path), names: [basename(path)], isPart: false }]
    }),
  )
}

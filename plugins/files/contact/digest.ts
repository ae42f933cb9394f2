/**
 * SHA-256 of what came, on a hashing thread: BitTorrent's pieces have SHA-1 alone.
 *
 * @module
 */
import { createHash } from "node:crypto"
import type { DiskRoom } from "../disk/disk-room.ts"
import { DIGEST_BYTES, digestFiles } from "../disk/file-digest.ts"
import { FileRow } from "../disk/file-row.ts"
import type { Spot } from "../disk/spot.ts"
import type { Metainfo } from "../torrent/metainfo.ts"

/**
 * As an offer says it: of a file, its own; of a folder, over those of its files.
 *
 * @throws {AlliumError} What the disk says; the signal's reason.
 */
export async function digestOf(
  room: DiskRoom,
  metainfo: Metainfo,
  store: { spotOf(file: number): Spot },
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { files } = metainfo
  const digests = new Uint8Array(files.length * DIGEST_BYTES)
  const spotOf = (file: number): Spot => ({ ...store.spotOf(file), isPart: false })
  const row = new PartRow({ room, files, spotOf, made: new Set() }, files)
  await digestFiles({ row, files, digests, begin: async () => signal.throwIfAborted() })
  return combine(digests, metainfo.isFolder)
}

/** A file without bytes is not on the disk before it has its name. */
class PartRow extends FileRow {
  readonly #files: Metainfo["files"]

  constructor(options: ConstructorParameters<typeof FileRow>[0], files: Metainfo["files"]) {
    super(options)
    this.#files = files
  }

  override async through(...args: Parameters<FileRow["through"]>): Promise<Uint8Array> {
    const isEmpty = this.#files[args[0]]?.size === 0
    return isEmpty ? new Uint8Array(createHash("sha256").digest()) : super.through(...args)
  }
}

/** @param digests - SHA-256 of each file, 32 bytes, one after the other. */
export function combine(digests: Uint8Array, isFolder: boolean): Uint8Array {
  return isFolder ? new Uint8Array(createHash("sha256").update(digests).digest()) : digests
}

/**
 * Hashes again what was received or is being given, and tells which files are not what was offered.
 *
 * @module
 */
import { AlliumError } from "allium/plugin"
import type { DiskRoom } from "../disk/disk-room.ts"
import { recheck } from "../disk/recheck.ts"
import { ShareStore } from "../disk/share-store.ts"
import type { Bitfield } from "../torrent/bitfield.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import { digestOf } from "./digest.ts"
import type { Sources } from "./sources.ts"
import { sourceId, type Transfer } from "./transfer.ts"

/** What was found. */
export interface Verdict {
  /** SHA-256 of all is what the offer says. */
  readonly isRight: boolean
  /**
   * Paths of the files that are not; all of them when it cannot be told which. Small files share a piece: when it is wrong, all of
   * them are told.
   */
  readonly wrong: readonly string[]
  /** Pieces that are right, when that was looked at. */
  readonly right?: Bitfield
}

/**
 * Compares with the SHA-256 of the offer; where that differs, the pieces tell which files.
 *
 * @throws {AlliumError} `FILE_STATE` when its files are not known; what the disk says; the signal's reason.
 */
export async function verifyFiles(
  transfer: Transfer,
  { room, sources }: { readonly room: DiskRoom; readonly sources: Sources },
  signal: AbortSignal,
): Promise<Verdict> {
  const found = transfer.infohash && (await sources.load(sourceId(transfer), transfer.infohash))
  if (found === undefined || transfer.sha256 === undefined) throw unknownFiles()
  const { metainfo, paths } = found
  await using store = new ShareStore({ room, metainfo, paths })
  // A file that is missing has no digest.
  const digest = await digestOf(room, metainfo, store, signal).catch((error: unknown) => {
    if (error instanceof AlliumError && GONE.has(error.code)) return undefined
    throw error
  })
  if (digest !== undefined && Buffer.compare(digest, transfer.sha256) === 0)
    return { isRight: true, wrong: [] }
  const right = await recheck(store, { signal })
  const wrong = paths.filter((_, file) => !isFileRight(metainfo, file, right))
  return { isRight: false, wrong: wrong.length > 0 ? wrong : paths, right }
}
const GONE: ReadonlySet<string> = new Set(["FILE_GONE", "FILE_CHANGED"])

function isFileRight({ files, geometry }: Metainfo, file: number, right: Bitfield): boolean {
  const { offset, size } = files[file]!
  const { from, to } = geometry.piecesOf(offset, size)
  for (let piece = from; piece < to; piece++) if (!right.has(piece)) return false
  return true
}

function unknownFiles(): AlliumError {
  const found = "its files are not here, or not any more"
  return new AlliumError("FILE_STATE", `Cannot verify transfer: ${found}, expected whole ones`)
}

/**
 * What the files of a torrent looked like, so that after a restart only those that changed are hashed again.
 *
 * 16 bytes for each file, big-endian: its size, and when it was changed last, in microseconds since 1970. All zeros for a file that is
 * missing; all ones for a part file, which grows all the time and only has to be there.
 *
 * @module
 */
import { Bitfield } from "../torrent/bitfield.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import { type Disk, look } from "./disk.ts"
import { inParallel } from "./in-parallel.ts"
import { pathOf, type Spot } from "./spot.ts"

const STAMP_BYTES = 16
/** Looked at at once; the system's threads are four. */
const AT_ONCE = 8

/** A torrent and where its files are. */
export interface Stamped {
  readonly disk: Disk
  readonly metainfo: Metainfo
  readonly spotOf: (file: number) => Spot
}

/** To be kept with the progress; taken after a sync. */
export async function takeStamps(torrent: Stamped): Promise<Uint8Array> {
  const { files } = torrent.metainfo
  const stamps = Buffer.alloc(files.length * STAMP_BYTES)
  await inParallel(files.keys(), AT_ONCE, async (file) => {
    if (files[file]!.kind === "file")
      (await stampOf(torrent, file)).copy(stamps, file * STAMP_BYTES)
  })
  return new Uint8Array(stamps)
}

/**
 * Pieces of files that are no longer as they were.
 *
 * @param stamps - Taken before; when they are of another torrent or damaged, every piece is suspect.
 */
export async function suspectPieces(torrent: Stamped, stamps: Uint8Array): Promise<Bitfield> {
  const { files, geometry } = torrent.metainfo
  if (stamps.length !== files.length * STAMP_BYTES) return Bitfield.full(geometry.pieceCount)
  const suspects = new Bitfield(geometry.pieceCount)
  await inParallel(files.keys(), AT_ONCE, async (file) => {
    const { kind, offset, size } = files[file]!
    const before = Buffer.from(stamps).subarray(file * STAMP_BYTES, (file + 1) * STAMP_BYTES)
    if (kind !== "file" || (await isAsBefore(torrent, file, before))) return
    const { from, to } = geometry.piecesOf(offset, size)
    for (let piece = from; piece < to; piece++) suspects.set(piece)
  })
  return suspects
}

/** A part file that has its final name since then is as long as it must be. */
async function isAsBefore(torrent: Stamped, file: number, before: Buffer): Promise<boolean> {
  const now = await stampOf(torrent, file)
  if (now.equals(before)) return true
  const wasPart = before.equals(PART)
  return wasPart && now.readBigUInt64BE(0) === BigInt(torrent.metainfo.files[file]!.size)
}

const PART = Buffer.alloc(STAMP_BYTES, 0xff)

async function stampOf({ disk, spotOf }: Stamped, file: number): Promise<Buffer> {
  const spot = spotOf(file)
  const found = await look(disk, pathOf(spot))
  if (found === undefined || !found.isFile()) return Buffer.alloc(STAMP_BYTES)
  if (spot.isPart) return PART
  const stamp = Buffer.alloc(STAMP_BYTES)
  stamp.writeBigUInt64BE(BigInt(found.size), 0)
  stamp.writeBigInt64BE(BigInt(Math.round(found.mtimeMs * 1_000)), 8)
  return stamp
}

/**
 * Making a torrent of the user's files: pieces and whole files are hashed side by side, in constant memory.
 *
 * @module
 */

import { basename, dirname } from "node:path"
import { Geometry } from "../torrent/geometry.ts"
import { type Metainfo, readInfo } from "../torrent/metainfo.ts"
import type { TorrentFile } from "../torrent/metainfo-files.ts"
import { choosePieceBytes, writeInfo } from "../torrent/metainfo-write.ts"
import type { DiskRoom } from "./disk-room.ts"
import { DIGEST_BYTES, digestFiles } from "./file-digest.ts"
import { FileRow } from "./file-row.ts"
import { inParallel } from "./in-parallel.ts"
import { Pace } from "./pace.ts"
import { atOnce } from "./recheck.ts"
import type { Spot } from "./spot.ts"
import { requireUnchanged, type Survey } from "./survey.ts"

/** SHA-1. */
const HASH_BYTES = 20

/** What a share is made with. */
export interface MakeShareOptions {
  readonly room: DiskRoom
  readonly survey: Survey
  /** A power of two; by default what suits the size. */
  readonly pieceBytes?: number
  readonly isPrivate?: boolean
  /** Makes another infohash of the same content. */
  readonly source?: string
  readonly signal: AbortSignal
  /** Told how many bytes are hashed of how many. */
  readonly tell?: (done: number, size: number) => void
}

/** A torrent of the user's own files. */
export interface MadeShare {
  readonly metainfo: Metainfo
  /** Of each file, 32 bytes, one after the other: SHA-256. */
  readonly digests: Uint8Array
  /** Real path of each file, for {@linkcode ShareStore}. */
  readonly paths: readonly string[]
}

/**
 * Hashes everything once.
 *
 * @throws {AlliumError} `FILE_CHANGED` and `FILE_GONE` for files that are no longer as they were surveyed; `DISK_REFUSED`,
 * `DISK_FAILED`. The signal's reason.
 */
export async function makeShare(options: MakeShareOptions): Promise<MadeShare> {
  const { survey, room } = options
  const files = placesOf(survey)
  const spots = survey.files.map(({ path }) => spotOf(path))
  const row = new FileRow({ room, files, spotOf: (file) => spots[file]!, made: new Set() })
  const size = survey.files.reduce((sum, file) => sum + file.size, 0)
  const geometry = new Geometry(size, options.pieceBytes ?? choosePieceBytes(size))
  try {
    const [pieceHashes, digests] = await hashAll(options, row, files, geometry)
    await requireUnchanged(room.disk, survey)
    const metainfo = readInfo(infoOf(options, geometry, pieceHashes))
    return { metainfo, digests, paths: survey.files.map(({ path }) => path) }
  } finally {
    await room.files.forget(survey.files.map(({ path }) => path))
  }
}

/** Two lanes, one for each kind of hash; whichever fails stops the other. */
async function hashAll(
  options: MakeShareOptions,
  row: FileRow,
  files: readonly TorrentFile[],
  geometry: Geometry,
): Promise<[pieceHashes: Uint8Array, digests: Uint8Array]> {
  const pace = new Pace(options.signal)
  const digests = new Uint8Array(files.length * DIGEST_BYTES)
  const ends = await Promise.allSettled([
    pace.lane(0, () => hashPieces(options, row, geometry, pace)),
    pace.lane(1, () => digestFiles({ row, files, digests, begin: (at) => pace.begin(1, at) })),
  ])
  for (const end of ends) if (end.status === "rejected") throw end.reason
  return [(ends[0] as PromiseFulfilledResult<Uint8Array>).value, digests]
}

async function hashPieces(
  { tell }: MakeShareOptions,
  row: FileRow,
  geometry: Geometry,
  pace: Pace,
): Promise<Uint8Array> {
  const hashes = new Uint8Array(geometry.pieceCount * HASH_BYTES)
  let done = 0
  await inParallel(count(geometry.pieceCount), atOnce(geometry), async (piece) => {
    const offset = piece * geometry.pieceBytes
    const length = geometry.lengthOf(piece)
    await pace.begin(0, offset)
    hashes.set(await row.hash(offset, length, 0), piece * HASH_BYTES)
    done += length
    tell?.(done, geometry.size)
  })
  return hashes
}

function* count(to: number): Generator<number> {
  for (let number = 0; number < to; number++) yield number
}

function placesOf({ files }: Survey): TorrentFile[] {
  let offset = 0
  return files.map(({ names, size }) => {
    const file = { path: names, size, offset, kind: "file" as const }
    offset += size
    return file
  })
}

function spotOf(path: string): Spot {
  return { root: dirname(path), names: [basename(path)], isPart: false }
}

function infoOf(
  { survey, isPrivate, source }: MakeShareOptions,
  { size, pieceBytes }: Geometry,
  pieceHashes: Uint8Array,
): Uint8Array {
  const list = survey.files.map((file) => ({ path: file.names, size: file.size }))
  return writeInfo({
    name: survey.name,
    content: survey.isFolder ? list : size,
    pieceBytes,
    pieceHashes,
    ...(isPrivate && { isPrivate }),
    ...(source !== undefined && { source }),
  })
}

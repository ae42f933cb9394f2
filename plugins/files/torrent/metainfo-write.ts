/**
 * Metainfo, written: v1 torrents as every client over I2P reads them.
 *
 * @see https://www.bittorrent.org/beps/bep_0003.html#metainfo-files
 * @module
 */
import { decodeBencodeHead } from "./bencode.ts"
import { type Bencodable, encodeBencode } from "./bencode-write.ts"
import { PIECE_BYTES_MAX } from "./metainfo.ts"
import { parseTrackerUrl } from "./tracker-url.ts"

/** Shortest piece we make. */
const PIECE_BYTES_FIRST = 64 * 1_024
/** Longest piece for torrents of usual size: what is wrong is sent again whole, and I2PSnark cuts peers off above. */
const PIECE_BYTES_USUAL = 2 ** 20
/** Pieces one torrent should have: few hashes, and progress that shows. */
const PIECES_FEW = 2_000
/** Beyond, pieces become longer than usual. */
const PIECES_MANY = 20_000

/** What goes into an info dictionary; names are written as given. */
export interface InfoPlan {
  readonly name: string
  /** In bytes: the one file's size. Or the files of the folder, in order. */
  readonly content: number | readonly { readonly path: readonly string[]; readonly size: number }[]
  readonly pieceBytes: number
  /** SHA-1 of each piece, 20 bytes each. */
  readonly pieceHashes: Uint8Array
  readonly isPrivate?: boolean
  /** Makes another infohash of the same content. */
  readonly source?: string
}

/** What stands around the info dictionary. */
export interface TorrentPlan {
  /** Announce URLs inside I2P, in tiers. */
  readonly tiers?: readonly (readonly string[])[]
  readonly comment?: string
  readonly createdBy?: string
  /** Seconds since 1970; left out unless given, for it says when somebody was at work. */
  readonly createdAtS?: number
}

/** The info dictionary; its SHA-1 is the infohash. */
export function writeInfo(plan: InfoPlan): Uint8Array {
  const { content } = plan
  return encodeBencode({
    ...(typeof content === "number"
      ? { length: content }
      : { files: content.map(({ path, size }) => ({ length: size, path })) }),
    name: plan.name,
    "piece length": plan.pieceBytes,
    pieces: plan.pieceHashes,
    private: plan.isPrivate ? 1 : undefined,
    source: plan.source,
  })
}

/**
 * A torrent file around an info dictionary, whose bytes stay as they are.
 *
 * @throws {RangeError} When a tracker is no URL inside I2P.
 */
export function writeTorrent(info: Uint8Array, plan: TorrentPlan = {}): Uint8Array {
  const tiers = plan.tiers ?? []
  if (tiers.flat().some((url) => parseTrackerUrl(url) === undefined))
    throw new RangeError("A tracker is a URL in I2P")
  const before: Bencodable = {
    announce: tiers[0]?.[0],
    "announce-list": tiers.flat().length > 1 ? tiers : undefined,
    comment: plan.comment,
    "created by": plan.createdBy,
    "creation date": plan.createdAtS,
  }
  const { value } = decodeBencodeHead(info, {
    code: "BAD_TORRENT",
    what: "info dictionary",
    valuesMax: Number.POSITIVE_INFINITY,
  })
  const known = Object.entries(before).filter(([, member]) => member !== undefined)
  return encodeBencode(new Map([...known, ["info", value]] as [string, never][]))
}

/**
 * How long the pieces of a new torrent are: a power of two from 64 KiB on; 1 MiB up to 20 GB, then longer.
 *
 * @param size - All bytes of the torrent.
 */
export function choosePieceBytes(size: number): number {
  let pieceBytes = PIECE_BYTES_FIRST
  while (pieceBytes < PIECE_BYTES_USUAL && size / pieceBytes > PIECES_FEW) pieceBytes *= 2
  while (pieceBytes < PIECE_BYTES_MAX && size / pieceBytes > PIECES_MANY) pieceBytes *= 2
  return pieceBytes
}

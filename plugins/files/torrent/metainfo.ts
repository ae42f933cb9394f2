/**
 * Metainfo, read: what a torrent holds, how it is divided, and the infohash over its exact bytes. BitTorrent v1, and hybrids as v1.
 *
 * @see https://www.bittorrent.org/beps/bep_0003.html#metainfo-files
 * @module
 */
import { createHash } from "node:crypto"
import { AlliumError, safeName } from "allium/plugin"
import {
  type BencodeMap,
  type BencodeReading,
  type BencodeValue,
  decodeBencode,
  decodeBencodeHead,
} from "./bencode.ts"
import { Geometry } from "./geometry.ts"
import { asMap, bytesOf, integerOf, listOf, textFrom, wordsOf } from "./members.ts"
import { nameOf, readFiles, type TorrentFile } from "./metainfo-files.ts"
import { trackerUrls } from "./tracker-url.ts"

/** A whole torrent file, and the metadata fetched from peers: 2^19 piece hashes take 10 MiB. */
export const METAINFO_BYTES_MAX = 12 * 2 ** 20
/** Pieces: 100 GB in pieces of 256 KiB. Their bitfield takes 64 KiB. */
export const PIECES_MAX = 2 ** 19
/** Longest piece; I2PSnark takes no longer ones. */
export const PIECE_BYTES_MAX = 32 * 2 ** 20
/** Shortest piece that is read. */
export const PIECE_BYTES_MIN = 1_024
/** Bencoded values in a torrent: each file has about 8. */
const VALUES_MAX = 200_000
/** Announce URLs that are kept. */
const TRACKERS_MAX = 64
/** SHA-1. */
const HASH_BYTES = 20

const READING: BencodeReading = { code: "BAD_TORRENT", what: "torrent", valuesMax: VALUES_MAX }

/** What is known of a torrent. */
export interface Metainfo {
  /** SHA-1 over {@linkcode Metainfo.info}, 20 bytes. */
  readonly infohash: Uint8Array
  /** The info dictionary, byte for byte as it was found; a copy. */
  readonly info: Uint8Array
  /** Safe. */
  readonly name: string
  readonly isFolder: boolean
  readonly files: readonly TorrentFile[]
  readonly geometry: Geometry
  /** SHA-1 of each piece, 20 bytes each, one after the other. */
  readonly pieceHashes: Uint8Array
  /** Peers come from its trackers alone. */
  readonly isPrivate: boolean
}

/** A torrent file. */
export interface Torrent extends Metainfo {
  /** Announce URLs inside I2P, in tiers (BEP 12). Others, and web seeds, are left out. */
  readonly tiers: readonly (readonly string[])[]
  /** Somebody's words. */
  readonly comment?: string
  readonly createdBy?: string
}

/** @throws {AlliumError} `BAD_TORRENT` for what is no v1 torrent within the limits. */
export function readTorrent(bytes: Uint8Array): Torrent {
  requireSize(bytes)
  // Some tools append members to the outer dictionary without sorting; nothing depends on its order.
  const { value, end, spans } = decodeBencodeHead(bytes, { ...READING, order: "any" })
  const torrent = asMap(value)
  const span = spans.get("info")
  if (torrent === undefined || span === undefined || end !== bytes.length)
    throw bad("it has no info dictionary, or bytes after its end")
  return {
    ...readInfo(bytes.subarray(...span)),
    tiers: readTiers(torrent),
    ...textMember("comment", wordsOf(torrent, "comment")),
    ...textMember("createdBy", wordsOf(torrent, "created by")),
  }
}

/**
 * Reads an info dictionary, as it stands in torrents and comes from peers.
 *
 * @throws {AlliumError} `BAD_TORRENT`.
 */
export function readInfo(bytes: Uint8Array): Metainfo {
  requireSize(bytes)
  const info = asMap(decodeBencode(bytes, READING))
  if (info === undefined) throw bad("its info is no dictionary")
  if (!info.has("pieces") && info.has("file tree"))
    throw bad("it is BitTorrent v2 alone, expected v1")
  const rawName = nameOf(info, "name")
  if (rawName === undefined) throw bad("it has no name")
  const name = safeName(rawName)
  const files = readFiles(info, name)
  const geometry = readGeometry(info, files)
  return {
    infohash: new Uint8Array(createHash("sha1").update(bytes).digest()),
    info: bytes.slice(),
    name,
    isFolder: listOf(info, "files") !== undefined,
    files,
    geometry,
    pieceHashes: readHashes(info, geometry),
    isPrivate: readPrivate(info.get("private")),
  }
}

function readGeometry(info: BencodeMap, files: readonly TorrentFile[]): Geometry {
  const pieceBytes = integerOf(info, "piece length", [PIECE_BYTES_MIN, PIECE_BYTES_MAX])
  if (pieceBytes === undefined)
    throw bad(`its piece length is not within ${PIECE_BYTES_MIN} and ${PIECE_BYTES_MAX} bytes`)
  const last = files.at(-1)!
  const geometry = new Geometry(last.offset + last.size, pieceBytes)
  if (geometry.pieceCount > PIECES_MAX) throw bad(`it has more than ${PIECES_MAX} pieces`)
  return geometry
}

function readHashes(info: BencodeMap, { pieceCount }: Geometry): Uint8Array {
  const hashes = bytesOf(info, "pieces")
  if (hashes === undefined) throw bad("it has no pieces")
  if (hashes.length === pieceCount * HASH_BYTES) return hashes.slice()
  throw bad(`it has ${hashes.length / HASH_BYTES} piece hashes, expected ${pieceCount}`)
}

/** BEP 27; a string in torrents of old I2PSnarks. */
function readPrivate(value: BencodeValue | undefined): boolean {
  return value === 1 || (value instanceof Uint8Array && textFrom(value) === "1")
}

/** BEP 12: with an `announce-list`, `announce` does not count. */
function readTiers(torrent: BencodeMap): string[][] {
  const lists = listOf(torrent, "announce-list") ?? []
  const tiers = lists.map((list) => (Array.isArray(list) ? list : []).map(textOrNothing))
  const given = tiers.flat().some((url) => url !== "")
    ? tiers
    : [[textOrNothing(torrent.get("announce"))]]
  const seen = new Set<string>()
  return given
    .map((tier) =>
      trackerUrls(tier).filter(
        (url) => !seen.has(url) && seen.size < TRACKERS_MAX && seen.add(url),
      ),
    )
    .filter((tier) => tier.length > 0)
}

function textOrNothing(value: BencodeValue | undefined): string {
  return value instanceof Uint8Array ? textFrom(value) : ""
}

function textMember<K extends string>(key: K, text: string | undefined): { [key in K]?: string } {
  return (text ? { [key]: text } : {}) as { [key in K]?: string }
}

function requireSize(bytes: Uint8Array): void {
  if (bytes.length > METAINFO_BYTES_MAX)
    throw bad(`it has ${bytes.length} bytes, expected at most ${METAINFO_BYTES_MAX}`)
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_TORRENT", `Cannot read torrent: ${found}`)
}

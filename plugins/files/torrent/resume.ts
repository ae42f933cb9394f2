/**
 * What a torrent has on disk, in a few kilobytes: pieces that are right, and blocks of pieces that are not whole.
 *
 * Bytes: version 1, infohash, number of pieces (4 bytes, big-endian), bitfield; then for each partial piece its number
 * (4 bytes) and the bitfield of its blocks; then the first 8 bytes of SHA-256 over all that.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { Bitfield } from "./bitfield.ts"
import type { Geometry } from "./geometry.ts"

const VERSION = 1
/** Version, infohash, number of pieces. */
const HEAD = 1 + 20 + 4
const CHECK = 8

/** What is there. */
export interface Progress {
  readonly have: Bitfield
  /** Blocks that are there, of pieces that are not whole or not verified. */
  readonly partial: ReadonlyMap<number, Bitfield>
}

/** Take it before the data is synced, and store it afterwards: then it never says more than is there. */
export function encodeProgress(infohash: Uint8Array, { have, partial }: Progress): Uint8Array {
  const parts = [Uint8Array.of(VERSION), infohash, number(have.length), have.toBytes()]
  for (const [piece, blocks] of partial) parts.push(number(piece), blocks.toBytes())
  const body = Buffer.concat(parts)
  return new Uint8Array(Buffer.concat([body, checkOf(body)]))
}

/** @returns `undefined` for what is damaged or of another torrent: then everything is to be hashed again. */
export function decodeProgress(
  infohash: Uint8Array,
  geometry: Geometry,
  bytes: Uint8Array,
): Progress | undefined {
  const end = bytes.length - CHECK
  const fieldBytes = Math.ceil(geometry.pieceCount / 8)
  const expected = Buffer.concat([Uint8Array.of(VERSION), infohash, number(geometry.pieceCount)])
  if (end < HEAD + fieldBytes || expected.compare(bytes.subarray(0, HEAD)) !== 0) return undefined
  if (checkOf(bytes.subarray(0, end)).compare(bytes.subarray(end)) !== 0) return undefined
  try {
    const have = Bitfield.from(bytes.subarray(HEAD, HEAD + fieldBytes), geometry.pieceCount)
    const partial = readPartial(geometry, bytes.subarray(HEAD + fieldBytes, end))
    return partial && { have, partial }
  } catch {
    return undefined
  }
}

function readPartial(geometry: Geometry, bytes: Uint8Array): Map<number, Bitfield> | undefined {
  const partial = new Map<number, Bitfield>()
  for (let rest = bytes; rest.length > 0; ) {
    const piece = Buffer.from(rest.buffer, rest.byteOffset, rest.length).readUInt32BE(0)
    if (piece >= geometry.pieceCount) return undefined
    const blockCount = geometry.blocksOf(piece)
    const end = 4 + Math.ceil(blockCount / 8)
    partial.set(piece, Bitfield.from(rest.subarray(4, end), blockCount))
    rest = rest.subarray(end)
  }
  return partial
}

function number(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function checkOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest().subarray(0, CHECK)
}

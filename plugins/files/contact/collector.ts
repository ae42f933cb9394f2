/**
 * Fetches what a contact left at a tower: chunk by chunk, each piece verified before it counts.
 *
 * @see docs/protocol/transfer.md#at-a-tower
 * @module
 */
import { AlliumError, type PluginBlobs } from "allium/plugin"
import type { PieceStore } from "../disk/piece-store.ts"
import { Bitfield } from "../torrent/bitfield.ts"
import { METAINFO_BYTES_MAX, type Metainfo, readInfo } from "../torrent/metainfo.ts"
import type { Progress } from "../torrent/resume.ts"
import {
  CHUNK_CONTENT_BYTES,
  CHUNK_HEAD_BYTES,
  chunkKeys,
  countChunks,
  openChunk,
} from "./chunks.ts"
import type { Transfer } from "./transfer.ts"

/** What a collector needs of the rest. */
export interface CollectorOptions {
  readonly blobs: PluginBlobs
  /** Opens the place for the bytes, and says what is there already. */
  readonly open: (metainfo: Metainfo) => Promise<{ store: PieceStore; progress?: Progress }>
  readonly save: (progress: Progress) => Promise<void>
  readonly moved: (byteCount: number, done: number) => void
  readonly signal: AbortSignal
}

/**
 * Resolves when every piece is here.
 *
 * @throws {AlliumError} `NOT_FOUND` when the tower has not all of it, `BAD_SEAL`, `FILE_CORRUPT`; what tower and disk say.
 */
export async function collect(transfer: Transfer, options: CollectorOptions): Promise<void> {
  const { tower } = transfer
  if (tower === undefined) throw missing()
  const chunkAt = async (number: number) => {
    const { id, key } = chunkKeys(transfer.key, tower.salt, number)
    const sealed = await options.blobs.get(tower, id, options)
    if (sealed === undefined || sealed.length === 0) throw missing()
    return openChunk(key, sealed)
  }
  const { metainfo, chunks } = await readHead(chunkAt)
  const { store, progress } = await options.open(metainfo)
  const have = progress?.have ?? new Bitfield(metainfo.geometry.pieceCount)
  await new Filling(metainfo, store, have, options).run(chunks, chunkAt)
}

/** The chunks that hold the info dictionary: the first, and more for large ones. */
async function readHead(chunkAt: (number: number) => Promise<Uint8Array>) {
  const chunks = [await chunkAt(0)]
  const first = Buffer.from(chunks[0]!)
  const infoBytes = first.length < CHUNK_HEAD_BYTES ? -1 : first.readUInt32BE(0)
  if (infoBytes < 0 || infoBytes > METAINFO_BYTES_MAX) throw corrupt()
  while (chunks.length * CHUNK_CONTENT_BYTES < CHUNK_HEAD_BYTES + infoBytes)
    chunks.push(await chunkAt(chunks.length))
  const all = Buffer.concat(chunks)
  const metainfo = readInfo(all.subarray(CHUNK_HEAD_BYTES, CHUNK_HEAD_BYTES + infoBytes))
  return { metainfo, chunks }
}

/** Writes what is missing. */
class Filling {
  readonly #metainfo: Metainfo
  readonly #store: PieceStore
  readonly #have: Bitfield
  readonly #o: CollectorOptions

  constructor(metainfo: Metainfo, store: PieceStore, have: Bitfield, options: CollectorOptions) {
    this.#metainfo = metainfo
    this.#store = store
    this.#have = have
    this.#o = options
  }

  async run(
    first: readonly Uint8Array[],
    chunkAt: (number: number) => Promise<Uint8Array>,
  ): Promise<void> {
    const { info, geometry } = this.#metainfo
    const begin = CHUNK_HEAD_BYTES + info.length
    const count = countChunks(info.length, geometry.size)
    for (let number = 0; number < count; number++) {
      const from = number * CHUNK_CONTENT_BYTES - begin
      const to = Math.min(from + CHUNK_CONTENT_BYTES, geometry.size)
      if (to <= 0 || this.#isHere(Math.max(0, from), to)) continue
      const content = first[number] ?? (await chunkAt(number))
      if (content.length !== to - from && from >= 0) throw corrupt()
      await this.#write(Math.max(0, from), content.subarray(Math.max(0, -from)))
      await this.#settle(Math.max(0, from), to)
    }
    if (!this.#have.isFull) throw corrupt()
  }

  #isHere(from: number, to: number): boolean {
    const { geometry } = this.#metainfo
    const pieces = geometry.piecesOf(from, to - from)
    for (let piece = pieces.from; piece < pieces.to; piece++)
      if (!this.#have.has(piece)) return false
    return true
  }

  async #write(from: number, bytes: Uint8Array): Promise<void> {
    const { geometry } = this.#metainfo
    for (let at = 0; at < bytes.length; ) {
      this.#o.signal.throwIfAborted()
      const piece = Math.floor((from + at) / geometry.pieceBytes)
      const begin = from + at - piece * geometry.pieceBytes
      const length = Math.min(geometry.lengthOf(piece) - begin, bytes.length - at)
      await this.#store.write({ piece, begin, length }, bytes.subarray(at, at + length))
      at += length
      this.#o.moved(length, from + at)
    }
  }

  /** Pieces that end in `[from, to)` are whole now. */
  async #settle(from: number, to: number): Promise<void> {
    const { geometry } = this.#metainfo
    for (let piece = geometry.piecesOf(from, 0).from; piece < geometry.pieceCount; piece++) {
      if (piece * geometry.pieceBytes + geometry.lengthOf(piece) > to) break
      if ((await this.#store.check(piece, { digests: false })).isRight) this.#have.set(piece)
    }
    await this.#store.sync()
    await this.#o.save({ have: this.#have, partial: new Map() })
  }
}

function missing(): AlliumError {
  return new AlliumError("NOT_FOUND", "Cannot fetch from tower: it has not all of it")
}

function corrupt(): AlliumError {
  return new AlliumError("FILE_CORRUPT", "Cannot fetch from tower: it is not what was offered")
}

/**
 * Pieces of a torrent on its row of files: reading, and comparing with the metainfo.
 *
 * @module
 */
import { BLOCK_BYTES, type Block, type Geometry } from "../torrent/geometry.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import { FileRow, type FileRowOptions } from "./file-row.ts"
import type { PieceCheck } from "./piece-store.ts"

/** SHA-1. */
const HASH_BYTES = 20

/** See the module. */
export class PieceRow {
  readonly geometry: Geometry
  readonly #row: FileRow
  readonly #hashes: Uint8Array

  constructor(metainfo: Metainfo, options: Omit<FileRowOptions, "files">) {
    this.geometry = metainfo.geometry
    this.#hashes = metainfo.pieceHashes
    this.#row = new FileRow({ ...options, files: metainfo.files })
  }

  /** See {@linkcode PieceStore.read}. */
  async read(block: Block, into: Uint8Array): Promise<void> {
    await this.#row.read(this.#offsetOf(block, into), into)
  }

  /** See {@linkcode PieceStore.write}. */
  async write(block: Block, bytes: Uint8Array): Promise<void> {
    await this.#row.write(this.#offsetOf(block, bytes), bytes)
  }

  /** See {@linkcode PieceStore.check}. */
  async check(piece: number, { digests }: { digests: boolean }): Promise<PieceCheck> {
    const length = this.geometry.lengthOf(piece)
    if (!this.geometry.contains({ piece, begin: 0, length })) throw noSuchBlock()
    const offset = piece * this.geometry.pieceBytes
    const found = await this.#row.hash(offset, length, digests ? BLOCK_BYTES : 0)
    const expected = this.#hashes.subarray(piece * HASH_BYTES, (piece + 1) * HASH_BYTES)
    const isRight = Buffer.compare(found.subarray(0, HASH_BYTES), expected) === 0
    return { isRight, ...(digests && { digests: found.slice(HASH_BYTES) }) }
  }

  /** See {@linkcode PieceStore.sync}. */
  sync(): Promise<void> {
    return this.#row.sync()
  }

  #offsetOf(block: Block, bytes: Uint8Array): number {
    if (!this.geometry.contains(block) || block.length !== bytes.length) throw noSuchBlock()
    return block.piece * this.geometry.pieceBytes + block.begin
  }
}

function noSuchBlock(): RangeError {
  return new RangeError("Cannot use block: it is not in the torrent, or not as long as its bytes")
}

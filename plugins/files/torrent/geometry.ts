/**
 * Pieces and blocks: how a torrent's bytes are divided, and which bytes of which files a range is.
 *
 * @see https://www.bittorrent.org/beps/bep_0003.html
 * @module
 */

/** Asked for as one. Everybody uses this length; I2PSnark closes at longer answers. */
export const BLOCK_BYTES = 16_384

/** A range inside one piece, as it stands in requests. */
export interface Block {
  readonly piece: number
  /** Bytes from the beginning of the piece. */
  readonly begin: number
  /** In bytes: {@linkcode BLOCK_BYTES}, less at the end of a piece. */
  readonly length: number
}

/** How `size` bytes are divided into pieces of `pieceBytes`, the last one shorter. */
export class Geometry {
  readonly size: number
  readonly pieceBytes: number
  readonly pieceCount: number
  /** Blocks of a piece that is not the last. */
  readonly blocksPerPiece: number

  constructor(size: number, pieceBytes: number) {
    this.size = size
    this.pieceBytes = pieceBytes
    this.pieceCount = Math.ceil(size / pieceBytes)
    this.blocksPerPiece = Math.ceil(pieceBytes / BLOCK_BYTES)
  }

  /** How many bytes a piece has. */
  lengthOf(piece: number): number {
    return Math.min(this.pieceBytes, this.size - piece * this.pieceBytes)
  }

  /** How many blocks a piece has. */
  blocksOf(piece: number): number {
    return Math.ceil(this.lengthOf(piece) / BLOCK_BYTES)
  }

  /** The block of that number in its piece. */
  block(piece: number, number: number): Block {
    const begin = number * BLOCK_BYTES
    return { piece, begin, length: Math.min(BLOCK_BYTES, this.lengthOf(piece) - begin) }
  }

  /** The number of a block in its piece; `undefined` when there is no such block. */
  numberOf({ piece, begin, length }: Block): number | undefined {
    if (!this.contains({ piece, begin, length }) || begin % BLOCK_BYTES !== 0) return undefined
    const number = begin / BLOCK_BYTES
    return this.block(piece, number).length === length ? number : undefined
  }

  /** True when these bytes are there, in blocks of ours or of another length. */
  contains({ piece, begin, length }: Block): boolean {
    const isPiece = Number.isInteger(piece) && piece >= 0 && piece < this.pieceCount
    return isPiece && begin >= 0 && length > 0 && begin + length <= this.lengthOf(piece)
  }

  /** The pieces that `[offset, offset + byteCount)` touches; `to` is not among them. */
  piecesOf(offset: number, byteCount: number): { from: number; to: number } {
    const from = Math.floor(offset / this.pieceBytes)
    return byteCount === 0
      ? { from, to: from }
      : { from, to: Math.ceil((offset + byteCount) / this.pieceBytes) }
  }
}

/** Where a file's bytes lie among all bytes of the torrent. */
export interface FilePlace {
  readonly offset: number
  readonly size: number
}

/** A part of one file. */
export interface FileSpan {
  /** Index of the file. */
  readonly file: number
  /** Bytes from the file's beginning. */
  readonly at: number
  readonly byteCount: number
}

/**
 * Which parts of which files the bytes `[offset, offset + byteCount)` are, in order. Empty files have none.
 *
 * @param files - In order, without gaps.
 */
export function* spansOf(
  files: readonly FilePlace[],
  offset: number,
  byteCount: number,
): Generator<FileSpan> {
  for (let file = fileAt(files, offset); byteCount > 0 && file < files.length; file++) {
    const place = files[file]!
    const at = offset - place.offset
    const taken = Math.min(byteCount, place.size - at)
    if (taken > 0) yield { file, at, byteCount: taken }
    offset += taken
    byteCount -= taken
  }
}

/** The first file that ends after `offset`. */
function fileAt(files: readonly FilePlace[], offset: number): number {
  let low = 0
  let high = files.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const { offset: start, size } = files[middle]!
    if (start + size <= offset) low = middle + 1
    else high = middle
  }
  return low
}

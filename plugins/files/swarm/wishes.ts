/**
 * What is wanted of a torrent: files with their priorities, and the bytes somebody is looking at.
 *
 * @module
 */
import type { Metainfo } from "../torrent/metainfo.ts"
import type { Priority } from "../torrent/piece-order.ts"
import type { Content } from "./content.ts"

const STRENGTH: Readonly<Record<Priority, number>> = { skip: 0, low: 1, normal: 2, high: 3 }
/** Wishes for files that are kept until the metainfo says which files there are. */
const EARLY_MAX = 20_000

/** Of one torrent; may be said before it is known what the torrent is. */
export class Wishes {
  readonly #priorities = new Map<number, Priority>()
  #window: { readonly from: number; readonly to: number } | undefined

  /** @throws {RangeError} When there is no such file. */
  setPriority(file: number, priority: Priority, metainfo: Metainfo | undefined): void {
    const count = metainfo?.files.length ?? EARLY_MAX
    if (!Number.isInteger(file) || file < 0 || file >= count)
      throw new RangeError(`There is no file ${file}`)
    this.#priorities.set(file, priority)
  }

  /** Bytes of the torrent, `to` not among them. */
  setWindow(from: number, to: number): void {
    if (!(from >= 0 && to >= from)) throw new RangeError("A window begins before it ends")
    this.#window = { from, to }
  }

  /** A piece that belongs to several files is wanted as much as the one that is wanted most. */
  apply(content: Content): void {
    if (this.#priorities.size > 0) {
      const { metainfo, download } = content
      for (const [from, to, priority] of this.#ranges(metainfo))
        download.setPriority({ from, to }, priority)
    }
    this.applyWindow(content)
  }

  applyWindow({ download }: Content): void {
    if (this.#window === undefined) return
    const { from, to } = this.#window
    download.setWindow(download.geometry.piecesOf(from, to - from))
  }

  /** Bytes of the pieces that are wanted. */
  bytesWanted(metainfo: Metainfo): number {
    const { geometry } = metainfo
    if (this.#priorities.size === 0) return geometry.size
    let bytes = 0
    for (const [from, to, priority] of this.#ranges(metainfo))
      if (priority !== "skip")
        bytes += Math.min(to * geometry.pieceBytes, geometry.size) - from * geometry.pieceBytes
    return bytes
  }

  /** Pieces from, to, and how much they are wanted; all pieces, in order. */
  #ranges({ files, geometry }: Metainfo): [from: number, to: number, priority: Priority][] {
    const strengths = new Uint8Array(geometry.pieceCount)
    for (const [index, { offset, size, kind }] of files.entries()) {
      const priority = kind === "file" ? (this.#priorities.get(index) ?? "normal") : "skip"
      const { from, to } = geometry.piecesOf(offset, size)
      for (let piece = from; piece < to; piece++)
        strengths[piece] = Math.max(strengths[piece]!, STRENGTH[priority])
    }
    const ranges: [number, number, Priority][] = []
    const names = Object.keys(STRENGTH) as Priority[]
    for (const [piece, strength] of strengths.entries()) {
      const last = ranges.at(-1)
      const priority = names[strength]!
      if (last?.[2] === priority) last[1] = piece + 1
      else ranges.push([piece, piece + 1, priority])
    }
    return ranges
  }
}

/**
 * A piece while it is fetched: which of its blocks are here, asked for, or free.
 *
 * @module
 */
import { Bitfield } from "./bitfield.ts"

/** One piece that was begun. Memory: about 10 bytes for each of its blocks. */
export class ActivePiece {
  readonly piece: number
  readonly blockCount: number
  /** Blocks that came. */
  readonly here: Bitfield
  /** Who sent each block; `undefined` for blocks from before a restart. */
  readonly sources: (string | undefined)[]
  /** Who fetches most of it. */
  owner: string | undefined
  /** It was wrong before: one peer alone fetches it, so that it is known who lied. */
  isAlone = false
  /** How many peers are asked for each block. */
  readonly #asked: Uint8Array
  #free: number
  /** No block before this one is free. */
  #firstFree = 0

  constructor(piece: number, blockCount: number, here = new Bitfield(blockCount)) {
    this.piece = piece
    this.blockCount = blockCount
    this.here = here
    this.sources = Array(blockCount).fill(undefined)
    this.#asked = new Uint8Array(blockCount)
    this.#free = blockCount - here.count
  }

  /** Blocks that are neither here nor asked for. */
  get freeCount(): number {
    return this.#free
  }

  get isFilled(): boolean {
    return this.here.isFull
  }

  /** How many peers are asked for a block. */
  askedOf(block: number): number {
    return this.#asked[block]!
  }

  /** The first free block. Ask for it, or it comes again. */
  firstFree(): number | undefined {
    if (this.#free === 0) return undefined
    while (!this.#isFree(this.#firstFree)) this.#firstFree++
    return this.#firstFree
  }

  ask(block: number): void {
    if (this.#isFree(block)) this.#free--
    this.#asked[block]!++
  }

  /** One peer less is asked for the block. */
  release(block: number): void {
    this.#asked[block]!--
    if (!this.#isFree(block)) return
    this.#free++
    this.#firstFree = Math.min(this.#firstFree, block)
  }

  /** The block came; release those who were asked. */
  put(block: number, source: string): void {
    if (this.#isFree(block)) this.#free--
    this.here.set(block)
    this.sources[block] = source
  }

  /** A block that came is not here after all. */
  lose(block: number): void {
    if (!this.here.clear(block)) return
    this.sources[block] = undefined
    if (!this.#isFree(block)) return
    this.#free++
    this.#firstFree = Math.min(this.#firstFree, block)
  }

  /** Nothing of it is right: all blocks that came are free again. */
  empty(): void {
    for (let block = 0; block < this.blockCount; block++) {
      if (this.here.clear(block) && this.#asked[block] === 0) this.#free++
      this.sources[block] = undefined
    }
    this.#firstFree = 0
    this.owner = undefined
  }

  #isFree(block: number): boolean {
    return this.#asked[block] === 0 && !this.here.has(block)
  }
}

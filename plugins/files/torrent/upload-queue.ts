/**
 * What one peer has asked us for and not got yet.
 *
 * @module
 */
import type { Block, Geometry } from "./geometry.ts"
import { BLOCK_BYTES_MAX } from "./message.ts"

/** Requests held for one peer; it is told so in our extended handshake. */
export const REQUESTS_HELD_MAX = 512
/** How many more are taken before a peer that was told is refused: they may have been on the way. */
const REQUESTS_SPARE = 64

/** Requests of one peer, in order. Bounded in number, and so in bytes. */
export class UploadQueue {
  readonly #geometry: Geometry
  readonly #waiting = new Map<string, Block>()

  constructor(geometry: Geometry) {
    this.#geometry = geometry
  }

  get count(): number {
    return this.#waiting.size
  }

  /**
   * The peer asks for bytes.
   *
   * @param has - Whether we have the piece.
   * @returns False when it is to be rejected: no such bytes, too many at once, or too many requests.
   */
  add({ piece, begin, length }: Block, has: (piece: number) => boolean): boolean {
    const block = { piece, begin, length }
    const isThere = length <= BLOCK_BYTES_MAX && this.#geometry.contains(block) && has(piece)
    if (!isThere || this.count >= REQUESTS_HELD_MAX + REQUESTS_SPARE) return false
    this.#waiting.set(keyOf(block), block)
    return true
  }

  /** The peer has changed its mind. */
  cancel(block: Block): boolean {
    return this.#waiting.delete(keyOf(block))
  }

  /** Takes the next one out; it is to be sent. */
  next(): Block | undefined {
    const [first] = this.#waiting
    if (first === undefined) return undefined
    this.#waiting.delete(first[0])
    return first[1]
  }

  /** Takes the next one out, and those after it that follow it in the same piece: at most `bytesMax`, at least one. */
  run(bytesMax: number): Block[] {
    const first = this.next()
    if (first === undefined) return []
    const run = [first]
    let end = first.begin + first.length
    for (const [key, block] of this.#waiting) {
      const isNext = block.piece === first.piece && block.begin === end
      if (!isNext || end + block.length - first.begin > bytesMax) break
      this.#waiting.delete(key)
      run.push(block)
      end += block.length
    }
    return run
  }

  /** Takes all out, when the peer is choked; with the fast extension each is to be rejected. */
  clear(): Block[] {
    const blocks = [...this.#waiting.values()]
    this.#waiting.clear()
    return blocks
  }
}

function keyOf({ piece, begin, length }: Block): string {
  return `${piece}/${begin}/${length}`
}

/**
 * In which order pieces are begun: by priority, then the rarest first, then by chance.
 *
 * All pieces stand in one array, those of one rank side by side, so that a piece changes its rank by one exchange.
 *
 * @module
 */

/** How much a piece is wanted; `skip` is not fetched. */
export type Priority = "skip" | "low" | "normal" | "high"

/** Peers beyond this number make a piece no less rare. */
const COMMON = 64
const LEVEL: Readonly<Record<Exclude<Priority, "skip">, number>> = { high: 0, normal: 1, low: 2 }
const RANKS = COMMON * 3

/** Pieces that are not begun yet. Memory: about 11 bytes for each piece of the torrent. */
export class PieceOrder {
  /** The pieces that are left, rank after rank. */
  readonly #order: Int32Array
  /** Where a piece stands there, or -1. */
  readonly #at: Int32Array
  /** How many peers have a piece. Those who have all are not counted: they change nothing. */
  readonly #peers: Uint16Array
  readonly #level: Uint8Array
  /** Where each rank begins; one more than there are ranks. */
  readonly #starts = new Int32Array(RANKS + 1)

  /** No piece is left at first. */
  constructor(pieceCount: number) {
    this.#order = new Int32Array(pieceCount)
    this.#at = new Int32Array(pieceCount).fill(-1)
    this.#peers = new Uint16Array(pieceCount)
    this.#level = new Uint8Array(pieceCount).fill(LEVEL.normal)
  }

  /** How many pieces are left. */
  get count(): number {
    return this.#starts[RANKS]!
  }

  has(piece: number): boolean {
    return this.#at[piece]! >= 0
  }

  /** Fills it anew with `pieces`, in an order among equals that `chance` (0 to 1) makes. */
  fill(pieces: Iterable<number>, chance: () => number): void {
    this.#at.fill(-1)
    const shuffled = Int32Array.from(pieces)
    for (let last = shuffled.length - 1; last > 0; last--) {
      const other = Math.floor(chance() * (last + 1))
      const kept = shuffled[last]!
      shuffled[last] = shuffled[other]!
      shuffled[other] = kept
    }
    this.#starts.fill(0)
    for (const piece of shuffled) this.#starts[this.rank(piece) + 1]!++
    for (let rank = 0; rank < RANKS; rank++) this.#starts[rank + 1]! += this.#starts[rank]!
    const next = this.#starts.slice()
    for (const piece of shuffled) this.#put(piece, next[this.rank(piece)]!++)
  }

  /** Takes effect with the next {@linkcode fill}. */
  setPriority(piece: number, priority: Exclude<Priority, "skip">): void {
    this.#level[piece] = LEVEL[priority]
  }

  /** One more peer has the piece. */
  more(piece: number): void {
    const before = this.rank(piece)
    if (this.#peers[piece]! < 65_535) this.#peers[piece]!++
    if (this.has(piece) && this.rank(piece) !== before) this.#up(piece, before)
  }

  /** One peer less has it. */
  fewer(piece: number): void {
    const before = this.rank(piece)
    if (this.#peers[piece]! > 0) this.#peers[piece]!--
    if (this.has(piece) && this.rank(piece) !== before) this.#down(piece, before)
  }

  /** The piece is begun. */
  remove(piece: number): void {
    if (!this.has(piece)) return
    for (let rank = this.rank(piece); rank < RANKS; rank++) this.#up(piece, rank)
    this.#at[piece] = -1
  }

  /** The piece is to be begun again. */
  restore(piece: number): void {
    if (this.has(piece)) return
    this.#put(piece, this.#starts[RANKS]!)
    for (let rank = RANKS; rank > this.rank(piece); rank--) this.#down(piece, rank)
  }

  /** All that are left, in order. Do not change it meanwhile. */
  *pieces(): Generator<number> {
    for (let index = 0; index < this.count; index++) yield this.#order[index]!
  }

  /** The smaller, the earlier a piece comes; also of pieces that are begun already. */
  rank(piece: number): number {
    return this.#level[piece]! * COMMON + Math.min(this.#peers[piece]!, COMMON - 1)
  }

  #put(piece: number, index: number): void {
    this.#order[index] = piece
    this.#at[piece] = index
  }

  #exchange(piece: number, index: number): void {
    const other = this.#order[index]!
    this.#put(other, this.#at[piece]!)
    this.#put(piece, index)
  }

  /** From `rank` to the next; from the last one out. */
  #up(piece: number, rank: number): void {
    this.#exchange(piece, --this.#starts[rank + 1]!)
  }

  /** From `rank` to the one before; from outside to the last one. */
  #down(piece: number, rank: number): void {
    this.#exchange(piece, this.#starts[rank]!++)
  }
}

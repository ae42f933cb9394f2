/**
 * Who sent wrong bytes: known at once when a piece came from one peer, and else as soon as the piece is right.
 *
 * Digests of each block of a wrong piece are kept; when the piece has been fetched again and is right, whoever sent a block
 * that differs had lied. Nobody is blamed for a piece because others lied in it.
 *
 * @module
 */

/** Wrong pieces remembered; beyond, the oldest are forgotten. */
const WRONG_PIECES_MAX = 64
/** Of each block: SHA-1. */
const DIGEST_BYTES = 20

interface WrongPiece {
  readonly piece: number
  /** Who sent each block; `undefined` when that was before a restart. */
  readonly sources: readonly (string | undefined)[]
  /** One for each block, one after the other. */
  readonly digests: Uint8Array | undefined
}

/** What is held against the peers of one torrent. */
export class Blame {
  #wrong: WrongPiece[] = []

  /** True when the digests of the piece's blocks are needed once it is right. */
  isOpen(piece: number): boolean {
    return this.#wrong.some((wrong) => wrong.piece === piece)
  }

  /** Who may have lied about this piece. */
  suspects(piece: number): Set<string> {
    const sources = this.#wrong
      .filter((wrong) => wrong.piece === piece)
      .flatMap(({ sources }) => sources)
    return new Set(sources.filter((source) => source !== undefined))
  }

  /**
   * A piece is wrong.
   *
   * @param digests - Of each block as it came, 20 bytes each; without them only a lone source can be blamed.
   * @returns Who lied for certain.
   */
  wrong(piece: number, sources: readonly (string | undefined)[], digests?: Uint8Array): string[] {
    const [first, ...others] = new Set(sources)
    if (first !== undefined && others.length === 0) return [first]
    this.#wrong.push({ piece, sources: [...sources], digests: digests?.slice() })
    if (this.#wrong.length > WRONG_PIECES_MAX) this.#wrong.shift()
    return []
  }

  /**
   * A piece is right.
   *
   * @returns Who is known now to have lied about it before.
   */
  right(piece: number, digests?: Uint8Array): string[] {
    const liars = new Set<string>()
    for (const wrong of this.#wrong)
      if (wrong.piece === piece && digests !== undefined)
        for (const [block, source] of wrong.sources.entries())
          if (source !== undefined && differs(wrong.digests, digests, block)) liars.add(source)
    this.#wrong = this.#wrong.filter((wrong) => wrong.piece !== piece)
    return [...liars]
  }
}

function differs(before: Uint8Array | undefined, now: Uint8Array, block: number): boolean {
  if (before === undefined) return false
  const [start, end] = [block * DIGEST_BYTES, (block + 1) * DIGEST_BYTES]
  return Buffer.compare(before.subarray(start, end), now.subarray(start, end)) !== 0
}

/**
 * How often a file was downloaded whole, and who may begin.
 *
 * A download in several ranges, by one visitor, is one download. Whoever began one has their place kept for a while, so
 * that "the first one" means one person and not all who come while it lasts.
 *
 * @module
 */

/** A place is kept so long after the visitor's last sign, in milliseconds. */
const PLACE_KEPT_MS = 600_000
/** Downloads under way that are remembered; the oldest is forgotten first. */
const UNDER_WAY_MAX = 1_024
/** Separate parts of one download; more are not put together. */
const PARTS_MAX = 256

interface UnderWay {
  lastMs: number
  /** What they have, ends included, apart and in order. */
  parts: { first: number; last: number }[]
}

/** Downloads of one file. */
export class ShareCount {
  readonly #max: number | undefined
  readonly #underWay = new Map<string, UnderWay>()
  #count: number

  /** @param max - Whole downloads that are given; `undefined` for any number. */
  constructor(count: number, max: number | undefined) {
    this.#count = count
    this.#max = max
  }

  /** Whole downloads. */
  get count(): number {
    return this.#count
  }

  /** Nobody gets it any more. */
  get isOver(): boolean {
    return this.#max !== undefined && this.#count >= this.#max
  }

  /** The visitor may (go on to) download. */
  begin(visitor: string, nowMs: number): boolean {
    for (const [other, { lastMs }] of this.#underWay)
      if (nowMs - lastMs > PLACE_KEPT_MS) this.#underWay.delete(other)
    const known = this.#underWay.get(visitor)
    const others = this.#underWay.size - (known === undefined ? 0 : 1)
    if (this.#max !== undefined && this.#count + others >= this.#max) return false
    this.#underWay.delete(visitor)
    this.#underWay.set(visitor, { lastMs: nowMs, parts: known?.parts ?? [] })
    if (this.#underWay.size > UNDER_WAY_MAX)
      this.#underWay.delete(this.#underWay.keys().next().value!)
    return true
  }

  /** The visitor got these bytes; `true` when that made a download whole. */
  sent(visitor: string, part: { first: number; last: number }, byteCount: number): boolean {
    const own = this.#underWay.get(visitor)
    if (own === undefined) return false
    own.parts = join([...own.parts, part]).slice(0, PARTS_MAX)
    const [whole] = own.parts
    if (whole === undefined || whole.first > 0 || whole.last < byteCount - 1) return false
    this.#underWay.delete(visitor)
    this.#count += 1
    return true
  }
}

/** Puts together what touches. */
function join(parts: { first: number; last: number }[]): { first: number; last: number }[] {
  const joined: { first: number; last: number }[] = []
  for (const part of parts.sort((one, other) => one.first - other.first)) {
    const before = joined.at(-1)
    if (before !== undefined && part.first <= before.last + 1)
      before.last = Math.max(before.last, part.last)
    else joined.push({ ...part })
  }
  return joined
}

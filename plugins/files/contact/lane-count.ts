/**
 * How many lanes to a contact are worth it: one more as long as the whole becomes faster by it. Pure.
 *
 * @module
 */

/** Most lanes; the link takes no more. */
export const STREAMS_MAX = 8
/** So much faster must the whole be with one more lane, */
const GROWTH = 1.15
/** or by so much of what a lane carries on average, if that is less: an eighth lane cannot bring 15 %. */
const SHARE = 0.75
/** Before a lane is judged: a cold stream of i2pd needs many round trips to become fast. */
const TRIAL_MS = 8_000
/** After a lane that brought nothing, before the next try: the network may be another one by then. */
const REST_MS = 60_000
/** The rate is that of this last part of a trial. */
const JUDGED_MS = 4_000

/** Decides for one contact. */
export class LaneCount {
  readonly #most: number
  #count = 1
  #startedAt: number
  /** Rate with one lane fewer, when the last one is on trial. */
  #before: number | undefined
  #restsUntil = 0
  #judged: { at: number; bytes: number } | undefined

  /** @param now - Milliseconds of a clock that does not jump. */
  constructor(now: number, most = STREAMS_MAX) {
    this.#startedAt = now
    this.#most = most
  }

  /** Lanes that should stand. */
  get count(): number {
    return this.#count
  }

  /** Nothing moved for a while, for another reason than the lanes: what was measured says nothing. */
  restart(now: number): void {
    this.#startedAt = now
    this.#judged = undefined
    this.#before = undefined
  }

  /**
   * To be called about once a second while bytes move.
   *
   * @param bytes - All that came so far.
   * @returns Whether the count is another one now.
   */
  tick(now: number, bytes: number): boolean {
    const left = this.#startedAt + TRIAL_MS - now
    if (left <= JUDGED_MS) this.#judged ??= { at: now, bytes }
    if (left > 0 || this.#judged === undefined || now - this.#judged.at < JUDGED_MS / 2)
      return false
    const rate = (bytes - this.#judged.bytes) / (now - this.#judged.at)
    const before = this.#before
    this.restart(now)
    const growth = Math.min(GROWTH, 1 + SHARE / (this.#count - 1))
    if (before !== undefined && rate < before * growth) return this.#drop(now)
    return this.#add(now, rate)
  }

  #add(now: number, rate: number): boolean {
    if (this.#count >= this.#most || now < this.#restsUntil || rate === 0) return false
    this.#count++
    this.#before = rate
    return true
  }

  #drop(now: number): boolean {
    this.#count--
    this.#restsUntil = now + REST_MS
    return true
  }
}

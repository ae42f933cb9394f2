/**
 * How many blocks to ask one peer for before they come: enough to fill the way there and back, and not many more.
 *
 * The way holds rate × round trip. Twice as much is asked for, so that the peer always has something to send and a rate that
 * could grow shows; from the first 8 on it doubles with every round trip until the rate stays. Now and then fewer are asked
 * for during a round trip, to see how long it is when nothing waits.
 *
 * @module
 */
import { BLOCK_BYTES } from "./geometry.ts"

/** Most blocks one peer is asked for: 6 MiB, ten times what any stream of i2pd carries at once; a way within one machine needs them. */
export const REQUESTS_OUT_MAX = 384
/** Before anything is known; as many as every client bears. */
const FIRST = 8
/** However slow the peer is. */
const FEWEST = 4
/** How much of what the way holds is asked for. */
const GAIN = 2
const DRAIN_GAIN = 0.75
/** Blocks on top, for what the estimate misses. */
const EXTRA = 2
/** Busy machines answer so much later now and then: nothing beside the round trips of I2P, and all of it within one machine. */
const JITTER_MS = 20
/** The shortest round trip is believed for so long. */
const TRIP_BELIEVED_MS = 30_000
/** …or for so many round trips. */
const TRIPS_BELIEVED = 10
/** The highest rate is believed for once to twice as long. */
const RATE_BELIEVED_MS = 5_000
const RATE_TRIPS_BELIEVED = 3

/** What is remembered about a request until its block comes. */
export interface RequestStamp {
  readonly sentAt: number
  /** Bytes that had come by then. */
  readonly delivered: number
}

/** The estimate for one connection. Times in milliseconds of any clock that does not jump. */
export class RequestDepth {
  #delivered = 0
  #tripMs = 0
  #tripAt = 0
  #drainingSince: number | undefined
  /** Highest rates, in bytes per millisecond, of this span of time and the one before. */
  #rate = 0
  #rateBefore = 0
  #spanAt = 0
  readonly #first: number

  /** @param first - Blocks to ask for before anything is known; more than {@linkcode FIRST} only of who is known to bear it. */
  constructor(first = FIRST) {
    this.#first = first
  }

  /** Shortest round trip of late, 0 while unknown. */
  get tripMs(): number {
    return this.#tripMs
  }

  /** Bytes per second, at best, of late. */
  get bytesPerSecond(): number {
    return Math.max(this.#rate, this.#rateBefore) * 1_000
  }

  /** How many blocks may be on the way now. */
  target(now: number): number {
    if (this.#tripMs === 0) return this.#first
    const isOld = now - this.#tripAt > Math.max(TRIP_BELIEVED_MS, TRIPS_BELIEVED * this.#tripMs)
    if (isOld) this.#drainingSince ??= now
    const rate = Math.max(this.#rate, this.#rateBefore) / BLOCK_BYTES
    const held = rate * this.#tripMs
    if (this.#drainingSince !== undefined) return Math.max(1, Math.floor(held * DRAIN_GAIN))
    return Math.min(
      REQUESTS_OUT_MAX,
      Math.max(FEWEST, Math.ceil(held * GAIN + rate * JITTER_MS) + EXTRA),
    )
  }

  /** A request goes out; keep the stamp with it. */
  sent(now: number): RequestStamp {
    return { sentAt: now, delivered: this.#delivered }
  }

  /** A block came that was asked for. */
  arrived({ sentAt, delivered }: RequestStamp, byteCount: number, now: number): void {
    const took = Math.max(1, now - sentAt)
    this.#delivered += byteCount
    this.#learnTrip(took, sentAt, now)
    if (now - this.#spanAt > Math.max(RATE_BELIEVED_MS, RATE_TRIPS_BELIEVED * this.#tripMs)) {
      this.#rateBefore = this.#rate
      this.#rate = 0
      this.#spanAt = now
    }
    this.#rate = Math.max(this.#rate, (this.#delivered - delivered) / took)
  }

  #learnTrip(took: number, sentAt: number, now: number): void {
    const isDrained = this.#drainingSince !== undefined && sentAt >= this.#drainingSince
    if (this.#tripMs !== 0 && took > this.#tripMs && !isDrained) return
    this.#tripMs = took
    this.#tripAt = now
    this.#drainingSince = undefined
  }
}

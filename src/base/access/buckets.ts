/**
 * Token buckets: so much in so long, saved up to a full bucket, for each peer.
 *
 * @module
 */

/** `count` within `seconds`, all at once if need be. */
export interface Rate {
  readonly count: number
  readonly seconds: number
}

interface Bucket {
  tokens: number
  atMs: number
}

/** Buckets kept; the one unused longest is dropped first, and is full when its peer comes back. */
const BUCKETS_MAX = 4_096

/** One bucket for each peer. */
export class Buckets {
  readonly #rate: Rate
  readonly #buckets = new Map<string, Bucket>()

  constructor(rate: Rate) {
    this.#rate = rate
  }

  /** How long until `peer` may take one, in milliseconds; 0: now. */
  waitMs(peer: string, nowMs: number): number {
    const missing = 1 - this.#fill(peer, nowMs).tokens
    return missing <= 0 ? 0 : Math.ceil((missing / this.#rate.count) * this.#rate.seconds * 1_000)
  }

  /** Takes `cost`, into debt if there is not enough: for what is only known afterwards. */
  charge(peer: string, nowMs: number, cost = 1): void {
    this.#fill(peer, nowMs).tokens -= cost
  }

  #fill(peer: string, nowMs: number): Bucket {
    const { count, seconds } = this.#rate
    const bucket = this.#buckets.get(peer) ?? { tokens: count, atMs: nowMs }
    const gained = (Math.max(0, nowMs - bucket.atMs) * count) / (seconds * 1_000)
    bucket.tokens = Math.min(count, bucket.tokens + gained)
    bucket.atMs = nowMs
    this.#buckets.delete(peer)
    this.#buckets.set(peer, bucket)
    if (this.#buckets.size > BUCKETS_MAX) this.#buckets.delete(this.#buckets.keys().next().value!)
    return bucket
  }
}

/** A rate for each peer, and one for all together: an address costs nothing, so the first alone is worth little. */
export interface RatePair {
  readonly perPeer?: Rate | undefined
  readonly total?: Rate | undefined
}

/** Names the one bucket of all together. */
const ALL = ""

/** Both at once: what one refuses is not taken from the other. */
export class PairedBuckets {
  readonly #perPeer: Buckets | undefined
  readonly #total: Buckets | undefined

  constructor({ perPeer, total }: RatePair = {}) {
    this.#perPeer = perPeer && new Buckets(perPeer)
    this.#total = total && new Buckets(total)
  }

  /** Which of the two has nothing left, and for how long. */
  lacks(peer: string, nowMs: number): { of: "peer" | "all"; waitMs: number } | undefined {
    const own = this.#perPeer?.waitMs(peer, nowMs) ?? 0
    if (own > 0) return { of: "peer", waitMs: own }
    const all = this.#total?.waitMs(ALL, nowMs) ?? 0
    return all > 0 ? { of: "all", waitMs: all } : undefined
  }

  /** Takes from both. */
  charge(peer: string, nowMs: number, cost = 1): void {
    this.#perPeer?.charge(peer, nowMs, cost)
    this.#total?.charge(ALL, nowMs, cost)
  }
}

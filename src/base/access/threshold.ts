/**
 * How often somebody may try, and who tried how often.
 *
 * @see https://geti2p.net/spec/filter-format
 * @module
 */

/**
 * `allow`: as often as they like. `deny`: never. Else the attempt that makes it `attempts` within `seconds` is one too
 * many: `15/5` lets 14 pass.
 */
export type Threshold = "allow" | "deny" | { readonly attempts: number; readonly seconds: number }

/** Times kept of all peers together: 8 bytes each. */
const TIMES_MAX = 400_000
/** Peers remembered; who was quiet longest is forgotten first. */
const PEERS_MAX = 4_096

/** Attempts by peer, the newest of each. */
export class AttemptLog {
  readonly #times = new Map<string, number[]>()
  #count = 0

  /**
   * Notes one attempt.
   *
   * @param keep - Attempts of one peer worth remembering: the largest threshold's.
   */
  record(peer: string, nowMs: number, keep: number): void {
    const times = this.#times.get(peer) ?? []
    this.#times.delete(peer)
    this.#times.set(peer, times)
    times.push(nowMs)
    this.#count += 1
    if (times.length > Math.max(keep, 1)) {
      times.shift()
      this.#count -= 1
    }
    this.#forgetOldest()
  }

  /** The attempts of this peer, the last one included, are too many. */
  isBreached(peer: string, threshold: Threshold, nowMs: number): boolean {
    if (typeof threshold === "string") return threshold === "deny"
    const times = this.#times.get(peer) ?? []
    if (threshold.attempts === 0) return times.length > 0
    const first = times.at(-threshold.attempts)
    return first !== undefined && nowMs - first <= threshold.seconds * 1_000
  }

  #forgetOldest(): void {
    while (this.#times.size > PEERS_MAX || (this.#count > TIMES_MAX && this.#times.size > 1)) {
      const [[peer, times]] = this.#times as unknown as [[string, number[]]]
      this.#times.delete(peer)
      this.#count -= times.length
    }
  }
}

/**
 * Who is not let in for a while: by name, so that coming again on another stream does not help.
 *
 * @module
 */

/** The first time; each further one doubles it. Some programs have faults, and are mended by a restart. */
const BAN_MS = 10 * 60_000
/** Who sent wrong bytes, and the longest of all. */
const LIAR_BAN_MS = 24 * 3_600_000
/** Names that are remembered; beyond, the oldest is forgotten. */
const BANNED_MAX = 1_024

/** Of one torrent. Times in milliseconds of a clock that does not jump. */
export class Bans {
  readonly #banned = new Map<string, { readonly until: number; readonly ms: number }>()

  /** How many are banned now. */
  count(now: number): number {
    let count = 0
    for (const { until } of this.#banned.values()) if (until > now) count++
    return count
  }

  has(name: string, now: number): boolean {
    return (this.#banned.get(name)?.until ?? 0) > now
  }

  /** @param isLiar - It sent bytes that are not the torrent's. */
  add(name: string, now: number, isLiar: boolean): void {
    const before = this.#banned.get(name)
    const ms = isLiar ? LIAR_BAN_MS : Math.min(LIAR_BAN_MS, (before?.ms ?? BAN_MS / 2) * 2)
    this.#banned.delete(name)
    this.#banned.set(name, { until: now + ms, ms })
    if (this.#banned.size <= BANNED_MAX) return
    const [oldest] = this.#banned.keys()
    this.#banned.delete(oldest!)
  }
}

/**
 * Peers that others are told of.
 *
 * @module
 */
import { hexOf } from "./extensions.ts"
import type { PeerSession } from "./session.ts"

/** Who left with everything is told of for so long: two who have everything end their stream, and are there for others. */
const WHOLE_MS = 1_800_000
/** As many as one exchange names. */
const WHOLE_MAX = 50

/** Of one torrent. Times in milliseconds of a clock that does not jump; names are hashes in hexadecimal. */
export class Acquaintances {
  /** When they left, the last one last. */
  readonly #whole = new Map<string, number>()

  left({ hasAll, peer }: PeerSession, now: number): void {
    const name = hexOf(peer.hash)
    if (!hasAll || name === undefined) return
    this.#whole.delete(name)
    this.#whole.set(name, now)
    if (this.#whole.size > WHOLE_MAX) this.#whole.delete(this.#whole.keys().next().value!)
  }

  /** Those who are there, and those who left with everything a while ago. */
  names(present: Iterable<PeerSession>, now: number): ReadonlySet<string> {
    const names = new Set<string>()
    for (const { isShaken, peer } of present) {
      const name = hexOf(peer.hash)
      if (isShaken && name !== undefined) names.add(name)
    }
    for (const [name, at] of this.#whole) if (now - at < WHOLE_MS) names.add(name)
    return names
  }
}

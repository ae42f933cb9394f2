/**
 * Destinations that were here: routers keep LeaseSets of those that left.
 *
 * @module
 */

/** How many are remembered; the oldest is forgotten first. */
const PAST_MAX = 4096

/** When each destination was last closed, by the monotonic clock. */
export class Past {
  readonly #closedAtMs = new Map<string, number>()

  remember(b32: string, atMs: number): void {
    this.#closedAtMs.delete(b32)
    this.#closedAtMs.set(b32, atMs)
    if (this.#closedAtMs.size <= PAST_MAX) return
    const [oldest] = this.#closedAtMs.keys()
    if (oldest !== undefined) this.#closedAtMs.delete(oldest)
  }

  /** `undefined` for a destination that never closed here. */
  closedAtMs(b32: string): number | undefined {
    return this.#closedAtMs.get(b32)
  }
}

/**
 * Who may come in, and how many at a time.
 *
 * An address costs nothing, so a bound for each peer is worth something only beside one for all.
 *
 * @module
 */

/** Rules of a {@linkcode Doorkeeper}. */
export interface DoorRules {
  /** Names that may enter; empty for everybody. */
  readonly allow: ReadonlySet<string>
  readonly connectionsMax: number
  readonly connectionsPerPeerMax: number
}

/** Counts those inside. */
export class Doorkeeper {
  readonly #rules: DoorRules
  readonly #inside = new Map<string, number>()
  #count = 0

  constructor(rules: DoorRules) {
    this.#rules = rules
  }

  /** Lets a peer in, or answers `false`: not allowed, or too many. Who was let in must {@linkcode leave}. */
  enter(peer: string): boolean {
    const { allow, connectionsMax, connectionsPerPeerMax } = this.#rules
    const own = this.#inside.get(peer) ?? 0
    if (allow.size > 0 && !allow.has(peer)) return false
    if (this.#count >= connectionsMax || own >= connectionsPerPeerMax) return false
    this.#inside.set(peer, own + 1)
    this.#count += 1
    return true
  }

  /** One connection of this peer has ended. */
  leave(peer: string): void {
    const own = this.#inside.get(peer) ?? 0
    if (own <= 1) this.#inside.delete(peer)
    else this.#inside.set(peer, own - 1)
    this.#count -= 1
  }
}

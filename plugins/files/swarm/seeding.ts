/**
 * How long a torrent was given to others, to how many, and whether that is enough.
 *
 * @module
 */
import type { PeerSession } from "./session.ts"
import type { SeedingGoal } from "./types.ts"

/** Names of peers that are remembered, so that none counts twice. */
const NAMES_MAX = 4_096

/** What is known at the moment. */
interface SeedingFacts {
  readonly isSeeding: boolean
  readonly size: number
  readonly upBytes: number
  readonly sessions: readonly PeerSession[]
}

/** Of one torrent. Times in milliseconds of a clock that does not jump. */
export class Seeding {
  seedingMs: number
  downloads = 0
  #goal: SeedingGoal
  #isReached = false
  #at: number
  /** Peers that had not everything when they were seen first: whether they have now. */
  readonly #fetching = new Map<string, boolean>()

  constructor(goal: SeedingGoal, seedingMs: number, now: number) {
    this.#goal = goal
    this.seedingMs = seedingMs
    this.#at = now
  }

  set goal(goal: SeedingGoal) {
    this.#goal = goal
    this.#isReached = false
  }

  /** @returns True when the goal is reached, once. */
  tick(facts: SeedingFacts, now: number): boolean {
    if (facts.isSeeding) this.seedingMs += now - this.#at
    this.#at = now
    for (const session of facts.sessions) this.see(session)
    if (this.#isReached || !facts.isSeeding) return false
    this.#isReached = this.#isEnough(facts)
    return this.#isReached
  }

  /** Looks whether the peer has everything by now; also when it got something, and when its stream has ended. */
  see(session: PeerSession): void {
    const { name } = session.peer
    const was = this.#fetching.get(name)
    if (was === true || !session.isShaken) return
    if (!session.hasAll && session.up.bytes > 0) this.#remember(name)
    if (was === undefined || !session.hasAll) return
    this.#fetching.set(name, true)
    this.downloads++
  }

  #remember(name: string): void {
    this.#fetching.set(name, false)
    if (this.#fetching.size <= NAMES_MAX) return
    const [oldest] = this.#fetching.keys()
    this.#fetching.delete(oldest!)
  }

  #isEnough({ size, upBytes }: SeedingFacts): boolean {
    const { ratio, seconds, downloads } = this.#goal
    return (
      (ratio !== undefined && size > 0 && upBytes >= ratio * size) ||
      (seconds !== undefined && this.seedingMs >= seconds * 1_000) ||
      (downloads !== undefined && this.downloads >= downloads)
    )
  }
}

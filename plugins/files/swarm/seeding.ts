/**
 * How long a torrent was given to others, to how many, and whether that is enough.
 *
 * @module
 */
import type { PeerSession } from "./session.ts"
import type { SeedingGoal } from "./types.ts"

/** Names of peers that are remembered, so that none counts twice. */
const NAMES_MAX = 4_096
/** Who got something, lacks the rest and was silent for so long is not waited for. */
const UNFINISHED_MS = 600_000

/** What is known at the moment. */
interface SeedingFacts {
  readonly isSeeding: boolean
  readonly size: number
  readonly upBytes: number
  readonly sessions: readonly PeerSession[]
}

/** A peer that had not everything when it was seen first. */
interface Fetcher {
  readonly isWhole: boolean
  /** Bytes of blocks it got on its present connection, and when it got the last. */
  readonly gotBytes: number
  readonly at: number
}

/** Of one torrent. Times in milliseconds of a clock that does not jump. */
export class Seeding {
  seedingMs: number
  downloads = 0
  #goal: SeedingGoal
  #isReached = false
  #at: number
  readonly #fetching = new Map<string, Fetcher>()

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
    if (was?.isWhole === true || !session.isShaken) return
    const gotBytes = session.up.bytes
    if (!session.hasAll && gotBytes > 0 && gotBytes !== was?.gotBytes)
      this.#remember(name, { isWhole: false, gotBytes, at: this.#at })
    if (was === undefined || !session.hasAll) return
    this.#fetching.set(name, { isWhole: true, gotBytes, at: this.#at })
    this.downloads++
  }

  #remember(name: string, fetcher: Fetcher): void {
    this.#fetching.set(name, fetcher)
    if (this.#fetching.size <= NAMES_MAX) return
    const [oldest] = this.#fetching.keys()
    this.#fetching.delete(oldest!)
  }

  #isEnough(facts: SeedingFacts): boolean {
    const { seconds, downloads } = this.#goal
    return (
      this.#isRatioReached(facts) ||
      (seconds !== undefined && this.seedingMs >= seconds * 1_000) ||
      (downloads !== undefined && this.downloads >= downloads)
    )
  }

  /**
   * Bytes that were lost with a stream count too. So whoever is in the middle then gets the rest, as long as all of them
   * together take no more than one copy.
   */
  #isRatioReached({ size, upBytes }: SeedingFacts): boolean {
    const { ratio } = this.#goal
    if (ratio === undefined || size === 0 || upBytes < ratio * size) return false
    return upBytes >= (ratio + 1) * size || !this.#isSomebodyInTheMiddle()
  }

  #isSomebodyInTheMiddle(): boolean {
    for (const { isWhole, at } of this.#fetching.values())
      if (!isWhole && this.#at - at < UNFINISHED_MS) return true
    return false
  }
}

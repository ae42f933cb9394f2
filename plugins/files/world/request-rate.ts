/**
 * How often one destination, and all together, may ask: some at once, then so many each second.
 *
 * @module
 */
import type { Clock } from "allium/plugin"

/** Destinations that are remembered; beyond, all new ones share one measure. */
const KNOWN_MAX = 10_000

/** A measure that fills again with time. */
export interface Measure {
  /** As many at once. */
  readonly burst: number
  /** As many each second after that. */
  readonly perSecond: number
}

interface Level {
  left: number
  atMs: number
}

/** See the module. */
export class RequestRate {
  readonly #clock: Pick<Clock, "monotonicMs">
  readonly #each: Measure
  readonly #all: Measure
  readonly #levels = new Map<string, Level>()
  readonly #total: Level

  constructor(clock: Pick<Clock, "monotonicMs">, options: { each: Measure; all: Measure }) {
    this.#clock = clock
    this.#each = options.each
    this.#all = options.all
    this.#total = { left: options.all.burst, atMs: clock.monotonicMs() }
  }

  /** Counts one question. @returns `false` when it is one too many. */
  take(name: string): boolean {
    const level = this.#levelOf(name)
    this.#fill(level, this.#each)
    this.#fill(this.#total, this.#all)
    if (level.left < 1 || this.#total.left < 1) return false
    level.left--
    this.#total.left--
    return true
  }

  /** The oldest that is full again makes room for a new one. */
  #levelOf(name: string): Level {
    const known = this.#levels.get(name)
    if (known !== undefined) return known
    const key = this.#levels.size < KNOWN_MAX || this.#forgetOne() ? name : ""
    const level = this.#levels.get(key) ?? {
      left: this.#each.burst,
      atMs: this.#clock.monotonicMs(),
    }
    this.#levels.set(key, level)
    return level
  }

  #forgetOne(): boolean {
    for (const [name, level] of this.#levels) {
      this.#fill(level, this.#each)
      if (level.left === this.#each.burst) return this.#levels.delete(name)
      return false
    }
    return false
  }

  #fill(level: Level, { burst, perSecond }: Measure): void {
    const nowMs = this.#clock.monotonicMs()
    level.left = Math.min(burst, level.left + ((nowMs - level.atMs) / 1_000) * perSecond)
    level.atMs = nowMs
  }
}

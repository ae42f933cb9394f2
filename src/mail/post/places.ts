/**
 * Which place of a correspondent to try now.
 *
 * @module
 */
import { type Backoff, openBackoff } from "../../base/backoff.ts"
import type { Clock } from "../../base/clock.ts"
import type { Chance } from "../../base/random.ts"
import type { Place } from "./post.ts"

/** First wait before a place that failed is tried again. */
const RETRY_FIRST_MS = 2_000
/** Longest such wait. */
const RETRY_MOST_MS = 5 * 60_000

/** Name of a place, for reports and for telling places apart: `self`, or the tower's identity key. */
export function nameOfPlace(place: Place): string {
  return place.kind === "self" ? "self" : place.key
}

/** Two queues at one tower are two places. */
function idOf(place: Place): string {
  return place.kind === "self"
    ? "self"
    : `${place.key} ${Buffer.from(place.sendId).toString("hex")}`
}

interface Health {
  readonly backoff: Backoff
  untilMs: number
}

/** See the module. */
export class PlaceChoice {
  readonly #clock: Clock
  readonly #chance: Chance
  readonly #health = new Map<string, Health>()

  constructor(options: { clock: Clock; chance: Chance }) {
    this.#clock = options.clock
    this.#chance = options.chance
  }

  /** The first place that may be tried now; one called `avoid` only when there is no other. */
  choose(places: readonly Place[], avoid: string | undefined): Place | undefined {
    const open = places.filter((place) => this.#untilMs(place) <= this.#clock.monotonicMs())
    return open.find((place) => nameOfPlace(place) !== avoid) ?? open[0]
  }

  /** Milliseconds until some place may be tried. */
  waitMs(places: readonly Place[]): number {
    const untilMs = Math.min(...places.map((place) => this.#untilMs(place)))
    return Math.max(0, Math.ceil(untilMs - this.#clock.monotonicMs()))
  }

  /** It cannot be used for a while. */
  failed(place: Place): void {
    const health = this.#healthOf(place)
    health.untilMs = this.#clock.monotonicMs() + health.backoff.next()
  }

  /** It took something. */
  worked(place: Place): void {
    this.#health.delete(idOf(place))
  }

  /** All may be tried at once. */
  reset(): void {
    this.#health.clear()
  }

  #untilMs(place: Place): number {
    return this.#health.get(idOf(place))?.untilMs ?? 0
  }

  #healthOf(place: Place): Health {
    const id = idOf(place)
    const known = this.#health.get(id)
    if (known !== undefined) return known
    const bounds = { firstMs: RETRY_FIRST_MS, mostMs: RETRY_MOST_MS, chance: this.#chance }
    const health = { backoff: openBackoff(bounds), untilMs: 0 }
    this.#health.set(id, health)
    return health
  }
}

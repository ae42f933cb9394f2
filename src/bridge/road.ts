/**
 * The conditions between two ends of a stream: one reader of the knobs, shared by both directions.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import type { Chance } from "../base/random.ts"
import { isShaped, type Knobs } from "./knobs.ts"
import type { NetworkStats } from "./stats.ts"

/** A lost piece is sent again after a round trip, and not before this: I2P's smallest resend timer. */
const RESEND_MS_MIN = 100

/** What a {@linkcode Road} needs. */
export interface RoadOptions {
  readonly clock: Clock
  readonly chance: Chance
  readonly knobs: Knobs
  readonly stats: NetworkStats
  /** Ends the stream from outside. */
  readonly cut: () => void
}

/** Reads the knobs at every question, so that turning one changes streams that are open. */
export class Road {
  readonly stats: NetworkStats
  readonly cut: () => void
  readonly #options: RoadOptions
  readonly #abort = new AbortController()

  constructor(options: RoadOptions) {
    this.#options = options
    this.stats = options.stats
    this.cut = options.cut
  }

  nowMs(): number {
    return this.#options.clock.monotonicMs()
  }

  /** Rejects once the road is closed. */
  sleep(ms: number): Promise<void> {
    return this.#options.clock.sleep(ms, { signal: this.#abort.signal })
  }

  close(): void {
    this.#abort.abort()
  }

  /** True when a chunk may not go straight from socket to socket. */
  indirect(): boolean {
    const { knobs } = this.#options
    return knobs.faults.size > 0
      ? this.floods() || this.losesTail() || isShaped(knobs)
      : isShaped(knobs)
  }

  floods(): boolean {
    return this.#options.knobs.faults.has("noBackpressure")
  }

  losesTail(): boolean {
    return this.#options.knobs.faults.has("tailLoss")
  }

  /** Beyond this a direction is cut instead of queued; without a flood the window stops it long before. */
  heldBytesMax(): number {
    return Math.max(this.#options.knobs.floodBytesMax, 1024 * 1024)
  }

  /** How long a chunk takes to be sent, and then to travel. */
  timing(byteCount: number): { nowMs: number; sendMs: number; travelMs: number } {
    const { latencyMs, bandwidthBytesPerSecond, loss } = this.#options.knobs
    const sendMs = bandwidthBytesPerSecond > 0 ? (byteCount * 1000) / bandwidthBytesPerSecond : 0
    const resent = loss > 0 && this.#options.chance() < loss
    const travelMs = latencyMs + (resent ? Math.max(2 * latencyMs, RESEND_MS_MIN) : 0)
    return { nowMs: this.nowMs(), sendMs, travelMs }
  }

  /** After how many bytes this direction is cut; infinite unless `cutAfterBytes` says so. */
  cutInBytes(): number {
    const { cutAfterBytes } = this.#options.knobs
    return cutAfterBytes > 0
      ? cutAfterBytes * (0.5 + this.#options.chance())
      : Number.POSITIVE_INFINITY
  }
}

/**
 * How many bytes may go in a second: a bucket that fills with time, shared by any number of streams, by torrents as well.
 *
 * Whoever sees it open may go on, with as much as a turn is, and owes what it took; it is closed until the debt is paid. So nothing is ever
 * cut into less than is useful, and in a second or two it is as many bytes as said.
 *
 * @module
 */
import type { Clock } from "allium/plugin"

/** What may be saved up while nothing goes: so much of a second. */
const SAVED_SECONDS = 1
const DAY_MINUTES = 24 * 60
/** The rule of the hour is looked up again after so long. */
const RULE_MS = 1_000

/** From one time of day to another, on some days of the week; may go over midnight. */
export interface RateSpan {
  /** Minutes from midnight, local time, 0 to 1,439. The end is not part of it. */
  readonly from: number
  readonly to: number
  /** 0 is Sunday. The day it begins on; every day, when left out. */
  readonly days?: readonly number[]
  /** Bytes a second; 0 for nothing at all, left out for no limit. */
  readonly bytesPerSecond?: number
}

/** Plain data: what a limit is at which time. */
export interface Rate {
  /** Bytes a second outside all spans; 0 for nothing at all, left out for no limit. */
  readonly bytesPerSecond?: number
  /** The first that fits counts. */
  readonly spans?: readonly RateSpan[]
}

/** Bytes a second at a time; `Infinity` for no limit. */
export function rateAt(rate: Rate, at: Date): number {
  const minute = at.getHours() * 60 + at.getMinutes()
  const span = rate.spans?.find((one) => holds(one, minute, at.getDay()))
  return (span ?? rate).bytesPerSecond ?? Number.POSITIVE_INFINITY
}

function holds({ from, to, days }: RateSpan, minute: number, day: number): boolean {
  const length = (to - from + DAY_MINUTES) % DAY_MINUTES || DAY_MINUTES
  const passed = (minute - from + DAY_MINUTES) % DAY_MINUTES
  if (passed >= length) return false
  const began = passed > minute ? (day + 6) % 7 : day
  return days === undefined || days.includes(began)
}

/** One limit, in one direction. Who waits is served in the order of coming. */
export class Throttle {
  readonly #clock: Clock
  #rate: Rate
  #perMs = Number.POSITIVE_INFINITY
  #ruleAt = Number.NEGATIVE_INFINITY
  #level = 0
  #at: number
  readonly #waiting = new Set<() => void>()
  #isWatching = false

  constructor(clock: Clock, rate: Rate = {}) {
    this.#clock = clock
    this.#rate = rate
    this.#at = clock.monotonicMs()
  }

  /** Takes effect at once. */
  set(rate: Rate): void {
    this.#fill()
    this.#rate = rate
    this.#ruleAt = Number.NEGATIVE_INFINITY
    this.#fill()
    this.#wake()
  }

  /** Bytes a second now; `Infinity` for no limit. */
  get bytesPerSecond(): number {
    this.#fill()
    return this.#perMs * 1_000
  }

  /** Whether somebody may go on; then say with {@linkcode spend} how much went. */
  get isOpen(): boolean {
    this.#fill()
    return this.#perMs === Number.POSITIVE_INFINITY || (this.#level > 0 && this.#perMs > 0)
  }

  /** So many bytes go. */
  spend(byteCount: number): void {
    if (this.#perMs !== Number.POSITIVE_INFINITY) this.#level -= byteCount
  }

  /** Calls back once, when it is open and it is the caller's turn. @returns Takes that back. */
  wait(turn: () => void): () => void {
    const once = () => turn()
    this.#waiting.add(once)
    if (!this.#isWatching) void this.#watch()
    return () => void this.#waiting.delete(once)
  }

  #fill(): void {
    const now = this.#clock.monotonicMs()
    if (this.#perMs !== Number.POSITIVE_INFINITY) {
      const most = this.#perMs * 1_000 * SAVED_SECONDS
      this.#level = Math.min(Math.max(most, 1), this.#level + (now - this.#at) * this.#perMs)
    }
    this.#at = now
    if (now - this.#ruleAt < RULE_MS) return
    this.#ruleAt = now
    const before = this.#perMs
    this.#perMs = rateAt(this.#rate, new Date(this.#clock.now())) / 1_000
    if (before === Number.POSITIVE_INFINITY) this.#level = Math.min(1, this.#perMs)
  }

  #wake(): void {
    for (const turn of this.#waiting) {
      if (!this.isOpen) return
      this.#waiting.delete(turn)
      turn()
    }
  }

  async #watch(): Promise<void> {
    this.#isWatching = true
    while (this.#waiting.size > 0) {
      await this.#clock.sleep(this.#closedMs())
      this.#wake()
    }
    this.#isWatching = false
  }

  #closedMs(): number {
    if (this.isOpen) return 0
    const owed = this.#perMs > 0 ? Math.ceil((1 - this.#level) / this.#perMs) : RULE_MS
    return Math.min(RULE_MS, Math.max(1, owed))
  }
}

/** A quarter of a second's worth goes at a turn, a block at least. */
const TURN_SECONDS = 0.25

/** Several limits that all hold. */
export class Gate {
  readonly #throttles: readonly Throttle[]

  constructor(throttles: readonly Throttle[]) {
    this.#throttles = throttles
  }

  get isOpen(): boolean {
    return this.#throttles.every(({ isOpen }) => isOpen)
  }

  /** Bytes that may go at once while it is open; more only when one block is. */
  get turnBytes(): number {
    return Math.min(...this.#throttles.map((one) => one.bytesPerSecond)) * TURN_SECONDS
  }

  spend(byteCount: number): void {
    for (const throttle of this.#throttles) throttle.spend(byteCount)
  }

  /** Calls back once, when it may be open. @returns Takes that back. */
  wait(turn: () => void): () => void {
    const closed = this.#throttles.find(({ isOpen }) => !isOpen) ?? this.#throttles[0]
    if (closed !== undefined) return closed.wait(turn)
    queueMicrotask(turn)
    return () => {}
  }
}

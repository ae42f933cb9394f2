/**
 * The numbers every tunnel has in common: connections, bytes, failures, and how long the first byte takes.
 *
 * @module
 */
import { type Clock, systemClock } from "./clock.ts"
import { Counters } from "./counters.ts"

/** Upper ends of the histogram's buckets, in milliseconds; what took longer is in `over`. */
export const FIRST_BYTE_STEPS = [
  ...[100, 250, 500, 1_000, 2_500],
  ...[5_000, 10_000, 30_000, 60_000],
] as const

/** Of the names in {@linkcode Meter.read} that belong to the histogram. */
export const FIRST_BYTE = "firstByteMs."

/** Counts of one tunnel; see {@linkcode Meter.read} for their names. */
export class Meter extends Counters {
  readonly #clock: Pick<Clock, "monotonicMs">
  readonly #buckets = new Map<string, number>()
  #now = 0
  #sumMs = 0
  #count = 0

  /** @param names - Counts of the kind's own besides those in common. */
  constructor(names: readonly string[] = [], clock: Pick<Clock, "monotonicMs"> = systemClock) {
    super(["connections", "refused", ...names, "bytesIn", "bytesOut"])
    this.#clock = clock
  }

  /** A connection is here until the function returned is called; only its first call counts. */
  enter(): () => void {
    this.add("connections")
    this.#now++
    return once(() => this.#now--)
  }

  /** Bytes that came from I2P, and that went there. */
  moved(bytesIn: number, bytesOut: number): void {
    this.add("bytesIn", bytesIn)
    this.add("bytesOut", bytesOut)
  }

  /**
   * Counts what a connection moves, and from now on waits for its first byte `in` from I2P, or `out` to there.
   * What is returned is told each piece, as `moved`.
   */
  watch(first: "in" | "out"): (bytesIn: number, bytesOut: number) => void {
    const firstByte = this.awaitFirstByte()
    return (bytesIn, bytesOut) => {
      if ((first === "in" ? bytesIn : bytesOut) > 0) firstByte()
      this.moved(bytesIn, bytesOut)
    }
  }

  /** Begins to wait for a first byte; what is returned says that it is there. Only its first call counts. */
  awaitFirstByte(): () => void {
    const sinceMs = this.#clock.monotonicMs()
    return once(() => this.#observe(this.#clock.monotonicMs() - sinceMs))
  }

  /**
   * Totals by name; besides them `connectionsNow`, and the histogram as `firstByteMs.500` (took at most
   * 500 ms, and longer than the bucket before), `firstByteMs.over`, `firstByteMs.sum`, `firstByteMs.count`.
   * Buckets that are empty are left out.
   */
  override read(): Readonly<Record<string, number>> {
    const { connections = 0, ...counts } = super.read()
    const totals = { connections, connectionsNow: this.#now, ...counts }
    if (this.#count === 0) return totals
    const buckets = [...this.#buckets].map(([name, count]) => [`${FIRST_BYTE}${name}`, count])
    const whole = { [`${FIRST_BYTE}sum`]: this.#sumMs, [`${FIRST_BYTE}count`]: this.#count }
    return { ...totals, ...Object.fromEntries(buckets), ...whole }
  }

  #observe(tookMs: number): void {
    const name = String(FIRST_BYTE_STEPS.find((endMs) => tookMs <= endMs) ?? "over")
    this.#buckets.set(name, (this.#buckets.get(name) ?? 0) + 1)
    this.#sumMs += Math.round(tookMs)
    this.#count++
  }
}

function once(run: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) run()
    isDone = true
  }
}

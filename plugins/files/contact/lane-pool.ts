/**
 * The lanes on which one transfer runs: opened, joined to the swarm, opened again when they stall, more of them while that helps.
 *
 * @module
 */
import { Alarm, type Clock, openBackoff, toAlliumError } from "allium/plugin"
import type { PeerEnd } from "../swarm/types.ts"
import { LaneCount, STREAMS_MAX } from "./lane-count.ts"
import type { SealedLine } from "./sealed-line.ts"

/** First and longest wait before a lane is tried again. */
const RETRY = { firstMs: 500, mostMs: 60_000 }
/** A stream that lived so long was a good one: the next is opened at once. */
const GOOD_MS = 10_000
/** How often the number of lanes is thought about. */
const TICK_MS = 1_000
/** The other side knows what it does; to try at once again would only annoy. */
const PATIENT: ReadonlySet<PeerEnd> = new Set(["full", "not admitted", "broken rules", "paused"])

/** What lanes need of the rest. */
export interface LanePoolOptions {
  readonly clock: Clock
  readonly chance: () => number
  readonly lanesMax: number
  /** All that came so far. */
  readonly bytes: () => number
  readonly open: (lane: number, call: { signal: AbortSignal }) => Promise<SealedLine>
  readonly join: (line: SealedLine) => Promise<PeerEnd>
  /** Told why the first lane does not stand. */
  readonly waits: (code: string) => void
}

/** See the module. */
export class LanePool {
  readonly #o: LanePoolOptions
  readonly #alarms = Array.from({ length: STREAMS_MAX + 1 }, () => new Alarm())
  /** What ends each lane that runs. */
  readonly #running = new Map<number, AbortController>()
  #standing = 0

  constructor(options: LanePoolOptions) {
    this.#o = options
  }

  /** Lanes on which something can come. */
  get standing(): number {
    return this.#standing
  }

  /** The contact can be reached now. */
  wake(): void {
    for (const alarm of this.#alarms) alarm.ring()
  }

  /** Runs until `signal` aborts; rejects with its reason then. */
  async run(signal: AbortSignal): Promise<never> {
    const { clock, bytes, lanesMax } = this.#o
    const count = new LaneCount(clock.monotonicMs(), lanesMax)
    this.#adjust(count.count, signal)
    for (;;) {
      await clock.sleep(TICK_MS, { signal })
      const now = clock.monotonicMs()
      if (this.#standing < count.count) count.restart(now)
      else if (count.tick(now, bytes())) this.#adjust(count.count, signal)
    }
  }

  #adjust(count: number, signal: AbortSignal): void {
    for (let lane = 1; lane <= STREAMS_MAX; lane++) {
      const running = this.#running.get(lane)
      if (lane > count) running?.abort()
      else if (running === undefined) this.#start(lane, signal)
    }
  }

  #start(lane: number, signal: AbortSignal): void {
    const own = new AbortController()
    const stop = () => own.abort()
    signal.addEventListener("abort", stop)
    this.#running.set(lane, own)
    this.#keep(lane, own.signal)
      .catch(() => {})
      .finally(() => {
        signal.removeEventListener("abort", stop)
        this.#running.delete(lane)
      })
  }

  async #keep(lane: number, signal: AbortSignal): Promise<void> {
    const { clock, chance } = this.#o
    const backoff = openBackoff({ ...RETRY, chance })
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs()
      const end = await this.#once(lane, signal)
      const livedMs = clock.monotonicMs() - startedMs
      if (livedMs >= GOOD_MS && !PATIENT.has(end)) backoff.reset()
      const call = { signal, clock, atMostMs: backoff.next() }
      if (await this.#alarms[lane]!.wait(call)) backoff.reset()
    }
  }

  /** @returns How it ended; `ended` when it could not be opened. */
  async #once(lane: number, signal: AbortSignal): Promise<PeerEnd> {
    const { open, join, waits } = this.#o
    let line: SealedLine
    try {
      line = await open(lane, { signal })
    } catch (error) {
      if (!signal.aborted && lane === 1) waits(toAlliumError(error).code)
      return "ended"
    }
    const close = () => void line.destroy()
    signal.addEventListener("abort", close, { once: true })
    if (signal.aborted) close()
    this.#standing++
    try {
      return await join(line)
    } finally {
      this.#standing--
      signal.removeEventListener("abort", close)
    }
  }
}

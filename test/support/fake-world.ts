/**
 * A small world for tests: a clock that stands still until told, and a count of what is under way.
 *
 * Everything asynchronous in the fakes goes through {@linkcode FakeWorld.hop}, so that the world knows when nothing can
 * happen any more unless time passes.
 */
import type { Clock } from "../../src/base/clock.ts"

/** Where stories begin: 2026-01-01T00:00:00Z. */
const BEGINNING_MS = Date.UTC(2026, 0, 1)

interface Sleeper {
  readonly untilMs: number
  readonly wake: () => void
}

/** See the module. */
export class FakeWorld {
  #nowMs = BEGINNING_MS
  #jumpedMs = 0
  #underWay = 0
  readonly #sleepers = new Set<Sleeper>()

  readonly clock: Clock = {
    now: () => this.#nowMs + this.#jumpedMs,
    monotonicMs: () => this.#nowMs - BEGINNING_MS,
    sleep: (ms, call = {}) => this.#sleep(ms, call.signal),
  }

  /** Somebody sets the wall clocks of this world, forwards or back; no time passes. */
  jump(ms: number): void {
    this.#jumpedMs += ms
  }

  /** One turn of the event loop, known to be under way. */
  hop(): Promise<void> {
    return this.track(new Promise((resolve) => setImmediate(resolve)))
  }

  /** Counts `work` as under way until it ends. */
  async track<T>(work: Promise<T>): Promise<T> {
    this.#underWay++
    try {
      return await work
    } finally {
      this.#underWay--
    }
  }

  /** Resolves when nothing happens any more unless time passes. */
  async settle(): Promise<void> {
    do for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
    while (this.#underWay > 0)
  }

  /** Lets `ms` pass, stopping at every sleeper on the way. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await this.settle()
    for (let next = this.#next(); next && next.untilMs <= endMs; next = this.#next())
      await this.#wake(next)
    this.#nowMs = endMs
    await this.settle()
  }

  /** Lets time pass until `done`; throws after `mostMs`, or when nobody waits for anything any more. */
  async until(done: () => boolean | Promise<boolean>, mostMs = 86_400_000): Promise<void> {
    const endMs = this.#nowMs + mostMs
    await this.settle()
    while (!(await done())) {
      const next = this.#next()
      if (next === undefined) throw new Error("Nothing more can happen, and it is not done")
      if (next.untilMs > endMs) throw new Error(`Not done after ${mostMs} ms of the story`)
      await this.#wake(next)
    }
  }

  /** Stops in the middle of things, at the first turn of the event loop at which `now` is true. */
  async moment(now: () => boolean): Promise<void> {
    for (let idleTurns = 0; !now(); idleTurns++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (this.#underWay > 0) idleTurns = 0
      if (idleTurns > 8) throw new Error("The moment never came")
    }
  }

  async #wake(sleeper: Sleeper): Promise<void> {
    this.#nowMs = Math.max(this.#nowMs, sleeper.untilMs)
    sleeper.wake()
    await this.settle()
  }

  #next(): Sleeper | undefined {
    let first: Sleeper | undefined
    for (const sleeper of this.#sleepers)
      if (first === undefined || sleeper.untilMs < first.untilMs) first = sleeper
    return first
  }

  #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const end = (finish: () => void) => {
        this.#sleepers.delete(sleeper)
        signal?.removeEventListener("abort", abort)
        finish()
      }
      const abort = () => end(() => reject(signal?.reason))
      const sleeper = { untilMs: this.#nowMs + Math.max(0, ms), wake: () => end(resolve) }
      this.#sleepers.add(sleeper)
      signal?.addEventListener("abort", abort)
    })
  }
}

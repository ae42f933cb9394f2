/** A clock that stands still until it is told to go on. */
import type { Clock } from "../../src/base/clock.ts"

interface Sleeper {
  readonly atMs: number
  readonly wake: () => void
}

/** Time in the hands of the test. */
export class FakeClock implements Clock {
  #nowMs: number
  #jumpedMs = 0
  #sleepers: Sleeper[] = []

  constructor(nowMs = 1_000_000) {
    this.#nowMs = nowMs
  }

  now(): number {
    return this.#nowMs + this.#jumpedMs
  }

  /** Somebody sets the wall clock, forwards or back; no time passes. */
  jump(ms: number): void {
    this.#jumpedMs += ms
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  /** How long each sleeper still sleeps, soonest first. */
  sleeping(): number[] {
    return this.#sleepers.map(({ atMs }) => atMs - this.#nowMs).sort((left, right) => left - right)
  }

  sleep(ms: number, call: { signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = call
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        this.#sleepers = this.#sleepers.filter((one) => one !== sleeper)
        reject(signal?.reason)
      }
      const wake = () => {
        signal?.removeEventListener("abort", giveUp)
        resolve()
      }
      const sleeper = { atMs: this.#nowMs + ms, wake }
      this.#sleepers.push(sleeper)
      signal?.addEventListener("abort", giveUp, { once: true })
    })
  }

  /** Lets `ms` pass and wakes who slept until then, soonest first; lets them run. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    for (;;) {
      const due = this.#sleepers.filter(({ atMs }) => atMs <= endMs)
      const next = due.sort((left, right) => left.atMs - right.atMs)[0]
      if (next === undefined) break
      this.#sleepers = this.#sleepers.filter((one) => one !== next)
      this.#nowMs = next.atMs
      next.wake()
      await settle()
    }
    this.#nowMs = endMs
    await settle()
  }
}

/** Lets everything run that can run without time passing. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** The machine's clock, which can be held: then nothing that waits for a time happens. */
import { type Clock, systemClock } from "../../src/base/clock.ts"

/** See the module. */
export class StoppableClock implements Clock {
  #lostMs = 0
  #stoppedMs: number | undefined
  #going: Promise<void> = Promise.resolve()
  #go: () => void = () => {}

  /** Time stands still, and nobody wakes. */
  stop(): void {
    if (this.#stoppedMs !== undefined) return
    this.#stoppedMs = performance.now()
    this.#going = new Promise((resolve) => {
      this.#go = resolve
    })
  }

  /** Time goes on where it stood. */
  go(): void {
    if (this.#stoppedMs === undefined) return
    this.#lostMs += performance.now() - this.#stoppedMs
    this.#stoppedMs = undefined
    this.#go()
  }

  now(): number {
    return performance.timeOrigin + this.monotonicMs()
  }

  monotonicMs(): number {
    return (this.#stoppedMs ?? performance.now()) - this.#lostMs
  }

  async sleep(ms: number, call: { signal?: AbortSignal } = {}): Promise<void> {
    const endMs = this.monotonicMs() + ms
    for (let leftMs = ms; leftMs > 0; leftMs = endMs - this.monotonicMs()) {
      await systemClock.sleep(leftMs, call)
      if (this.#stoppedMs !== undefined) await this.#untilItGoes(call.signal)
    }
  }

  #untilItGoes(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = () => reject(signal?.reason)
      if (signal?.aborted) giveUp()
      signal?.addEventListener("abort", giveUp, { once: true })
      void this.#going.then(() => {
        signal?.removeEventListener("abort", giveUp)
        resolve()
      })
    })
  }
}

/**
 * A bell: one waits, anybody rings.
 *
 * @module
 */
import type { Clock } from "./clock.ts"

/** One waits at a time. A ring while nobody waits is kept, once, for the next who does. */
export class Alarm {
  #rung = false
  #wake: (() => void) | undefined

  /** Wakes who waits, or lets the next wait end at once. */
  ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  /**
   * @param call.atMostMs - For how long; without it, until somebody rings.
   * @returns `true` when rung, `false` when the time was over.
   * @throws The signal's reason.
   */
  async wait(call: { signal: AbortSignal; clock: Clock; atMostMs?: number }): Promise<boolean> {
    call.signal.throwIfAborted()
    if (!this.#rung) await this.#sleep(call)
    const { signal } = call
    signal.throwIfAborted()
    const rung = this.#rung
    this.#rung = false
    return rung
  }

  async #sleep(call: { signal: AbortSignal; clock: Clock; atMostMs?: number }): Promise<void> {
    const woken = new AbortController()
    const wake = () => woken.abort()
    this.#wake = wake
    call.signal.addEventListener("abort", wake)
    try {
      if (call.atMostMs === undefined) await aborted(woken.signal)
      else await call.clock.sleep(call.atMostMs, { signal: woken.signal })
    } catch (error) {
      if (!woken.signal.aborted) throw error
    } finally {
      call.signal.removeEventListener("abort", wake)
      this.#wake = undefined
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
}

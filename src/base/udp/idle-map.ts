/**
 * Things that end when nobody has used them for a while.
 *
 * @module
 */
import type { Clock } from "../clock.ts"

/** Looks in so many parts of the idle time: things live at most that much longer. */
const LOOKS = 8

interface Used<T> {
  readonly value: T
  usedMs: number
}

/** Values by key, the one unused longest first. Whatever leaves is told to `onGone`, once. */
export class IdleMap<T> {
  readonly #entries = new Map<string, Used<T>>()
  readonly #idleMs: number
  readonly #clock: Clock
  readonly #onGone: (value: T) => void

  /** @param options.signal - Ends all values. */
  constructor(options: {
    idleMs: number
    clock: Clock
    signal: AbortSignal
    onGone: (value: T) => void
  }) {
    this.#idleMs = options.idleMs
    this.#clock = options.clock
    this.#onGone = options.onGone
    void this.#watch(options.signal).catch(() => this.#clear())
  }

  get size(): number {
    return this.#entries.size
  }

  /** Keys, the one unused longest first. */
  keys(): Iterable<string> {
    return this.#entries.keys()
  }

  /** Uses it. */
  get(key: string): T | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    entry.usedMs = this.#clock.monotonicMs()
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.value
  }

  /** Adds one; what had that key ends. */
  set(key: string, value: T): void {
    this.end(key)
    this.#entries.set(key, { value, usedMs: this.#clock.monotonicMs() })
  }

  /** Ends one, if it is there. */
  end(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#onGone(entry.value)
  }

  async #watch(signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#clock.sleep(this.#idleMs / LOOKS, { signal })
      const sinceMs = this.#clock.monotonicMs() - this.#idleMs
      for (const [key, { usedMs }] of this.#entries) {
        if (usedMs > sinceMs) break
        this.end(key)
      }
    }
  }

  #clear(): void {
    for (const key of [...this.#entries.keys()]) this.end(key)
  }
}

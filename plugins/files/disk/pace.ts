/**
 * Two that read the same bytes keep together: what the first has read is still in memory when the second comes.
 *
 * @module
 */

/** How far one may be ahead. The system keeps far more of what was read last. */
const AHEAD_BYTES_MAX = 64 * 1_048_576

/** See the module. */
export class Pace {
  readonly #begun = [0, 0]
  readonly #signal: AbortSignal
  #waiting: (() => void)[] = []
  #failure: { readonly reason: unknown } | undefined

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  /** Runs one of the two; the other waits no more when it ends, and fails as it does. */
  async lane<T>(lane: 0 | 1, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (reason) {
      this.#failure ??= { reason }
      throw reason
    } finally {
      this.#reach(lane, Number.POSITIVE_INFINITY)
    }
  }

  /** Waits until the other has come near. @throws The signal's reason, or why the other failed. */
  async begin(lane: 0 | 1, offset: number): Promise<void> {
    this.#reach(lane, offset)
    while (offset - this.#begun[1 - lane]! > AHEAD_BYTES_MAX)
      await new Promise<void>((go) => this.#waiting.push(go))
    this.#signal.throwIfAborted()
    if (this.#failure !== undefined) throw this.#failure.reason
  }

  #reach(lane: 0 | 1, offset: number): void {
    this.#begun[lane] = Math.max(this.#begun[lane]!, offset)
    for (const go of this.#waiting.splice(0)) go()
  }
}

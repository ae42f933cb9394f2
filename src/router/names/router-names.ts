/**
 * What the I2P router says of names: asked once by all who wait, and not again at once when it knows nothing.
 *
 * @module
 */
import { untilAborted } from "../../base/abort.ts"
import type { Clock } from "../../base/clock.ts"
import { AlliumError, isAlliumError } from "../../base/errors.ts"

/** How long a name nobody knows is not asked for again. */
const UNKNOWN_MS = 60_000
/** A router that does not know a name says so at once; one that took longer looked for where it leads. */
const SEARCHED_MS = 5_000
/** Names that are remembered as unknown; the oldest are forgotten. */
const UNKNOWN_MAX = 1_024
/** Names that are asked for at a time; more wait for none and are told `BUSY`. */
const ASKING_MAX = 64

/** Asks the router once, for up to two minutes. */
export type AskRouter = (name: string) => Promise<string>

/** Answers of one router. */
export class RouterNames {
  readonly #ask: AskRouter
  readonly #clock: Clock
  readonly #asking = new Map<string, Promise<string>>()
  /** When each was found to be unknown, by the clock that does not jump; oldest first. */
  readonly #unknown = new Map<string, number>()

  constructor(ask: AskRouter, clock: Clock) {
    this.#ask = ask
    this.#clock = clock
  }

  /**
   * @returns A whole destination in base64.
   * @throws {AlliumError} `NAME_NOT_FOUND` when the router does not know the name; `PEER_UNREACHABLE` when it
   * knows it and found nobody there; `BUSY`; what the bridge says.
   */
  async find(name: string, call: { signal: AbortSignal }): Promise<string> {
    const sinceMs = this.#unknown.get(name)
    if (sinceMs !== undefined && this.#clock.monotonicMs() - sinceMs < UNKNOWN_MS) throw unknown()
    return untilAborted(this.#asking.get(name) ?? this.#begin(name), call.signal)
  }

  /** The user changed something: ask again. */
  forget(): void {
    this.#unknown.clear()
  }

  #begin(name: string): Promise<string> {
    if (this.#asking.size >= ASKING_MAX)
      throw new AlliumError("BUSY", "Cannot look up name: too many are being looked up")
    const asked = this.#answer(name).finally(() => this.#asking.delete(name))
    asked.catch(() => {}) // whoever waits is told; all may have gone
    this.#asking.set(name, asked)
    return asked
  }

  async #answer(name: string): Promise<string> {
    const startMs = this.#clock.monotonicMs()
    try {
      return await this.#ask(name)
    } catch (error) {
      if (!isAlliumError(error, "NAME_NOT_FOUND")) throw error
      if (this.#clock.monotonicMs() - startMs >= SEARCHED_MS) throw cold(error)
      this.#remember(name)
      throw error
    }
  }

  #remember(name: string): void {
    this.#unknown.delete(name)
    const [oldest] = this.#unknown.keys()
    if (this.#unknown.size >= UNKNOWN_MAX && oldest !== undefined) this.#unknown.delete(oldest)
    this.#unknown.set(name, this.#clock.monotonicMs())
  }
}

function unknown(): AlliumError {
  return new AlliumError("NAME_NOT_FOUND", "Cannot look up name: nobody knew it a moment ago")
}

function cold(cause: Error): AlliumError {
  const message =
    "Cannot look up name: the router searched for its destination and found it nowhere"
  return new AlliumError("PEER_UNREACHABLE", message, { cause })
}

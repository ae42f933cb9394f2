/**
 * How many envelopes a subscriber has room for.
 *
 * @module
 */
import { Alarm } from "../../base/alarm.ts"
import { systemClock } from "../../base/clock.ts"
import { badFrame } from "./fields.ts"

/** More is a subscriber who cannot count. */
const CREDIT_SUM_MAX = 65_535

/** Given by the subscriber, used up by one envelope each. */
export class Credit {
  #left: number
  readonly #alarm = new Alarm()

  constructor(first: number) {
    this.#left = first
  }

  /** @throws {AlliumError} `BAD_RECORD` when it grows beyond 65,535. */
  add(more: number): void {
    this.#left += more
    if (this.#left > CREDIT_SUM_MAX) throw badFrame("a subscriber asked for too much at once")
    this.#alarm.ring()
  }

  /** Waits until there is some, and uses one; `false` when the signal aborted before. */
  async take(signal: AbortSignal): Promise<boolean> {
    while (this.#left === 0 && !signal.aborted)
      await this.#alarm.wait({ signal, clock: systemClock }).catch(() => {})
    if (signal.aborted) return false
    this.#left--
    return true
  }
}

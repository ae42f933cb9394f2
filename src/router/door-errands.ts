/**
 * What is to be done for somebody until it is done: one errand for each person, over failures.
 *
 * @module
 */
import { Alarm } from "../base/alarm.ts"
import { openBackoff } from "../base/backoff.ts"
import type { Clock } from "../base/clock.ts"
import { toAlliumError } from "../base/errors.ts"
import { keepTrying } from "../base/keep-trying.ts"
import type { Log } from "../base/log.ts"
import type { Chance } from "../base/random.ts"
import { Scope } from "../base/scope.ts"

/** A tower that is away is asked about every five minutes. */
const RETRY = { firstMs: 3_000, mostMs: 300_000, factor: 1.5 } as const

/** Returns `done`, or how many milliseconds later to go again; throws to go again soon. */
export type Errand = (call: { signal: AbortSignal }) => Promise<"done" | number>

interface Running {
  readonly abort: AbortController
  readonly alarm: Alarm
  fault: string | undefined
}

/** See the module. */
export class Errands implements AsyncDisposable {
  readonly #tools: { readonly clock: Clock; readonly chance: Chance; readonly log: Log }
  readonly #scope = new Scope()
  readonly #running = new Map<string, Running>()

  constructor(tools: { readonly clock: Clock; readonly chance: Chance; readonly log: Log }) {
    this.#tools = tools
  }

  /** Begins an errand, in place of the one before. */
  start(name: string, errand: Errand): void {
    this.stop(name)
    const running: Running = {
      abort: new AbortController(),
      alarm: new Alarm(),
      fault: undefined,
    }
    this.#running.set(name, running)
    void this.#run(name, running, errand).catch(() => {})
  }

  stop(name: string): void {
    this.#running.get(name)?.abort.abort()
    this.#running.delete(name)
  }

  /** Something makes a try worth it. */
  ring(): void {
    for (const { alarm } of this.#running.values()) alarm.ring()
  }

  /** Code of the last failure; `undefined` when there is none. */
  faultOf(name: string): string | undefined {
    return this.#running.get(name)?.fault
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.close()
  }

  async #run(name: string, running: Running, errand: Errand): Promise<void> {
    const { clock, chance, log } = this.#tools
    const { alarm } = running
    const signal = AbortSignal.any([running.abort.signal, this.#scope.signal])
    const attempt = async () => {
      const next = await errand({ signal })
      running.fault = undefined
      if (next === "done") return "done" as const
      await this.#rest(next, signal)
      return "again" as const
    }
    const failed = (error: unknown) => {
      running.fault = toAlliumError(error).code
      log.debug("door.errand", { code: running.fault })
    }
    const backoff = openBackoff({ ...RETRY, chance })
    await keepTrying(attempt, { clock, signal, backoff, alarm, failed })
    if (this.#running.get(name) === running) this.#running.delete(name)
  }

  /** Not cut short by a ring: that is for what failed. */
  #rest(ms: number, signal: AbortSignal): Promise<void> {
    return this.#tools.clock.sleep(ms, { signal })
  }
}

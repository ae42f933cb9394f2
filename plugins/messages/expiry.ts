/**
 * Lets messages disappear when their time has come, also over restarts: what is due stands on disk.
 *
 * @module
 */
import { Alarm, type PluginContext, toAlliumError } from "allium/plugin"
import type { ConversationBook } from "./book.ts"
import { type Expiry, openCommonShelves } from "./shelves.ts"

/** So far ahead the memory looks; later ones are found when it looks again. */
const HORIZON_MS = 3_600_000
/** What it holds at most. */
const SOON_MAX = 10_000
/** Before what could not be removed is tried again. */
const RETRY_MS = 10_000

/** See the module. */
export class Expiries {
  readonly #context: PluginContext
  readonly #book: ConversationBook
  readonly #alarm = new Alarm()
  /** Sorted, the soonest first. */
  #soon: Expiry[] = []
  /** When the disk must be looked at again; milliseconds since 1970. */
  #lookAt = 0

  constructor(context: PluginContext, book: ConversationBook) {
    this.#context = context
    this.#book = book
  }

  /** Works until the plugin ends. */
  start(): void {
    void this.#run().catch((error) => {
      const { aborted } = this.#context.signal
      if (!aborted) this.#context.log.error("expiry.ended", { code: toAlliumError(error).code })
    })
  }

  /** One more; it is on disk. */
  add(expiry: Expiry): void {
    if (expiry.at > this.#context.clock.now() + HORIZON_MS)
      this.#lookAt = Math.min(this.#lookAt, expiry.at)
    else this.#insert(expiry)
    this.#alarm.ring()
  }

  async #run(): Promise<void> {
    const { signal, clock } = this.#context
    for (;;) {
      if (clock.now() >= this.#lookAt) await this.#look()
      while (this.#soon[0] && this.#soon[0].at <= clock.now()) await this.#removeFirst()
      const next = Math.min(this.#soon[0]?.at ?? Infinity, this.#lookAt)
      // No longer than an hour at a time: clocks are set.
      const atMostMs = Math.min(HORIZON_MS, Math.max(1, next - clock.now()))
      await this.#alarm.wait({ signal, clock, ...(next < Infinity && { atMostMs }) })
    }
  }

  /** Reads what is due within the hour. */
  async #look(): Promise<void> {
    const edge = this.#context.clock.now() + HORIZON_MS
    this.#soon = []
    this.#lookAt = Infinity
    for await (const [, expiry] of openCommonShelves(this.#context.store).expiries.entries())
      if (expiry.at <= edge) this.#insert(expiry)
      else this.#lookAt = Math.min(this.#lookAt, expiry.at)
  }

  #insert(expiry: Expiry): void {
    let low = 0
    for (let high = this.#soon.length; low < high; ) {
      const middle = (low + high) >> 1
      if ((this.#soon[middle]?.at ?? 0) <= expiry.at) low = middle + 1
      else high = middle
    }
    this.#soon.splice(low, 0, expiry)
    if (this.#soon.length > SOON_MAX)
      this.#lookAt = Math.min(this.#lookAt, this.#soon.pop()?.at ?? Infinity)
  }

  async #removeFirst(): Promise<void> {
    const { clock, log, signal, store } = this.#context
    const [expiry] = this.#soon
    if (expiry === undefined) return
    try {
      await this.#remove(expiry, store)
      this.#soon = this.#soon.filter((one) => one !== expiry)
    } catch (error) {
      if (signal.aborted) throw error
      log.warn("expiry.waits", { code: toAlliumError(error).code })
      await clock.sleep(RETRY_MS, { signal })
    }
  }

  async #remove({ key, number }: Expiry, store: PluginContext["store"]): Promise<void> {
    const [identity = "", contact = ""] = key.split("/")
    const conversation = await this.#book.at({ identity, contact })
    await conversation.change(async (pen) => {
      const entry = await pen.entry(number)
      if (entry === undefined)
        return pen.also(openCommonShelves(store).expiries.remove(`${key}/${number}`))
      await pen.remove(number, entry)
      pen.note("expired", number, entry)
    })
  }
}

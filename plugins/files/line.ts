/**
 * The asking side of a `/files/1` channel.
 *
 * @module
 */
import { AlliumError, type Channel, type Clock, readRecords, writeRecord } from "allium/plugin"
import { ANSWER_BYTES_MAX, type Answer, type Question, readAnswer } from "./wire.ts"

/** No answer for so long: the channel is given up. */
const ANSWER_PATIENCE_MS = 90_000
/** How often it is looked whether an answer came. */
const LOOK_EVERY_MS = 15_000

/** Questions out, answers in, in the same order; owns its channel. */
export class Line implements AsyncDisposable {
  readonly #channel: Channel
  readonly #clock: Clock
  readonly #answers: AsyncGenerator<Answer, void>
  readonly #over = new AbortController()
  #waitsSinceMs: number | undefined
  #silent = false

  /** @param signal - Destroys the channel. */
  constructor(channel: Channel, options: { clock: Clock; signal: AbortSignal }) {
    this.#channel = channel
    this.#clock = options.clock
    this.#answers = answersOf(channel)
    const abort = () => channel.destroy()
    channel.on("error", () => {}) // told to the reader, too
    channel.once("close", () => {
      this.#over.abort()
      options.signal.removeEventListener("abort", abort)
    })
    if (options.signal.aborted) abort()
    else options.signal.addEventListener("abort", abort)
    this.#watch().catch(() => {}) // ends with the channel
  }

  /** Resolves when the channel has taken the question. @throws As {@linkcode answer}. */
  ask(question: Question): Promise<void> {
    return this.#patiently(writeRecord(this.#channel, question))
  }

  /** The next answer. @throws {AlliumError} `TIMED_OUT`, `BAD_RECORD`, `CHANNEL_RESET`; why the channel broke. */
  async answer(): Promise<Answer> {
    const { value, done } = await this.#patiently(this.#answers.next())
    if (!done) return value
    throw new AlliumError("CHANNEL_RESET", "Cannot go on: the contact ended the channel early")
  }

  /** All is said; the other side may take a while to end its own. */
  end(): void {
    const close = () => this.#channel.destroy()
    this.#channel.end()
    this.answer().then(close, close)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#channel.writableEnded) this.#channel.destroy()
  }

  async #patiently<T>(work: Promise<T>): Promise<T> {
    this.#waitsSinceMs = this.#clock.monotonicMs()
    try {
      return await work
    } catch (error) {
      throw this.#silent ? new AlliumError("TIMED_OUT", "Cannot go on: no answer came") : error
    } finally {
      this.#waitsSinceMs = undefined
    }
  }

  async #watch(): Promise<void> {
    for (;;) {
      await this.#clock.sleep(LOOK_EVERY_MS, { signal: this.#over.signal })
      const waitedMs = this.#clock.monotonicMs() - (this.#waitsSinceMs ?? Infinity)
      this.#silent = waitedMs >= ANSWER_PATIENCE_MS
      if (this.#silent) this.#channel.destroy()
    }
  }
}

async function* answersOf(channel: Channel): AsyncGenerator<Answer, void> {
  for await (const values of readRecords(channel, { bytesMax: ANSWER_BYTES_MAX }))
    for (const value of values) yield readAnswer(value)
}

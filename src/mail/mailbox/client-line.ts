/**
 * Questions and answers of a client: each question has a tag, answers come in any order.
 *
 * @module
 */
import { untilAborted } from "../../base/abort.ts"
import { AlliumError, isAlliumError } from "../../base/errors.ts"
import { Slots } from "../../base/turns.ts"
import { badFrame } from "./fields.ts"
import { type FrameStream, lost } from "./frame-stream.ts"
import { REQUESTS_MAX, SUBSCRIPTIONS_MAX, WAITING_CALLS_MAX } from "./limits.ts"
import type { MailCall } from "./mailbox.ts"
import { type Answer, answers, failureOf, type Request, requests } from "./wire.ts"

type Untagged<F> = F extends unknown ? Omit<F, "tag"> : never
/** A request that has no tag yet. */
export type Question = Untagged<Request>

/** One question that waits for answers. */
export interface Asking {
  /** Takes an answer; `true` when it was the last. @throws {AlliumError} `BAD_RECORD`. */
  hear(answer: Answer): boolean
  /** No answer comes any more. */
  fail(error: AlliumError): void
}

/** What a question ends with. */
export interface Result<T> {
  readonly result: T
}

/** See the module. */
export class ClientLine {
  readonly #stream: FrameStream
  readonly #asking = new Map<number, Asking>()
  readonly #slots = new Slots(REQUESTS_MAX)
  #waitingCount = 0
  #subscriptionCount = 0
  #lastTag = 0
  #fault: AlliumError | undefined

  constructor(stream: FrameStream) {
    this.#stream = stream
    void this.#read()
  }

  /**
   * Asks, and hears answers until `hear` gives a result. When the signal aborts, the caller hears so at once; the place
   * in line is free when the mailbox has answered.
   */
  async ask<T>(
    question: Question,
    call: MailCall,
    hear: (answer: Answer) => Result<T> | undefined,
    meanwhile?: (tag: number, over: () => boolean) => Promise<void>,
  ): Promise<T> {
    if (this.#waitingCount >= WAITING_CALLS_MAX + REQUESTS_MAX) throw busy()
    this.#waitingCount++
    const task = () => this.#converse(question, call.signal, hear, meanwhile)
    const answered = this.#slots.take(task, call).finally(() => this.#waitingCount--)
    return untilAborted(answered, call.signal)
  }

  /** Asks for something that is answered again and again; gives the tag. @throws {AlliumError} `BUSY`, or why the line is over. */
  subscribe(question: Question, asking: Asking): number {
    if (this.#subscriptionCount >= SUBSCRIPTIONS_MAX) throw busy()
    this.#subscriptionCount++
    return this.#begin(question, {
      hear: (answer) => {
        const last = asking.hear(answer)
        if (last) this.#subscriptionCount--
        return last
      },
      fail: (error) => asking.fail(error),
    })
  }

  /** Sends a frame; resolves when there is room for another. */
  send(request: Request): Promise<void> {
    return this.#stream.write(requests.encode(request))
  }

  /** Ends the channel; whatever waits fails. */
  close(error: AlliumError = lost()): void {
    if (this.#fault !== undefined) return
    this.#fault = error
    this.#stream.destroy(isAlliumError(error, "BAD_RECORD") ? error : undefined)
    const left = [...this.#asking.values()]
    this.#asking.clear()
    for (const one of left) one.fail(again(error))
  }

  #converse<T>(
    question: Question,
    signal: AbortSignal,
    hear: (answer: Answer) => Result<T> | undefined,
    meanwhile?: (tag: number, over: () => boolean) => Promise<void>,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const asking = listenOnce(hear, resolve, reject)
      const tag = this.#begin(question, asking)
      const cancel = () => void this.send({ kind: "cancel", tag })
      signal.addEventListener("abort", cancel, { once: true })
      asking.finally(() => signal.removeEventListener("abort", cancel))
      void meanwhile?.(tag, () => signal.aborted || !this.#asking.has(tag))
    })
  }

  #begin(question: Question, asking: Asking): number {
    if (this.#fault !== undefined) throw again(this.#fault)
    this.#lastTag = (this.#lastTag + 1) % 2 ** 32
    const tag = this.#lastTag
    const frame = requests.encode({ ...question, tag } as Request)
    this.#asking.set(tag, asking)
    void this.#stream.write(frame)
    return tag
  }

  async #read(): Promise<void> {
    try {
      for await (const frame of this.#stream.read()) this.#hear(answers.decode(frame))
      this.close()
    } catch (error) {
      this.close(isAlliumError(error) ? error : lost(error))
    }
  }

  #hear(answer: Answer): void {
    const asking = this.#asking.get(answer.tag)
    if (asking === undefined) throw badFrame("it answers what nobody asked")
    if (asking.hear(answer)) this.#asking.delete(answer.tag)
  }
}

/** Hears until there is a result or a failure. */
function listenOnce<T>(
  hear: (answer: Answer) => Result<T> | undefined,
  resolve: (result: T) => void,
  reject: (error: AlliumError) => void,
) {
  let atEnd = () => {}
  const asking: Asking = {
    hear(answer) {
      const heard = answer.kind === "failed" ? failureOf(answer.code) : hear(answer)
      if (heard === undefined) return false
      atEnd()
      if (heard instanceof AlliumError) reject(heard)
      else resolve(heard.result)
      return true
    },
    fail(error) {
      atEnd()
      reject(error)
    },
  }
  return Object.assign(asking, { finally: (run: () => void) => (atEnd = run) })
}

function busy(): AlliumError {
  return new AlliumError("BUSY", "Cannot ask mailbox: too many questions wait for an answer")
}

/** A fresh error for each caller, so that its stack is the caller's. */
function again(error: AlliumError): AlliumError {
  return new AlliumError(error.code, error.message, { cause: error })
}

/**
 * One subscription as its reader sees it: envelopes in order, never more on their way than were asked for.
 *
 * @module
 */

import type { AlliumError } from "../../base/errors.ts"
import { Queue } from "../../base/queue.ts"
import type { Asking, ClientLine } from "./client-line.ts"
import { badFrame } from "./fields.ts"
import { CREDIT_FIRST, CREDIT_MAX, CREDIT_POOL_MAX } from "./limits.ts"
import type { MailCall, StoredEnvelope } from "./mailbox.ts"
import { type Answer, failureOf } from "./wire.ts"

/** Credit beyond the first, which all subscriptions of one client share. */
export class CreditPool {
  #free = CREDIT_POOL_MAX

  /** Takes at most so much; gives what there was. */
  take(want: number): number {
    const taken = Math.min(want, this.#free)
    this.#free -= taken
    return taken
  }

  /** Gives it back. */
  release(credit: number): void {
    this.#free += credit
  }
}

/** Envelopes after `after`, until the signal aborts; fails as the line does. */
export async function* subscribeOver(
  line: ClientLine,
  pool: CreditPool,
  from: { receiveId: Uint8Array; after: number },
  { signal }: MailCall,
): AsyncGenerator<StoredEnvelope, void> {
  if (signal.aborted) return
  const subscription = new Subscription(line, pool, from)
  const stop = () => subscription.stop()
  signal.addEventListener("abort", stop, { once: true })
  try {
    for await (const stored of subscription.items) {
      if (signal.aborted) return
      subscription.taken()
      yield stored
    }
    if (subscription.fault !== undefined && !signal.aborted) throw subscription.fault
  } finally {
    signal.removeEventListener("abort", stop)
    stop()
  }
}

class Subscription implements Asking {
  readonly items = new Queue<StoredEnvelope>(CREDIT_MAX)
  fault: AlliumError | undefined
  readonly #line: ClientLine
  readonly #pool: CreditPool
  readonly #tag: number
  /** Envelopes that may be on their way or unread when everything was asked for. */
  #window = CREDIT_FIRST
  /** Envelopes that were asked for and are not taken yet. */
  #open = CREDIT_FIRST
  /** Envelopes that may still come. */
  #credit = CREDIT_FIRST
  #last: number
  #stopped = false

  constructor(line: ClientLine, pool: CreditPool, from: { receiveId: Uint8Array; after: number }) {
    this.#line = line
    this.#pool = pool
    this.#last = from.after
    this.#tag = line.subscribe({ kind: "subscribe", ...from, credit: CREDIT_FIRST }, this)
  }

  hear(answer: Answer): boolean {
    if (answer.kind === "envelope") this.#arrive(answer)
    else if (answer.kind === "failed") this.#finish(failureOf(answer.code))
    else if (answer.kind === "done") this.#finish()
    else throw badFrame("it does not answer a subscription")
    return answer.kind !== "envelope"
  }

  fail(error: AlliumError): void {
    this.#finish(error)
  }

  /** The reader took one: asks for more when half of the window is used up. */
  taken(): void {
    this.#open--
    if (this.#stopped || this.#open > this.#window / 2) return
    const more = this.#pool.take(Math.min(this.#window, CREDIT_MAX - this.#window))
    this.#window += more
    const credit = this.#window - this.#open
    this.#open += credit
    this.#credit += credit
    void this.#line.send({ kind: "more", tag: this.#tag, credit })
  }

  /** Wants no more. */
  stop(): void {
    if (this.#stopped) return
    this.#finish()
    void this.#line.send({ kind: "cancel", tag: this.#tag })
  }

  #arrive({ number, envelope }: StoredEnvelope): void {
    if (this.#credit-- <= 0) throw badFrame("more envelopes came than were asked for")
    if (number <= this.#last) throw badFrame("envelopes come out of order")
    this.#last = number
    if (!this.#stopped) this.items.push({ number, envelope })
  }

  #finish(fault?: AlliumError): void {
    if (this.#stopped) return
    this.#stopped = true
    this.fault = fault
    this.#pool.release(this.#window - CREDIT_FIRST)
    this.items.end()
  }
}

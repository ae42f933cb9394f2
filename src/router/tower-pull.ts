/**
 * Empties one queue: each envelope is taken, then acknowledged; what could not be taken stays and comes again.
 *
 * @module
 */
import { Alarm } from "../base/alarm.ts"
import { openBackoff } from "../base/backoff.ts"
import type { Clock } from "../base/clock.ts"
import { isAlliumError } from "../base/errors.ts"
import { keepTrying } from "../base/keep-trying.ts"
import type { Chance } from "../base/random.ts"
import type { Mailbox } from "../mail/mailbox/mailbox.ts"
import type { QueueRecord } from "./tower-book.ts"

/** Our own disk is full, or a plugin does not run: waiting costs the tower nothing. */
const RETRY = { firstMs: 1_000, mostMs: 60_000, factor: 2 } as const

/** What pulling needs. */
export interface PullOptions {
  readonly queue: Pick<QueueRecord, "receiveId" | "peer">
  readonly mailbox: Mailbox
  /** On our disk when it resolves. */
  readonly take: (peer: string, envelope: Uint8Array) => Promise<unknown>
  /** Ends the pulling: the link is lost, or the queue is not ours any more. */
  readonly signal: AbortSignal
  readonly failed: (error: unknown) => void
  readonly clock: Clock
  readonly chance: Chance
}

/** Resolves to `gone` when the tower knows no such queue, otherwise when `signal` aborts. */
export async function pullQueue(options: PullOptions): Promise<"gone" | "ended"> {
  const { clock, chance, signal, failed } = options
  let fate: "gone" | "ended" = "ended"
  const attempt = async () => {
    try {
      await pullOnce(options)
      return "again" as const
    } catch (error) {
      if (!isAlliumError(error, "NO_QUEUE")) throw error
      fate = "gone"
      return "done" as const
    }
  }
  const backoff = openBackoff({ ...RETRY, chance })
  await keepTrying(attempt, { clock, signal, backoff, alarm: new Alarm(), failed })
  return fate
}

async function pullOnce({ queue, mailbox, take, signal }: PullOptions): Promise<void> {
  const { receiveId, peer } = queue
  const receipts = new Receipts((upTo) => mailbox.acknowledge(receiveId, upTo, { signal }))
  for await (const { number, envelope } of mailbox.subscribe(receiveId, { after: 0 }, { signal })) {
    await take(peer, envelope)
    receipts.upTo(number)
  }
  await receipts.done()
}

/** One acknowledgement on its way at a time; the next one is for all that came meanwhile. */
class Receipts {
  readonly #tell: (upTo: number) => Promise<void>
  #wanted = 0
  #told = 0
  #telling: Promise<void> | undefined

  constructor(tell: (upTo: number) => Promise<void>) {
    this.#tell = tell
  }

  upTo(number: number): void {
    this.#wanted = Math.max(this.#wanted, number)
    this.#telling ??= this.#run().finally(() => {
      this.#telling = undefined
    })
    // Lost with the link: the envelope comes again, and is known then.
    this.#telling.catch(() => {})
  }

  async done(): Promise<void> {
    await this.#telling
  }

  async #run(): Promise<void> {
    while (this.#told < this.#wanted) {
      const next = this.#wanted
      await this.#tell(next)
      this.#told = next
    }
  }
}

/**
 * Contact notices on their way: each goes out until it is answered, over restarts.
 *
 * @module
 */
import { z } from "zod"
import { Alarm } from "../base/alarm.ts"
import { openBackoff } from "../base/backoff.ts"
import type { Clock } from "../base/clock.ts"
import { toAlliumError } from "../base/errors.ts"
import { keepTrying } from "../base/keep-trying.ts"
import type { Log } from "../base/log.ts"
import type { Chance } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { doorShape } from "../identity/doors.ts"
import type { Change, StoreRoom, Table } from "../store/store.ts"
import { GREETING_CHARACTERS_MAX } from "./contact-wire.ts"
import { introductionShape } from "./introduction-letters.ts"

/** An away peer is asked about every five minutes. */
const RETRY = { firstMs: 3_000, mostMs: 300_000, factor: 1.5 } as const

const noticeShape = z.object({
  identityKey: z.string(),
  contactKey: z.string(),
  /** Kept here too: a contact we refused is in no book any more. */
  address: z.string(),
  kind: z.enum(["request", "accept", "refuse"]),
  greeting: z.string().max(GREETING_CHARACTERS_MAX),
  /** What we call ourselves to them. */
  ownName: z.string().max(64).optional(),
  /** Which of their cards we have; the plain one when absent. */
  door: doorShape.optional(),
  /** What a mutual contact signed. */
  introduction: introductionShape.optional(),
})
/** A notice that has not been answered yet. */
export type PendingNotice = z.output<typeof noticeShape>

/** Whom a notice is for, and from whom; the newest of a pair counts. */
export type NoticePair = Pick<PendingNotice, "identityKey" | "contactKey">

/** What the post stands on. */
export interface NoticePostOptions {
  readonly store: StoreRoom
  /** Brings one notice to its peer and applies the answer; called again until it resolves. */
  readonly deliver: (notice: PendingNotice, signal: AbortSignal) => Promise<void>
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

/** The notices of all identities. */
export class NoticePost implements AsyncDisposable {
  readonly #options: NoticePostOptions
  readonly #table: Table<PendingNotice>
  readonly #scope = new Scope()
  /** What goes out now: a newer notice ends the older one. */
  readonly #sending = new Map<string, AbortController>()

  constructor(options: NoticePostOptions) {
    this.#options = options
    this.#table = options.store.table("contact-notices", noticeShape)
  }

  /** Sends what was not answered before the last end. */
  async resume(): Promise<void> {
    for await (const [, notice] of this.#table.entries()) this.start(notice)
  }

  /** Keeps a notice; to be committed together with what it tells of. */
  keep(notice: PendingNotice): Change {
    return this.#table.put(placeOf(notice), notice)
  }

  /** Drops a notice; to be committed together with its reason. */
  drop(pair: NoticePair): Change {
    return this.#table.remove(placeOf(pair))
  }

  /** Ends sending; what is kept stays kept. */
  stop(pair: NoticePair): void {
    this.#sending.get(placeOf(pair))?.abort()
    this.#sending.delete(placeOf(pair))
  }

  /** Begins sending a kept notice. */
  start(notice: PendingNotice): void {
    this.stop(notice)
    const abort = new AbortController()
    this.#sending.set(placeOf(notice), abort)
    const signal = AbortSignal.any([abort.signal, this.#scope.signal])
    this.#send(notice, signal).catch((thrown: unknown) => {
      if (!signal.aborted) this.#tell("notice.ended", thrown)
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.close()
  }

  async #send(notice: PendingNotice, signal: AbortSignal): Promise<void> {
    const { clock, chance, deliver, store } = this.#options
    const attempt = async () => {
      await deliver(notice, signal)
      if (!signal.aborted) await store.commit([this.drop(notice)])
      return "done" as const
    }
    await keepTrying(attempt, {
      clock,
      signal,
      backoff: openBackoff({ ...RETRY, chance }),
      alarm: new Alarm(),
      failed: (thrown) => this.#tell("notice.failed", thrown),
    })
  }

  #tell(event: string, thrown: unknown): void {
    this.#options.log.debug(`contact.${event}`, { code: toAlliumError(thrown).code })
  }
}

function placeOf({ identityKey, contactKey }: NoticePair): string {
  return `${identityKey}/${contactKey}`
}

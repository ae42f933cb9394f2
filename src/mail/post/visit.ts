/**
 * One visit at a mailbox: what is due is put there, several envelopes at once, and what comes to be due while it is open.
 *
 * @module
 */
import type { Alarm } from "../../base/alarm.ts"
import { AlliumError } from "../../base/errors.ts"
import { type PutAnswer, QUEUE_ID_BYTES } from "../mailbox/mailbox.ts"
import { hasSession, replacePlace } from "./begin.ts"
import type { Cargo } from "./cargo.ts"
import type { Correspondent } from "./correspondent.ts"
import type { Putting } from "./options.ts"
import type { Sealed } from "./outgoing.ts"
import type { PlaceChoice } from "./places.ts"
import type { Place } from "./post.ts"

/** Envelopes on their way to a mailbox at once: what one round trip of several seconds can carry. */
const PUTS_MAX = 32
/** A mailbox is kept open so long when there is nothing to put, for the next letter. */
const LINGER_MS = 20_000

/** What a visit shares with its courier. */
export interface VisitTools {
  readonly it: Correspondent
  readonly cargo: Cargo
  readonly choice: PlaceChoice
  /** Rung when something may have become due. */
  readonly alarm: Alarm
  readonly signal: AbortSignal
  /** Whether the courier has something else to do. */
  readonly isCalled: () => boolean
}

/** See the module. Does not own the mailbox. */
export class Visit {
  readonly #tools: VisitTools
  readonly #mailbox: Putting
  readonly #place: Place

  constructor(tools: VisitTools, mailbox: Putting, place: Place) {
    this.#tools = tools
    this.#mailbox = mailbox
    this.#place = place
  }

  /** Puts what is due, several envelopes at once, until nothing came for a while. */
  async carry(): Promise<void> {
    const leaving = new Set<Promise<void>>()
    const faults: unknown[] = []
    while (faults.length === 0) {
      const next = leaving.size < PUTS_MAX ? await this.#tools.cargo.next(this.#place) : undefined
      if (next !== undefined) this.#leave(leaving, faults, this.#put(next))
      else if (leaving.size > 0)
        await this.#tools.alarm.wait({
          signal: this.#tools.signal,
          clock: this.#tools.it.options.clock,
        })
      else if (!(await this.#linger())) return
    }
    await Promise.all(leaving)
    await this.#tools.cargo.settle(this.#place)
    throw faults[0]
  }

  #leave(leaving: Set<Promise<void>>, faults: unknown[], put: Promise<void>): void {
    const tracked = put
      .catch((error: unknown) => void faults.push(error))
      .finally(() => {
        leaving.delete(tracked)
        this.#tools.alarm.ring()
      })
    leaving.add(tracked)
  }

  async #put(sealed: Sealed): Promise<void> {
    const { key, id, envelope } = sealed
    try {
      const place = this.#place
      const sendId = place.kind === "tower" ? place.sendId : new Uint8Array(QUEUE_ID_BYTES)
      const answer = await this.#mailbox.put(
        { sendId, id, envelope },
        { signal: this.#tools.signal },
      )
      await this.#hear(answer, key)
    } finally {
      this.#tools.cargo.stayed(key)
    }
  }

  async #hear(answer: PutAnswer, key: number): Promise<void> {
    const { options, peer } = this.#tools.it
    const place = this.#place
    if (answer.kind === "ok" || answer.kind === "duplicate") {
      this.#tools.choice.worked(place)
      return this.#tools.cargo.arrived(key, place)
    }
    if (answer.kind === "full") options.told?.(peer, "full")
    if (answer.kind === "gone") await replacePlace(this.#tools.it, place, answer.moved)
    throw new AlliumError("MAILBOX_FULL", `Cannot put envelope: the mailbox says ${answer.kind}`)
  }

  /** Whether there is something to put again before the mailbox is closed. */
  async #linger(): Promise<boolean> {
    const { clock } = this.#tools.it.options
    const endMs = clock.monotonicMs() + LINGER_MS
    for (;;) {
      await this.#tools.cargo.settle(this.#place)
      if (!hasSession(this.#tools.it)) return false
      if (this.#tools.cargo.hasDue(this.#place)) return true
      const atMostMs = Math.min(endMs - clock.monotonicMs(), this.#tools.cargo.waitMs())
      if (atMostMs <= 0 || this.#tools.isCalled() || this.#hasBetter()) return false
      await this.#tools.alarm.wait({ signal: this.#tools.signal, clock, atMostMs })
    }
  }

  /** Whether another place than this would be chosen now. */
  #hasBetter(): boolean {
    const { places } = this.#tools.it.memory.theirs
    const best = this.#tools.choice.choose(places, this.#tools.cargo.staleAt)
    return best?.kind === "self" && this.#place.kind !== "self"
  }
}

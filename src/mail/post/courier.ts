/**
 * The courier of one correspondent: begins sessions, seals what waits, and puts it where it can, until it is acknowledged.
 *
 * Runs while there is something to do. It is woken by a new letter, by what comes from them, and when they may be reachable;
 * otherwise it tries again by itself, at longer and longer intervals.
 *
 * @module
 */
import { Alarm } from "../../base/alarm.ts"
import { type Backoff, openBackoff } from "../../base/backoff.ts"
import { AlliumError, toAlliumError } from "../../base/errors.ts"
import { type PutAnswer, QUEUE_ID_BYTES } from "../mailbox/mailbox.ts"
import { handOverAll } from "./arrival.ts"
import { beginSession, mayBegin, refresh, replacePlace, tellOfUs, waitsForAnswer } from "./begin.ts"
import { Cargo } from "./cargo.ts"
import type { Correspondent } from "./correspondent.ts"
import type { Putting } from "./options.ts"
import type { Sealed } from "./outgoing.ts"
import { PlaceChoice } from "./places.ts"
import type { Place } from "./post.ts"
import { preferred } from "./sessions.ts"
import { within } from "./within.ts"

/** Envelopes on their way to a mailbox at once: what one round trip of several seconds can carry. */
const PUTS_MAX = 32
/** A mailbox is kept open so long when there is nothing to put, for the next letter. */
const LINGER_MS = 20_000
/** How long to try their own mailbox when there is a tower, too. */
const SELF_PATIENCE_MS = 10_000
/** First wait after something failed that no place is to blame for. */
const RETRY_FIRST_MS = 2_000
/** Longest such wait. */
const RETRY_MOST_MS = 5 * 60_000
/** Where to put for somebody who did not say. */
const SELF: Place = { kind: "self" }

/** See the module. */
export class Courier {
  readonly #it: Correspondent
  readonly #signal: AbortSignal
  readonly #alarm = new Alarm()
  readonly #cargo: Cargo
  readonly #choice: PlaceChoice
  readonly #backoff: Backoff
  #running: Promise<void> | undefined
  /** Something of theirs opens with nothing of ours. */
  #anew = false
  /** Letters are whole that were not handed over. */
  #stuck = true
  /** They may be reachable: what lies at a tower is put directly, too. */
  #tryDirect = false
  /** Their own mailbox, while it is open. */
  #direct: Putting | undefined

  constructor(it: Correspondent, signal: AbortSignal) {
    this.#it = it
    this.#signal = signal
    this.#cargo = new Cargo(it)
    this.#choice = new PlaceChoice(it.options)
    const { chance } = it.options
    this.#backoff = openBackoff({ firstMs: RETRY_FIRST_MS, mostMs: RETRY_MOST_MS, chance })
  }

  /** Hands `deed` their own mailbox, if it can be had soon; nothing waits for it. */
  async useDirect(deed: (mailbox: Putting) => Promise<void>): Promise<void> {
    if (this.#direct !== undefined) return deed(this.#direct)
    if (!this.#it.memory.theirs.places.some(({ kind }) => kind === "self")) return
    await using mailbox = await this.#open(SELF, true)
    await deed(mailbox)
  }

  /** Aborts when the courier is to end. */
  get signal(): AbortSignal {
    return this.#signal
  }

  /** Resolves when it rests. */
  get running(): Promise<void> | undefined {
    return this.#running
  }

  /** Something may have to be done. */
  wake(): void {
    this.#alarm.ring()
    if (this.#it.isBusy || this.#anew) this.#running ??= this.#run()
  }

  /** They may be reachable now. */
  retry(): void {
    this.#choice.reset()
    this.#backoff.reset()
    this.#tryDirect = true
    this.wake()
  }

  /** What came cannot be opened: a new session is needed. */
  beginAnew(): void {
    if (mayBegin(this.#it) && !waitsForAnswer(this.#it)) this.#anew = true
    this.wake()
  }

  /** What an envelope brought. */
  arrived(news: { progress: boolean; stuck: boolean }): void {
    if (news.progress) this.#cargo.progress()
    if (news.stuck) this.#stuck = true
    this.wake()
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#it.options
    while ((this.#it.isBusy || this.#anew) && !this.#signal.aborted) {
      let waitMs: number
      try {
        waitMs = await this.#round()
      } catch (error) {
        if (this.#signal.aborted) break
        log.debug("courier.again", { code: toAlliumError(error).code })
        waitMs = this.#backoff.next()
      }
      await this.#rest(waitMs, clock)
    }
    this.#running = undefined
  }

  async #rest(waitMs: number, clock: Correspondent["options"]["clock"]): Promise<void> {
    if (waitMs <= 0) return
    const bound = Number.isFinite(waitMs) ? { atMostMs: waitMs } : {}
    try {
      await this.#alarm.wait({ signal: this.#signal, clock, ...bound })
    } catch (error) {
      if (!this.#signal.aborted) throw error
    }
  }

  /** Does what can be done now. @returns Milliseconds after which there may be more. */
  async #round(): Promise<number> {
    await this.#handOver()
    if (this.#anew) await this.#begin()
    if (!this.#cargo.hasDue(this.#tryDirect ? SELF : undefined)) return this.#cargo.waitMs()
    if (this.#session === undefined) await this.#begin()
    await tellOfUs(this.#it)
    const { places } = this.#it.memory.theirs
    const known = places.length > 0 ? places : [SELF]
    const place = this.#choice.choose(known, this.#cargo.staleAt)
    this.#tryDirect = false
    if (place === undefined) return this.#choice.waitMs(known)
    await this.#visit(place, known.length > 1)
    return 0
  }

  get #session() {
    return preferred(this.#it.memory.sessions, this.#it.memory.state)
  }

  async #handOver(): Promise<void> {
    if (!this.#stuck) return
    this.#stuck = await this.#it.turn(() => handOverAll(this.#it))
    if (this.#stuck) throw new AlliumError("BUSY", "Cannot hand over letter: it was not taken")
  }

  async #begin(): Promise<void> {
    if (this.#anew || this.#it.memory.theirs.bundle === undefined)
      await refresh(this.#it, { signal: this.#signal, atMostMs: SELF_PATIENCE_MS })
    await beginSession(this.#it)
    if (this.#anew) this.#it.options.told?.(this.#it.peer, "anew")
    this.#anew = false
  }

  /** A place that cannot be had is not tried again for a while. */
  async #visit(place: Place, hasOthers: boolean): Promise<void> {
    const { log } = this.#it.options
    try {
      await using mailbox = await this.#open(place, hasOthers)
      if (place.kind === "self") this.#direct = mailbox
      await this.#carry(mailbox, place)
    } catch (error) {
      this.#choice.failed(place)
      log.debug("courier.place", { code: toAlliumError(error).code, self: place.kind === "self" })
    } finally {
      this.#direct = undefined
    }
  }

  #open(place: Place, hasOthers: boolean): Promise<Putting> {
    const { reach, clock } = this.#it.options
    if (place.kind !== "self" || !hasOthers)
      return reach(this.#it.peer, place, { signal: this.#signal })
    const bound = { atMostMs: SELF_PATIENCE_MS, signal: this.#signal, clock }
    return within(bound, (signal) => reach(this.#it.peer, place, { signal }))
  }

  /** Puts what is due, several envelopes at once, until nothing came for a while. */
  async #carry(mailbox: Putting, place: Place): Promise<void> {
    const leaving = new Set<Promise<void>>()
    const faults: unknown[] = []
    while (faults.length === 0) {
      const next = leaving.size < PUTS_MAX ? await this.#cargo.next(place) : undefined
      if (next !== undefined) this.#leave(leaving, faults, this.#put(mailbox, place, next))
      else if (leaving.size > 0)
        await this.#alarm.wait({ signal: this.#signal, clock: this.#it.options.clock })
      else if (!(await this.#linger(place))) return
    }
    await Promise.all(leaving)
    await this.#cargo.settle(place)
    throw faults[0]
  }

  #leave(leaving: Set<Promise<void>>, faults: unknown[], put: Promise<void>): void {
    const tracked = put
      .catch((error: unknown) => void faults.push(error))
      .finally(() => {
        leaving.delete(tracked)
        this.#alarm.ring()
      })
    leaving.add(tracked)
  }

  async #put(mailbox: Putting, place: Place, sealed: Sealed): Promise<void> {
    const { key, id, envelope } = sealed
    try {
      const sendId = place.kind === "tower" ? place.sendId : new Uint8Array(QUEUE_ID_BYTES)
      const answer = await mailbox.put({ sendId, id, envelope }, { signal: this.#signal })
      await this.#hear(answer, key, place)
    } finally {
      this.#cargo.stayed(key)
    }
  }

  async #hear(answer: PutAnswer, key: number, place: Place): Promise<void> {
    const { options, peer } = this.#it
    if (answer.kind === "ok" || answer.kind === "duplicate") {
      this.#choice.worked(place)
      this.#backoff.reset()
      return this.#cargo.arrived(key, place)
    }
    if (answer.kind === "full") options.told?.(peer, "full")
    if (answer.kind === "gone") await replacePlace(this.#it, place, answer.moved)
    throw new AlliumError("MAILBOX_FULL", `Cannot put envelope: the mailbox says ${answer.kind}`)
  }

  /** Whether there is something to put again before the mailbox is closed. */
  async #linger(place: Place): Promise<boolean> {
    const { clock } = this.#it.options
    const endMs = clock.monotonicMs() + LINGER_MS
    for (;;) {
      await this.#cargo.settle(place)
      if (this.#session === undefined) return false
      if (this.#cargo.hasDue(place)) return true
      const atMostMs = Math.min(endMs - clock.monotonicMs(), this.#cargo.waitMs())
      if (atMostMs <= 0 || this.#anew || this.#stuck || this.#isBetter(place)) return false
      await this.#alarm.wait({ signal: this.#signal, clock, atMostMs })
    }
  }

  /** Whether another place than this would be chosen now. */
  #isBetter(place: Place): boolean {
    const { places } = this.#it.memory.theirs
    const best = this.#choice.choose(places, this.#cargo.staleAt)
    return best?.kind === "self" && place.kind !== "self"
  }
}

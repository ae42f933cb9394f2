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
import { toAlliumError } from "../../base/errors.ts"
import type { Change } from "../../store/store.ts"
import {
  beginSession,
  hasSession,
  isOutdated,
  isRefused,
  mayBegin,
  refresh,
  tellOfUs,
  waitsForAnswer,
} from "./begin.ts"
import { Cargo } from "./cargo.ts"
import type { Correspondent } from "./correspondent.ts"
import { HandOver } from "./hand-over.ts"
import type { Putting } from "./options.ts"
import { PlaceChoice } from "./places.ts"
import type { OutLetter, Place } from "./post.ts"
import { Visit, type VisitTools } from "./visit.ts"
import { within } from "./within.ts"

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
  readonly #handOver: HandOver
  readonly #tools: VisitTools
  /** They may be reachable: what lies at a tower is put directly, too. */
  #tryDirect = false
  /** Their own mailbox, while it is open. */
  #direct: Putting | undefined
  #isVisiting = false

  constructor(it: Correspondent, signal: AbortSignal) {
    this.#it = it
    this.#signal = signal
    this.#cargo = new Cargo(it)
    this.#choice = new PlaceChoice(it.options)
    this.#handOver = new HandOver(it)
    const isCalled = () => this.#anew || this.#handOver.waitMs <= 0
    this.#tools = {
      ...{ it, signal, alarm: this.#alarm, cargo: this.#cargo, choice: this.#choice, isCalled },
    }
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

  /** Puts a letter into the outbox; while a mailbox is open it is sealed in the same commit, if that can be. */
  async send(letter: OutLetter, also: readonly Change[]): Promise<void> {
    const isSealed = this.#isVisiting && (await this.#cargo.sendSealed(letter, also))
    if (!isSealed) await this.#it.send(letter, also)
    this.wake()
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
    if (news.stuck) this.#handOver.stuck()
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
    await this.#handOver.run()
    return Math.min(await this.#deal(), this.#handOver.waitMs)
  }

  async #deal(): Promise<number> {
    if (this.#anew) await this.#begin()
    const isDue = isRefused(this.#it) || this.#cargo.hasDue(this.#tryDirect ? SELF : undefined)
    if (!isDue) return this.#cargo.waitMs()
    if (!hasSession(this.#it) || (isOutdated(this.#it) && mayBegin(this.#it))) await this.#begin()
    await tellOfUs(this.#it)
    const { places } = this.#it.memory.theirs
    const known = places.length > 0 ? places : [SELF]
    const place = this.#choice.choose(known, this.#cargo.staleAt)
    this.#tryDirect = false
    if (place === undefined) return this.#choice.waitMs(known)
    await this.#visit(place, known.length > 1)
    return 0
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
      this.#isVisiting = true
      await new Visit(this.#tools, mailbox, place).carry()
      this.#backoff.reset()
    } catch (error) {
      this.#choice.failed(place)
      log.debug("courier.place", { code: toAlliumError(error).code, self: place.kind === "self" })
    } finally {
      this.#direct = undefined
      this.#isVisiting = false
    }
  }

  #open(place: Place, hasOthers: boolean): Promise<Putting> {
    const { reach, clock } = this.#it.options
    if (place.kind !== "self" || !hasOthers)
      return reach(this.#it.peer, place, { signal: this.#signal })
    const bound = { atMostMs: SELF_PATIENCE_MS, signal: this.#signal, clock }
    return within(bound, (signal) => reach(this.#it.peer, place, { signal }))
  }
}

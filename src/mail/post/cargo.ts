/**
 * What one courier carries: envelopes in flight, where each was put, and when it is to be put again.
 *
 * @module
 */
import type { Clock } from "../../base/clock.ts"
import type { Change } from "../../store/store.ts"
import { hasSession } from "./begin.ts"
import type { Correspondent } from "./correspondent.ts"
import type { Draft } from "./draft.ts"
import type { Flying } from "./kept.ts"
import type { Entry, Scrolled } from "./outbox.ts"
import {
  cutAnew,
  hasUncut,
  isForAnother,
  owes,
  type Sealed,
  type SealParts,
  sealMore,
} from "./outgoing.ts"
import { nameOfPlace } from "./places.ts"
import type { OutLetter, Place } from "./post.ts"
import { covers, mergeRanges, type Range } from "./ranges.ts"
import { report } from "./reports.ts"

/** Unacknowledged for so long, an envelope is put once more, at the next place. */
const PATIENCE_FIRST_MS = 10 * 60_000
/** Longest such wait. */
const PATIENCE_MOST_MS = 6 * 3_600_000
/** Envelopes sealed in one commit. */
const SEAL_AT_ONCE = 16

interface Lying {
  readonly place: string
  readonly isTower: boolean
  /** By the monotonic clock. */
  readonly atMs: number
  /** Whether all this is on disk. */
  readonly isKept: boolean
}

/** See the module. */
export class Cargo {
  readonly #it: Correspondent
  readonly #clock: Clock
  /** By key: where it lies now. */
  readonly #puts = new Map<number, Lying>()
  /** By key: what was just sealed. */
  readonly #fresh = new Map<number, Uint8Array>()
  /** Keys of what is being put. */
  readonly #leaving = new Set<number>()
  #patienceMs = PATIENCE_FIRST_MS

  constructor(it: Correspondent) {
    this.#it = it
    this.#clock = it.options.clock
    for (const [key, { place, isTower, at }] of it.puts) {
      const agoMs = Math.max(0, this.#clock.now() - at)
      const atMs = this.#clock.monotonicMs() - agoMs
      this.#puts.set(key, { place, isTower, atMs, isKept: true })
    }
  }

  /** Whether something can be put at `place` now, or at any place. */
  hasDue(place?: Place): boolean {
    return this.#nextDue(place) !== undefined || this.#canSeal()
  }

  /** Milliseconds until something is due that is not yet. */
  waitMs(): number {
    const nowMs = this.#clock.monotonicMs()
    const deadlines = this.#flying().map((flying) => this.#deadlineMs(flying))
    if (owes(this.#it.memory)) deadlines.push(this.#it.dueMs)
    return Math.max(0, Math.ceil(Math.min(...deadlines) - nowMs))
  }

  /** Where the oldest envelope lies that nobody acknowledges. */
  get staleAt(): string | undefined {
    const nowMs = this.#clock.monotonicMs()
    const stale = this.#flying().find(
      (flying) => this.#puts.has(flying.key) && this.#deadlineMs(flying) <= nowMs,
    )
    return stale && this.#puts.get(stale.key)?.place
  }

  /** The next envelope for `place`; it is leaving until {@linkcode arrived} or {@linkcode stayed}. */
  async next(place: Place): Promise<Sealed | undefined> {
    const due = isForAnother(this.#it.memory) ? undefined : this.#nextDue(place)
    if (due === undefined) return this.#canSeal() ? this.#seal(place) : undefined
    this.#leaving.add(due.key)
    const envelope = this.#fresh.get(due.key) ?? (await this.#read(due.key))
    if (envelope !== undefined) return { ...due, envelope }
    this.#leaving.delete(due.key)
    await this.#it.alter(async (draft) => cutAnew(draft))
    return undefined
  }

  async #read(key: number): Promise<Uint8Array | undefined> {
    return (await this.#it.tables.flight.get(String(key)))?.envelope
  }

  async #seal(place: Place): Promise<Sealed | undefined> {
    const sealed = await this.#it.alter(async (draft) => {
      const withAcks = this.#it.dueMs <= this.#clock.monotonicMs()
      return sealMore(draft, this.#sealParts(this.#it.outbox), { most: SEAL_AT_ONCE, withAcks })
    })
    for (const { key, envelope } of sealed) this.#fresh.set(key, envelope)
    return sealed.length > 0 ? this.next(place) : undefined
  }

  /**
   * Writes a letter and the envelope that carries it in one commit, so that it need not wait for the disk twice. Only for a
   * calm moment: nobody changes anything, and all that was written before is cut.
   * @returns `false` when it is none; then nothing was done. @throws {AlliumError} `OUTBOX_FULL`; what `commit` says.
   */
  async sendSealed(letter: OutLetter, also: readonly Change[]): Promise<boolean> {
    const { memory, outbox } = this.#it
    if (this.#it.isChanging || outbox.isComing || hasUncut(memory, outbox)) return false
    if (!hasSession(this.#it) || isForAnother(memory)) return false
    // Both before anything is waited for: letters keep the order in which they were sent.
    const scroll = outbox.with(letter)
    const staged = outbox.stage(letter)
    const sealed = await this.#it.alter(async (draft) => {
      draft.stage(staged)
      draft.add(...also)
      return sealMore(draft, this.#sealParts(scroll), { most: 1, withAcks: false })
    })
    for (const { key, envelope } of sealed) this.#fresh.set(key, envelope)
    return true
  }

  #sealParts(outbox: Scrolled): SealParts {
    const { crypto, random } = this.#it.options
    return { crypto, random, outbox, nextKey: this.#it.nextKey }
  }

  /** It lies at `place`. */
  arrived(key: number, place: Place): void {
    const put = { place: nameOfPlace(place), isTower: place.kind === "tower" }
    if (this.#puts.has(key)) this.#patienceMs = Math.min(PATIENCE_MOST_MS, this.#patienceMs * 2)
    this.#puts.set(key, { ...put, atMs: this.#clock.monotonicMs(), isKept: false })
    this.#fresh.delete(key)
    this.#leaving.delete(key)
  }

  /** It could not be put. */
  stayed(key: number): void {
    this.#leaving.delete(key)
  }

  /** They acknowledge again. */
  progress(): void {
    this.#patienceMs = PATIENCE_FIRST_MS
  }

  /** Writes down what became of what was put. */
  async settle(place: Place): Promise<void> {
    const there = this.#it.memory.flight
    for (const key of [...this.#puts.keys(), ...this.#fresh.keys()])
      if (!there.has(key) && !this.#leaving.has(key)) this.#forget(key)
    if (!this.#hasNews()) return
    await this.#it.alter(async (draft) => {
      dropBare(draft, this.#puts)
      const { entries, end } = this.#newlyStored(draft)
      this.#keep(draft)
      if (entries.length === 0) return
      draft.state.stored = end
      await report(this.#it, draft, {
        entries,
        state: { kind: "stored", place: nameOfPlace(place) },
      })
    })
  }

  /** So that a restart puts nothing once more that lies well. */
  #keep(draft: Draft): void {
    for (const [key, put] of this.#puts) {
      if (put.isKept || !draft.flight.has(key)) continue
      const { place, isTower, atMs } = put
      const at = Math.floor(this.#clock.now() - (this.#clock.monotonicMs() - atMs))
      draft.add(draft.tables.puts.put(String(key), { place, isTower, at }))
      draft.after(() => this.#puts.set(key, { ...put, isKept: true }))
    }
  }

  #forget(key: number): void {
    this.#puts.delete(key)
    this.#fresh.delete(key)
  }

  #hasNews(): boolean {
    const bare = this.#flying().some(({ key, range }) => isBare(range) && this.#puts.has(key))
    return bare || this.#newlyStored(this.#it.memory).entries.length > 0
  }

  /** Letters all of which lies at towers, and that were not yet reported. */
  #newlyStored({ state, flight }: Pick<Draft, "state" | "flight">): {
    entries: Entry[]
    end: number
  } {
    const stored = [...flight.values()]
      .filter(({ key, range }) => !isBare(range) && this.#puts.get(key)?.isTower)
      .map(({ range }) => range)
    const there = mergeRanges([...stored, ...state.held])
    const entries: Entry[] = []
    let end = state.base
    for (const entry of this.#it.outbox.entries) {
      const range: Range = [end, end + entry.size]
      if (!covers(there, range)) break
      end += entry.size
      if (end > state.stored) entries.push(entry)
    }
    return { entries, end: Math.max(end, state.stored) }
  }

  #canSeal(): boolean {
    const { memory, outbox, dueMs } = this.#it
    if (isForAnother(memory) || hasUncut(memory, outbox)) return true
    return owes(memory) && dueMs <= this.#clock.monotonicMs()
  }

  #flying(): Flying[] {
    return [...this.#it.memory.flight.values()]
  }

  #nextDue(place: Place | undefined): Flying | undefined {
    const nowMs = this.#clock.monotonicMs()
    return this.#flying().find((flying) => {
      if (this.#leaving.has(flying.key)) return false
      if (this.#deadlineMs(flying) <= nowMs) return true
      return place?.kind === "self" && !isBare(flying.range) && this.#puts.get(flying.key)?.isTower
    })
  }

  #deadlineMs({ key, range }: Flying): number {
    const put = this.#puts.get(key)
    if (put === undefined) return 0
    return isBare(range) ? Number.POSITIVE_INFINITY : put.atMs + this.#patienceMs
  }
}

function isBare(range: Range): boolean {
  return range[0] === range[1]
}

/** Acknowledgements that lie somewhere are not waited for. */
function dropBare(draft: Draft, puts: ReadonlyMap<number, Lying>): void {
  const left = [...draft.flight].filter(([key, { range }]) => !isBare(range) || !puts.has(key))
  if (left.length < draft.flight.size) draft.flight = new Map(left)
}

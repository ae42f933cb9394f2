/**
 * Dials contacts until a link stands, and again when it is lost.
 *
 * After a restart others hold our old LeaseSet and reach nobody, for minutes; they can dial in again once the restarted side has
 * dialled them. So every router dials its contacts, at once and always: first those that somebody waits for and those it was in
 * touch with last, then the others, one after another, so that a thousand who are away cost little.
 *
 * @see docs/decisions/0003-both-sides-redial.md
 * @module
 */
import { Alarm } from "../base/alarm.ts"
import { type Backoff, openBackoff } from "../base/backoff.ts"
import type { Clock } from "../base/clock.ts"
import type { Chance } from "../base/random.ts"
import type { Slots } from "../base/turns.ts"
import type { Link } from "../link/link.ts"
import type { Session } from "../sam/session.ts"

/** First waits are short: a dial right after a restart often fails, and one of the next succeeds. */
const FIRST_WAIT_MS = 3_000
/** An away contact is asked for about every five minutes. */
const MOST_WAIT_MS = 300_000
/** Who was here within the hour may come back any moment, on a new machine too. */
const MOST_WAIT_AFTER_LOSS_MS = 45_000
const AFTER_LOSS_MS = 3_600_000
const WAIT_GROWTH = 1.5
/** Who is dialled at once and with short waits: those in touch last, and as many that are wanted. */
const NEAR_MAX = 32
/** Between two dials to the others: a thousand take 200 s, as long as an I2P router needs to look so many up. */
const PACE_MS = 200

/** Makes or finds the link. */
export type MakeLink = (call: { signal: AbortSignal }) => Promise<Link>

/** What {@linkcode Touch} stands on. */
export interface TouchOptions {
  readonly session: Session
  /** Dials at once, shared with other identities. */
  readonly dials: Slots
  /** Names of links, newest first: whom we were in touch with last. */
  readonly recent: () => readonly string[]
  readonly clock: Clock
  readonly chance: Chance
  /** Ends everything; the links stay. */
  readonly signal: AbortSignal
}

interface Peer {
  readonly name: string
  readonly link: MakeLink
  readonly backoff: Backoff
  /** Being dialled, or a link stands. */
  isBusy: boolean
  isWanted: boolean
  /** All by the monotonic clock. */
  dueMs: number
  triedMs: number
  lostMs: number
}

/** Keeps links to many peers of one session alive. */
export class Touch {
  readonly #options: TouchOptions
  readonly #peers = new Map<string, Peer>()
  readonly #alarm = new Alarm()
  #wantedCount = 0

  constructor(options: TouchOptions) {
    this.#options = options
    this.#run().catch(() => {}) // the session was closed, or the signal aborted
  }

  /** From now on; at once when the session is up. */
  keep(name: string, link: MakeLink): void {
    if (this.#peers.has(name)) return
    const { clock } = this.#options
    const times = { dueMs: clock.monotonicMs(), triedMs: -Infinity, lostMs: -Infinity }
    const backoff = this.#openBackoff()
    this.#peers.set(name, { name, link, backoff, isBusy: false, isWanted: false, ...times })
    this.#alarm.ring()
  }

  /** A link to them stands, whoever made it. */
  met(name: string): void {
    const peer = this.#peers.get(name)
    if (peer === undefined || peer.isBusy) return
    peer.dueMs = this.#options.clock.monotonicMs()
    this.#alarm.ring()
  }

  /** Not any more; a link that stands stays. */
  end(name: string): void {
    if (this.#peers.get(name)?.isWanted) this.#wantedCount--
    this.#peers.delete(name)
  }

  /** Names of those that are kept. */
  get names(): readonly string[] {
    return [...this.#peers.keys()]
  }

  /** Something waits for them: they are dialled soon, and with short waits until a link stands, unless too many are wanted. */
  want(name: string): void {
    const peer = this.#peers.get(name)
    if (peer === undefined || peer.isBusy) return
    if (!peer.isWanted) this.#wantedCount++
    peer.isWanted = true
    if (!this.#isNear(peer)) return
    const soonMs = Math.max(this.#options.clock.monotonicMs(), peer.triedMs + FIRST_WAIT_MS)
    if (soonMs >= peer.dueMs) return
    peer.dueMs = soonMs
    this.#alarm.ring()
  }

  async #run(): Promise<void> {
    const { session, clock, signal } = this.#options
    await session.ready({ signal })
    this.#arrange()
    const unwatch = session.watch(({ name }) => name === "up" && this.#arrange())
    try {
      while (!signal.aborted) {
        await session.ready({ signal })
        const next = this.#next()
        const atMostMs = (next?.dueMs ?? Infinity) - clock.monotonicMs()
        if (atMostMs <= 0) await this.#dialNext()
        else await this.#alarm.wait({ signal, clock, ...(atMostMs < Infinity && { atMostMs }) })
      }
    } finally {
      unwatch()
    }
  }

  /** The session has come up: everybody is worth a try, but not all at once. */
  #arrange(): void {
    const nowMs = this.#options.clock.monotonicMs()
    for (const [rank, peer] of this.#ranked().entries()) {
      peer.backoff.reset()
      peer.dueMs = nowMs + Math.max(0, rank - NEAR_MAX + 1) * PACE_MS
      this.#peers.delete(peer.name) // who is due at the same time goes in this order
      this.#peers.set(peer.name, peer)
    }
    this.#alarm.ring()
  }

  #ranked(): Peer[] {
    const recent = this.#options.recent()
    const places = new Map(recent.map((name, place) => [name, place]))
    const rank = ({ name, isWanted }: Peer) => (isWanted ? -1 : (places.get(name) ?? recent.length))
    return [...this.#peers.values()].sort((left, right) => rank(left) - rank(right))
  }

  /** Who is to be dialled next. */
  #next(): Peer | undefined {
    let next: Peer | undefined
    for (const peer of this.#peers.values())
      if (!peer.isBusy && peer.dueMs < (next?.dueMs ?? Infinity)) next = peer
    return next
  }

  /** Resolves when there was room for one more dial; who is dialled is chosen then. */
  #dialNext(): Promise<void> {
    const { dials, clock, signal } = this.#options
    return new Promise((resolve) => {
      const dialling = dials.take(
        async () => {
          const peer = this.#next()
          const isDue = peer !== undefined && peer.dueMs <= clock.monotonicMs()
          if (isDue) peer.isBusy = true
          resolve()
          if (isDue) await this.#dial(peer)
        },
        { signal },
      )
      dialling.catch(() => {}).finally(resolve)
    })
  }

  /** A failed dial is no news: who waits for this peer is told by the call that failed. */
  async #dial(peer: Peer): Promise<void> {
    peer.triedMs = this.#options.clock.monotonicMs()
    const link = await peer.link(this.#options).catch(() => undefined)
    if (link === undefined) return this.#later(peer)
    if (peer.isWanted && this.#peers.get(peer.name) === peer) this.#wantedCount--
    peer.isWanted = false
    peer.backoff.reset()
    const lost = () => {
      peer.lostMs = this.#options.clock.monotonicMs()
      this.#later(peer)
    }
    link.closed.then(lost, lost)
  }

  #later(peer: Peer): void {
    const nowMs = this.#options.clock.monotonicMs()
    const isFresh = nowMs - peer.lostMs < AFTER_LOSS_MS
    const mostMs = isFresh ? MOST_WAIT_AFTER_LOSS_MS : MOST_WAIT_MS
    const ownMs = Math.min(peer.backoff.next(), mostMs)
    const roundMs = this.#isNear(peer) ? 0 : this.#peers.size * PACE_MS
    peer.dueMs = nowMs + Math.max(ownMs, roundMs)
    peer.isBusy = false
    this.#alarm.ring()
  }

  #isNear({ name, isWanted }: Peer): boolean {
    if (isWanted && this.#wantedCount <= NEAR_MAX) return true
    return this.#options.recent().slice(0, NEAR_MAX).includes(name)
  }

  #openBackoff(): Backoff {
    const { chance } = this.#options
    const bounds = { firstMs: FIRST_WAIT_MS, mostMs: MOST_WAIT_MS, factor: WAIT_GROWTH }
    return openBackoff({ ...bounds, chance })
  }
}

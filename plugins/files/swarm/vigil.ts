/**
 * How long one stream has been silent, in which direction, and when that is too long.
 *
 * @module
 */
import type { PeerEnd } from "./types.ts"

/** For the handshake; one round trip, which inside I2P may take long. */
const SHAKE_MS = 60_000
/** Between two things we say; I2PSnark closes after 240 s. */
const KEEP_ALIVE_MS = 100_000
/** …to a node of our own that waits for blocks: so that it knows that the stream is alive. */
const SIGN_OF_LIFE_MS = 8_000
/** Nothing was heard: the peer is gone. Others do the same. */
const IDLE_MS = 240_000
/** Nothing was heard of a node of our own, though it owes blocks: the stream is dead, not the node. */
const STALL_MS = 25_000
/** It takes nothing of what we send. */
const UNREAD_MS = 240_000
/** Both have everything, or nobody wants anything: last words have arrived by then. */
const DONE_MS = 10_000
/** We have everything, and it wants nothing. */
const UNWANTED_MS = 300_000

/** What is known of the stream at the moment. */
export interface StreamFacts {
  readonly isShaken: boolean
  readonly isOwn: boolean
  /** Blocks asked for and not here, while it serves us. */
  readonly out: number
  /** Blocks it waits for. */
  readonly owed: number
  readonly isBlocked: boolean
  /** Both have everything. */
  readonly isDone: boolean
  /** We have everything and it wants nothing. */
  readonly isUnwanted: boolean
}

/** Times in milliseconds of a clock that does not jump. */
export class Vigil {
  readonly #openedAt: number
  #heardAt: number
  #saidAt: number
  /** Since when something is as it is; `undefined` while it is not. */
  readonly #since = new Map<keyof StreamFacts, number>()

  constructor(now: number) {
    this.#openedAt = this.#heardAt = this.#saidAt = now
  }

  heard(now: number): void {
    this.#heardAt = now
  }

  said(now: number): void {
    this.#saidAt = now
  }

  /** The stream is so old. */
  ageMs(now: number): number {
    return now - this.#openedAt
  }

  /** Silent for so long. */
  silentMs(now: number): number {
    return now - this.#heardAt
  }

  /** Time for a word, so that the peer does not think we are gone. */
  needsWord({ isOwn, owed }: StreamFacts, now: number): boolean {
    const every = isOwn && owed > 0 ? SIGN_OF_LIFE_MS : KEEP_ALIVE_MS
    return now - this.#saidAt >= every
  }

  /** Why the stream is to be ended; call it about once a second. */
  verdict(facts: StreamFacts, now: number): PeerEnd | undefined {
    if (!facts.isShaken) return now - this.#openedAt >= SHAKE_MS ? "silent" : undefined
    const owes = this.#lasts("out", facts.out > 0, now)
    const silentMs = this.silentMs(now)
    if (facts.isOwn && Math.min(owes, silentMs) >= STALL_MS) return "stalled"
    if (silentMs >= IDLE_MS) return "silent"
    if (this.#lasts("isBlocked", facts.isBlocked, now) >= UNREAD_MS) return "slow"
    if (this.#lasts("isDone", facts.isDone, now) >= DONE_MS) return "done"
    if (this.#lasts("isUnwanted", facts.isUnwanted, now) >= UNWANTED_MS) return "done"
    return undefined
  }

  #lasts(what: keyof StreamFacts, is: boolean, now: number): number {
    if (!is) {
      this.#since.delete(what)
      return 0
    }
    const since = this.#since.get(what) ?? now
    this.#since.set(what, since)
    return now - since
  }
}

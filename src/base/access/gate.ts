/**
 * The gate of a server: who may come in, how many at a time, how often and how much.
 *
 * Peers are named by their destination's hash. That costs an attacker nothing to change, so every bound for one peer
 * stands beside one for all, and part of the room is kept for those who have been here before.
 *
 * @module
 */
import type { Clock } from "../clock.ts"
import { AlliumError } from "../errors.ts"
import type { AccessFilter } from "./access-filter.ts"
import { PairedBuckets, type RatePair } from "./buckets.ts"

/** Bounds of a {@linkcode Gate}; a rate that is not given does not bound. */
export interface GateLimits {
  /** At a time, of all. */
  readonly connectionsMax: number
  readonly connectionsPerPeerMax: number
  readonly connections?: RatePair
  readonly requests?: RatePair
  /** Requests that bring something: POST, PUT, PATCH, DELETE. */
  readonly posts?: RatePair
  /** Both directions together. */
  readonly bytes?: RatePair
  /** How long a peer that posts too often stays out, in milliseconds. */
  readonly postBanMs?: number
}

/** Lists of names besides the filter. */
export interface GateLists {
  /** Only these; everybody when empty. */
  readonly allow: ReadonlySet<string>
  readonly deny: ReadonlySet<string>
}

/** Why somebody stays out. */
export interface Refusal {
  /** `ACCESS_DENIED`, `TOO_MANY_REQUESTS` or `BUSY`. */
  readonly error: AlliumError
  /** When it is worth trying again. */
  readonly waitMs?: number
}

/** This share of all places is for who has been let in for a while, or stands in a list. */
const KNOWN_SHARE = 1 / 4
/** Who came first so long ago is known. */
const KNOWN_AFTER_MS = 60_000
/** Peers remembered as known, and peers banned; the oldest are forgotten first. */
const REMEMBERED_MAX = 4_096

/** Counts who is inside. */
export class Gate {
  readonly #limits: GateLimits
  readonly #lists: GateLists
  readonly #filter: AccessFilter
  readonly #clock: Pick<Clock, "monotonicMs">
  readonly #connections: PairedBuckets
  readonly #requests: PairedBuckets
  readonly #posts: PairedBuckets
  readonly #bytes: PairedBuckets
  readonly #inside = new Map<string, number>()
  /** When each was let in first. */
  readonly #since = new Map<string, number>()
  readonly #bannedUntil = new Map<string, number>()
  #count = 0

  constructor(options: {
    limits: GateLimits
    lists: GateLists
    filter: AccessFilter
    clock: Pick<Clock, "monotonicMs">
  }) {
    const { limits } = options
    this.#limits = limits
    this.#lists = options.lists
    this.#filter = options.filter
    this.#clock = options.clock
    this.#connections = new PairedBuckets(limits.connections)
    this.#requests = new PairedBuckets(limits.requests)
    this.#posts = new PairedBuckets(limits.posts)
    this.#bytes = new PairedBuckets(limits.bytes)
  }

  /** Connections inside. */
  get count(): number {
    return this.#count
  }

  /** Lets a connection in (`undefined`; it must {@linkcode leave}), or says why not. */
  enter(peer: string): Refusal | undefined {
    const nowMs = this.#clock.monotonicMs()
    const refusal =
      this.#listed(peer, nowMs) ??
      this.#crowded(peer, nowMs) ??
      lack(this.#connections.lacks(peer, nowMs), "connections") ??
      lack(this.#bytes.lacks(peer, nowMs), "bytes")
    if (refusal !== undefined) return refusal
    this.#connections.charge(peer, nowMs)
    this.#inside.set(peer, (this.#inside.get(peer) ?? 0) + 1)
    this.#count += 1
    if (!this.#since.has(peer)) remember(this.#since, peer, nowMs)
    return undefined
  }

  /** One connection of this peer has ended. */
  leave(peer: string): void {
    const own = this.#inside.get(peer) ?? 0
    if (own <= 1) this.#inside.delete(peer)
    else this.#inside.set(peer, own - 1)
    this.#count -= 1
  }

  /** Takes one request, or says why not. A post too many bans the peer for a while. */
  request(peer: string, isPost: boolean): Refusal | undefined {
    const nowMs = this.#clock.monotonicMs()
    const refusal =
      this.#banned(peer, nowMs) ??
      lack(this.#requests.lacks(peer, nowMs), "requests") ??
      lack(this.#bytes.lacks(peer, nowMs), "bytes")
    if (refusal !== undefined) return refusal
    const post = isPost ? this.#posts.lacks(peer, nowMs) : undefined
    if (post?.of === "peer" && this.#limits.postBanMs !== undefined)
      this.ban(peer, this.#limits.postBanMs)
    if (post !== undefined) return this.#banned(peer, nowMs) ?? lack(post, "uploads")
    this.#requests.charge(peer, nowMs)
    if (isPost) this.#posts.charge(peer, nowMs)
    return undefined
  }

  /** Counts bytes that moved; `false` when the peer, or all together, have used up theirs. */
  moved(peer: string, byteCount: number): boolean {
    const nowMs = this.#clock.monotonicMs()
    this.#bytes.charge(peer, nowMs, byteCount)
    return this.#bytes.lacks(peer, nowMs) === undefined
  }

  /** Keeps a peer out for `ms`. */
  ban(peer: string, ms: number): void {
    remember(this.#bannedUntil, peer, this.#clock.monotonicMs() + ms)
  }

  #listed(peer: string, nowMs: number): Refusal | undefined {
    const { allow, deny } = this.#lists
    const isIn = !deny.has(peer) && (allow.size === 0 || allow.has(peer))
    if (!isIn || !this.#filter.admits(peer, nowMs)) return { error: denied() }
    return this.#banned(peer, nowMs)
  }

  #banned(peer: string, nowMs: number): Refusal | undefined {
    const waitMs = (this.#bannedUntil.get(peer) ?? nowMs) - nowMs
    if (waitMs > 0) return { error: tooMany("uploads"), waitMs }
    this.#bannedUntil.delete(peer)
    return undefined
  }

  #crowded(peer: string, nowMs: number): Refusal | undefined {
    const { connectionsMax, connectionsPerPeerMax } = this.#limits
    if ((this.#inside.get(peer) ?? 0) >= connectionsPerPeerMax)
      return { error: tooMany("connections") }
    const share = this.#isKnown(peer, nowMs) ? 1 : 1 - KNOWN_SHARE
    return this.#count >= Math.max(1, Math.floor(connectionsMax * share))
      ? { error: busy() }
      : undefined
  }

  #isKnown(peer: string, nowMs: number): boolean {
    const sinceMs = this.#since.get(peer)
    const isOld = sinceMs !== undefined && nowMs - sinceMs >= KNOWN_AFTER_MS
    return isOld || this.#lists.allow.has(peer) || this.#filter.favours(peer)
  }
}

function remember(map: Map<string, number>, peer: string, value: number): void {
  map.delete(peer)
  map.set(peer, value)
  if (map.size > REMEMBERED_MAX) map.delete(map.keys().next().value!)
}

function lack(
  found: { of: "peer" | "all"; waitMs: number } | undefined,
  what: string,
): Refusal | undefined {
  if (found === undefined) return undefined
  return { error: found.of === "peer" ? tooMany(what) : busy(), waitMs: found.waitMs }
}

function denied(): AlliumError {
  return new AlliumError("ACCESS_DENIED", "Cannot let you in: your address is not admitted")
}

function tooMany(what: string): AlliumError {
  return new AlliumError("TOO_MANY_REQUESTS", `Cannot answer: too many ${what} from your address`)
}

function busy(): AlliumError {
  return new AlliumError("BUSY", "Cannot answer: too many people are asking")
}

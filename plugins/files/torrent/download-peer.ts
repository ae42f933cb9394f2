/**
 * One peer as the download sees it: what it has, what it was asked for, and how it behaves.
 *
 * @module
 */
import { AlliumError } from "allium/plugin"
import { Bitfield } from "./bitfield.ts"
import { REQUESTS_UNKNOWN } from "./extended.ts"
import { RequestDepth, type RequestStamp } from "./request-depth.ts"

/** Blocks that may still come although nobody waits for them: cancelled, or given up. */
const LATE_MAX = 512
/** Blocks nobody asked for, before the peer is one who floods. */
const UNASKED_MAX = 64
/** Silence while blocks are asked for, before they are asked of others. */
const SILENCE_MS = 60_000
/** A request nobody answers, though others are answered. */
const REQUEST_PATIENCE_MS = 120_000

/** Kept from joining to leaving. */
export class DownloadPeer {
  readonly id: string
  readonly depth: RequestDepth
  /** By number of the block in the torrent, in the order they were sent. */
  readonly requests = new Map<number, RequestStamp>()
  readonly pieces: Bitfield
  /** Has every piece; not counted when pieces are ranked. */
  isSeed = false
  hasSaid = false
  isChoking = true
  /** Pieces it has and we want. */
  useful = 0
  /** Those of them that nobody has begun. */
  fresh = 0
  /** Requests it bears. */
  requestsMax = REQUESTS_UNKNOWN
  /** It was silent too long: one block at a time until it sends again. */
  isSnubbed = false
  #lastBlockAt = Number.NEGATIVE_INFINITY
  readonly #late = new Set<number>()
  #unasked = 0

  constructor(id: string, pieceCount: number, first?: number) {
    this.id = id
    this.depth = new RequestDepth(first)
    this.pieces = new Bitfield(pieceCount)
  }

  /** How many more blocks it may be asked for. */
  room(now: number): number {
    if (this.isChoking) return 0
    const bearable = this.isSnubbed ? 1 : Math.min(this.requestsMax, this.depth.target(now))
    return bearable - this.requests.size
  }

  ask(block: number, now: number): void {
    this.#late.delete(block)
    this.requests.set(block, this.depth.sent(now))
  }

  /** Nobody waits for the block any more; it may come nevertheless. */
  drop(block: number): void {
    if (!this.requests.delete(block)) return
    this.#late.add(block)
    if (this.#late.size <= LATE_MAX) return
    const [oldest] = this.#late
    this.#late.delete(oldest!)
  }

  /**
   * A block came from it.
   *
   * @returns Whether it was asked for, at some time.
   * @throws {AlliumError} `PEER_PROTOCOL` when it sends what nobody asked for, again and again.
   */
  came(block: number, byteCount: number, now: number): boolean {
    const stamp = this.requests.get(block)
    if (stamp === undefined) return this.#cameLate(block)
    this.requests.delete(block)
    this.depth.arrived(stamp, byteCount, now)
    this.#lastBlockAt = now
    this.isSnubbed = false
    return true
  }

  #cameLate(block: number): boolean {
    if (this.#late.delete(block)) return true
    if (++this.#unasked > UNASKED_MAX)
      throw new AlliumError(
        "PEER_PROTOCOL",
        "Cannot take block: nobody asked for it, nor for others before",
      )
    return false
  }

  /** Requests to give up now: all after a silence, else those that were passed over. */
  overdue(now: number): number[] {
    const [first] = this.requests.values()
    if (first === undefined) return []
    if (now - Math.max(first.sentAt, this.#lastBlockAt) >= SILENCE_MS) {
      this.isSnubbed = true
      return [...this.requests.keys()]
    }
    const blocks: number[] = []
    for (const [block, { sentAt }] of this.requests) {
      if (now - sentAt < REQUEST_PATIENCE_MS) break
      blocks.push(block)
    }
    return blocks
  }
}

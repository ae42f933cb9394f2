/**
 * The receiving half of a channel: unread bytes, and how many more the peer may send.
 *
 * @module
 */
import { FRAME_BYTES_MAX, type LinkLimits } from "./limits.ts"
import { linkProtocolError } from "./link-errors.ts"

/** What all channels of a link share: credit given out that no application has used up yet. */
export class Budget {
  readonly #limitBytes: number
  #usedBytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get freeBytes(): number {
    return Math.max(0, this.#limitBytes - this.#usedBytes)
  }

  take(byteCount: number): void {
    this.#usedBytes += byteCount
  }

  give(byteCount: number): void {
    this.#usedBytes -= byteCount
  }
}

/**
 * Unread bytes in blocks of 4 to 16 KiB, so that a peer who sends single bytes cannot make us hold a
 * thousand times their weight in small buffers.
 */
export class Inlet {
  readonly #budget: Budget
  readonly #limits: LinkLimits
  readonly #blocks: Buffer[] = []
  /** Bytes used of the last block. */
  #tailBytes = 0
  #unreadBytes = 0
  #grantedBytes: number
  #ended = false

  /** @param firstBytes - What the peer may send before any credit. */
  constructor(budget: Budget, limits: LinkLimits, firstBytes: number) {
    this.#budget = budget
    this.#limits = limits
    this.#grantedBytes = firstBytes
    budget.take(firstBytes)
  }

  /** The peer sent END. */
  get ended(): boolean {
    return this.#ended
  }

  get unreadBytes(): number {
    return this.#unreadBytes
  }

  /** Checks and counts what arrived; keep it with {@linkcode Inlet.keep} or hand it on at once. */
  arrive(byteCount: number): void {
    if (this.#ended) throw linkProtocolError("data after the end of a channel")
    if (byteCount > this.#grantedBytes)
      throw linkProtocolError(`${byteCount} bytes of data`, `at most ${this.#grantedBytes}`)
    this.#grantedBytes -= byteCount
  }

  /** Copies bytes that nobody wants yet. */
  keep(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length) {
      const tail = this.#tail(bytes.length - at)
      const copied = bytes.copy(tail, this.#tailBytes, at)
      this.#tailBytes += copied
      at += copied
    }
    this.#unreadBytes += bytes.length
  }

  end(): void {
    if (this.#ended) throw linkProtocolError("a second end of a channel")
    this.#ended = true
  }

  /** The oldest unread block; the caller owns it and says when it is used up. */
  take(): Buffer | undefined {
    const block = this.#blocks.shift()
    if (block === undefined) return undefined
    const bytes = this.#blocks.length === 0 ? block.subarray(0, this.#tailBytes) : block
    this.#unreadBytes -= bytes.length
    return bytes
  }

  /** The application has taken bytes. */
  usedUp(byteCount: number): void {
    this.#budget.give(byteCount)
  }

  /**
   * Credit to give now, or 0 while it is not worth a frame: to the full window as long as the link's
   * budget lasts, to the first window always.
   */
  topUp(): number {
    if (this.#ended) return 0
    const outstanding = this.#grantedBytes + this.#unreadBytes
    const { windowBytes, firstWindowBytes } = this.#limits
    const room = Math.max(
      firstWindowBytes,
      Math.min(windowBytes, outstanding + this.#budget.freeBytes),
    )
    const byteCount = room - outstanding
    if (byteCount < Math.min(room, windowBytes) / 4) return 0
    this.#grantedBytes += byteCount
    this.#budget.take(byteCount)
    return byteCount
  }

  /** Gives everything back to the budget; the channel is over. */
  clear(): void {
    this.#budget.give(this.#grantedBytes + this.#unreadBytes)
    this.#grantedBytes = 0
    this.#unreadBytes = 0
    this.#blocks.length = 0
  }

  #tail(wantedBytes: number): Buffer {
    const last = this.#blocks.at(-1)
    if (last !== undefined && this.#tailBytes < last.length) return last
    const block = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, wantedBytes))
    this.#blocks.push(block)
    this.#tailBytes = 0
    return block
  }
}

/** A quarter of a frame: the most an almost empty channel wastes. */
const BLOCK_BYTES = FRAME_BYTES_MAX / 4

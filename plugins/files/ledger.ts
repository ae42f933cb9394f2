/**
 * Which parts of a file are here, under way, or still to be asked for. Pure: no disk, no channel.
 *
 * Chunks are asked for in order, a few ahead; answers come in the order of asking. A chunk that turns out
 * bad is asked for again, alone.
 *
 * @module
 */
import { AlliumError } from "allium/plugin"
import { CHUNK_BYTES, countChunks } from "./wire.ts"

/** Chunks asked for and not yet here: 4 MiB, more than one I2P stream carries in a round trip of several seconds. */
const UNDER_WAY_MAX = 4
/** The same chunk bad so often: the file behind it does not match its hashes. */
const BAD_MAX = 4

/** A part to be asked for; never reaches over the end of a chunk. */
export interface Range {
  readonly chunk: number
  readonly offset: number
  readonly end: number
}

/** See the module. */
export class Ledger {
  readonly #size: number
  readonly #have: Uint8Array
  /** Chunks to be asked for again. */
  readonly #again: number[] = []
  readonly #underWay: Range[] = []
  readonly #bad = new Map<number, number>()
  /** Next byte of the first range under way. */
  #at = 0
  /** First chunk that was never asked for. */
  #next = 0
  /** Every chunk before this one is here. */
  #whole = 0
  /** A chunk of which some bytes are here already. */
  readonly #begun: { chunk: number; byteCount: number }

  /**
   * @param size - Of the file, in bytes.
   * @param have - One byte a chunk: 1 when it is here and verified. Taken over.
   * @param begin - Bytes of the first missing chunk that are here already.
   */
  constructor(size: number, have: Uint8Array = new Uint8Array(countChunks(size)), begin = 0) {
    this.#size = size
    this.#have = have
    this.#advance()
    this.#begun = { chunk: this.#whole, byteCount: begin }
  }

  /** All chunks are here. */
  get done(): boolean {
    return this.#whole === this.#have.length
  }

  /** Bytes from the beginning without a gap; the last of them may belong to a chunk that is not yet verified. */
  get contiguous(): number {
    if (this.done) return this.#size
    const first = this.#underWay[0]
    if (first?.chunk === this.#whole) return this.#at
    return this.#whole * CHUNK_BYTES + this.#begunBytes(this.#whole)
  }

  /** The next part to ask for, or `undefined`: enough is under way. */
  ask(): Range | undefined {
    if (this.#underWay.length >= UNDER_WAY_MAX) return undefined
    const chunk = this.#again.shift() ?? this.#fresh()
    if (chunk === undefined) return undefined
    const start = chunk * CHUNK_BYTES
    const offset = start + this.#begunBytes(chunk)
    const range = { chunk, offset, end: Math.min(start + CHUNK_BYTES, this.#size) }
    if (this.#underWay.push(range) === 1) this.#at = range.offset
    return range
  }

  /** @throws {AlliumError} `BAD_RECORD` when these bytes are not what was asked for next. */
  require(offset: number, byteCount: number): void {
    const first = this.#underWay[0]
    if (first !== undefined && offset === this.#at && offset + byteCount <= first.end) return
    throw new AlliumError("BAD_RECORD", "Cannot take data: it was not asked for")
  }

  /**
   * These bytes are in the part file now.
   * @returns The chunk when it is complete: say then whether it is {@linkcode good} or {@linkcode bad}.
   */
  came(offset: number, byteCount: number): number | undefined {
    this.require(offset, byteCount)
    const first = this.#underWay[0]!
    this.#at += byteCount
    if (this.#at < first.end) return undefined
    this.#underWay.shift()
    this.#at = this.#underWay[0]?.offset ?? 0
    return first.chunk
  }

  /** The complete chunk has the right hash. */
  good(chunk: number): void {
    this.#have[chunk] = 1
    this.#bad.delete(chunk)
    this.#advance()
  }

  /**
   * The complete chunk has a wrong hash.
   * @throws {AlliumError} `FILE_CORRUPT` when it was wrong too often.
   */
  bad(chunk: number): void {
    const times = (this.#bad.get(chunk) ?? 0) + 1
    if (times >= BAD_MAX)
      throw new AlliumError("FILE_CORRUPT", `Cannot receive file: a part was wrong ${times} times`)
    this.#bad.set(chunk, times)
    this.#again.push(chunk)
  }

  #fresh(): number | undefined {
    while (this.#have[this.#next] === 1) this.#next++
    // Not too far ahead of a bad chunk: what is beyond the gap does not count after a crash.
    if (this.#next >= this.#have.length || this.#next >= this.#whole + 2 * UNDER_WAY_MAX) return
    return this.#next++
  }

  #begunBytes(chunk: number): number {
    return chunk === this.#begun.chunk && !this.#bad.has(chunk) ? this.#begun.byteCount : 0
  }

  #advance(): void {
    while (this.#have[this.#whole] === 1) this.#whole++
  }
}

/**
 * LevelDB's log format: `*.log` (write batches) and `MANIFEST-*` (version edits).
 *
 * @see https://github.com/google/leveldb/blob/main/doc/log_format.md
 * @module
 */
import { maskedCrc32c } from "./crc32c.ts"
import { viewOf } from "./cursor.ts"

const BLOCK_BYTES = 32_768
const HEADER_BYTES = 7
const FULL = 1
const FIRST = 2
const MIDDLE = 3
const LAST = 4

/** What a log holds. */
export interface LogContent {
  /** Whole records with right checksums, in order. */
  readonly records: readonly Uint8Array[]
  /** Places where something is wrong before the end: LevelDB would pass over them in silence. */
  readonly damageCount: number
  /** Bytes at the end that are no whole record: a write that a crash cut off, or damage. */
  readonly tornBytes: number
}

/** Reads all that is sound; never throws. */
export function readLog(bytes: Uint8Array): LogContent {
  const log = new LogReader(bytes)
  log.readAll()
  return log
}

class LogReader implements LogContent {
  readonly records: Uint8Array[] = []
  damageCount = 0
  tornBytes = 0
  readonly #bytes: Uint8Array
  #at = 0
  /** Fragments of a record that is not whole yet, and where it began. */
  #parts: Uint8Array[] = []
  #partsAt = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  readAll(): void {
    while (this.#at < this.#bytes.length && this.tornBytes === 0) this.#fragment()
    if (this.#parts.length > 0 && this.tornBytes === 0) this.#tear(this.#partsAt)
  }

  #fragment(): void {
    const start = this.#at
    const left = BLOCK_BYTES - (start % BLOCK_BYTES)
    const end = this.#endOf(start)
    if (left < HEADER_BYTES) this.#skipTrailer(left)
    else if (end === undefined || this.#isZeroFrom(start)) this.#tear(start)
    else if (end - start > left || !this.#isSound(start, end)) this.#bad(start, end)
    else this.#keep(start, end)
  }

  /** Where the fragment ends by its own word; `undefined` when that lies outside. */
  #endOf(start: number): number | undefined {
    if (start + HEADER_BYTES > this.#bytes.length) return undefined
    const end = start + HEADER_BYTES + viewOf(this.#bytes).getUint16(start + 4, true)
    return end > this.#bytes.length ? undefined : end
  }

  #isSound(start: number, end: number): boolean {
    const stated = viewOf(this.#bytes).getUint32(start, true)
    return stated === maskedCrc32c(this.#bytes.subarray(start + 6, end))
  }

  #keep(start: number, end: number): void {
    this.#at = end
    const type = viewOf(this.#bytes).getUint8(start + 6)
    const begins = type === FULL || type === FIRST
    if (type < FULL || type > LAST || begins !== (this.#parts.length === 0)) {
      this.damageCount++
      this.#parts = []
      if (!begins) return
    }
    if (begins) this.#partsAt = start
    this.#parts.push(this.#bytes.subarray(start + HEADER_BYTES, end))
    if (type === FIRST || type === MIDDLE) return
    this.records.push(new Uint8Array(Buffer.concat(this.#parts)))
    this.#parts = []
  }

  /** The last record of all may be a write that never finished; any other one was whole once. */
  #bad(start: number, end: number): void {
    if (end === this.#bytes.length) {
      this.#tear(start)
      return
    }
    this.damageCount++
    this.#parts = []
    this.#at += BLOCK_BYTES - (this.#at % BLOCK_BYTES)
  }

  #skipTrailer(byteCount: number): void {
    const trailer = this.#bytes.subarray(this.#at, this.#at + byteCount)
    if (trailer.some((byte) => byte !== 0)) this.damageCount++
    this.#at += byteCount
  }

  #tear(start: number): void {
    this.tornBytes = this.#bytes.length - (this.#parts.length > 0 ? this.#partsAt : start)
  }

  #isZeroFrom(start: number): boolean {
    return this.#bytes.subarray(start).every((byte) => byte === 0)
  }
}

/**
 * Cuts lines out of arriving bytes, and keeps what follows them whole.
 *
 * A bridge may send a reply in single bytes, two replies at once, or a reply together with the first
 * payload of a stream. TCP's segments mean nothing here; only the newline does.
 *
 * @module
 */
import { AlliumError } from "../base/errors.ts"

/** Longest line we read, without its end: i2pd's own buffer. The longest known reply has 1,100 bytes. */
export const LINE_BYTES_MAX = 8192
const NEWLINE = 0x0a
const NOTHING = new Uint8Array(0)
const utf8 = new TextDecoder()

/**
 * Bytes in, lines out. Holds one unfinished line and what the last {@linkcode LineReader.push} brought:
 * take the lines after each push, and memory stays bounded whatever arrives.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict"
 * import { LineReader } from "allium/sam"
 * const reader = new LineReader()
 * reader.push(new TextEncoder().encode("STREAM STATUS RESULT=OK\nfirst bytes"))
 * assert.equal(reader.next(), "STREAM STATUS RESULT=OK")
 * assert.equal(new TextDecoder().decode(reader.rest()), "first bytes")
 * ```
 */
export class LineReader {
  readonly #lineBytesMax: number
  #pending: Uint8Array = NOTHING
  /** Bytes of `#pending` known to hold no newline. */
  #scannedCount = 0

  /** @param lineBytesMax - Longest line, without its newline. */
  constructor(lineBytesMax = LINE_BYTES_MAX) {
    this.#lineBytesMax = lineBytesMax
  }

  /**
   * Takes the next bytes; they are not copied when nothing waits, so do not change them afterwards.
   *
   * @throws {AlliumError} `BAD_SAM_LINE` when a line without end waits already.
   */
  push(bytes: Uint8Array): void {
    if (this.#scannedCount > this.#lineBytesMax) throw this.#endless()
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes])
  }

  /**
   * The next line, without its end (`\n` or `\r\n`), decoded as UTF-8; `undefined` until one is whole.
   *
   * @throws {AlliumError} `BAD_SAM_LINE` when the line is longer than allowed.
   */
  next(): string | undefined {
    const end = this.#pending.indexOf(NEWLINE, this.#scannedCount)
    if ((end < 0 ? this.#pending.length : end) > this.#lineBytesMax) {
      this.#scannedCount = this.#lineBytesMax + 1
      throw this.#endless()
    }
    if (end < 0) {
      this.#scannedCount = this.#pending.length
      return undefined
    }
    const line = utf8.decode(this.#pending.subarray(0, end))
    this.#pending = this.#pending.subarray(end + 1)
    this.#scannedCount = 0
    return line.endsWith("\r") ? line.slice(0, -1) : line
  }

  /** Exactly the next `byteCount` bytes, untouched; `undefined` until all are there. */
  take(byteCount: number): Uint8Array | undefined {
    if (this.#pending.length < byteCount) return undefined
    const taken = this.#pending.subarray(0, byteCount)
    this.#pending = this.#pending.subarray(byteCount)
    this.#scannedCount = 0
    return taken
  }

  /** Everything after the last line taken, untouched; the reader is empty afterwards. */
  rest(): Uint8Array {
    const rest = this.#pending
    this.#pending = NOTHING
    this.#scannedCount = 0
    return rest
  }

  #endless(): AlliumError {
    const message = `Cannot read SAM line: no end within ${this.#lineBytesMax} bytes, expected a newline`
    return new AlliumError("BAD_SAM_LINE", message)
  }
}

/**
 * Bencode, read strictly and within bounds: what is read has one spelling, and no input makes more values than allowed.
 *
 * @see https://www.bittorrent.org/beps/bep_0003.html#bencoding
 * @module
 */
import { AlliumError } from "allium/plugin"

/** Lists and dictionaries inside each other; real torrents use 7. */
const DEPTH_MAX = 32
/** Values one text may hold where nobody says otherwise. */
const VALUES_MAX = 4_096
/** Digits of a length or an integer; 2^53 has 16. */
const DIGITS_MAX = 16

/** What is read: integers within ±(2^53 − 1); byte strings as views of what was read, not copies. */
export type BencodeValue = number | Uint8Array | readonly BencodeValue[] | BencodeMap
/** Keys hold one byte in each character (latin1), so they sort as bytes do. */
export type BencodeMap = ReadonlyMap<string, BencodeValue>
/** How to read, and how to say that it failed. */
export interface BencodeReading {
  readonly code: "BAD_TORRENT" | "BAD_TRACKER" | "PEER_PROTOCOL"
  /** "torrent", for the message. */
  readonly what: string
  /** `any`: keys in any order, as some trackers write them. Never twice. Default `sorted`. */
  readonly order?: "sorted" | "any"
  readonly valuesMax?: number
}

/** A value, and where its bytes end. */
export interface BencodeHead {
  readonly value: BencodeValue
  readonly end: number
  /** Of a dictionary: where the bytes of each member's value lie, as `[start, end]`. */
  readonly spans: ReadonlyMap<string, readonly [start: number, end: number]>
}

/** @throws {AlliumError} `reading.code` for anything but one well-formed value and nothing after it. */
export function decodeBencode(bytes: Uint8Array, reading: BencodeReading): BencodeValue {
  const { value, end } = decodeBencodeHead(bytes, reading)
  if (end !== bytes.length) throw new Decoder(bytes, reading).bad(end, "bytes after the end")
  return value
}

/**
 * Reads the value `bytes` begins with; more bytes may follow.
 *
 * @throws {AlliumError} `reading.code`.
 */
export function decodeBencodeHead(bytes: Uint8Array, reading: BencodeReading): BencodeHead {
  const decoder = new Decoder(bytes, reading)
  const value = decoder.value(0)
  return { value, end: decoder.at, spans: decoder.spans }
}

class Decoder {
  readonly spans = new Map<string, readonly [number, number]>()
  at = 0
  #left: number
  readonly #bytes: Uint8Array
  readonly #reading: BencodeReading

  constructor(bytes: Uint8Array, reading: BencodeReading) {
    this.#bytes = bytes
    this.#reading = reading
    this.#left = reading.valuesMax ?? VALUES_MAX
  }

  value(depth: number): BencodeValue {
    if (--this.#left < 0) throw this.bad(this.at, "too many values")
    if (depth > DEPTH_MAX) throw this.bad(this.at, "too deep")
    const kind = this.#bytes[this.at]
    if (kind === LETTER.i) return this.#integer()
    if (kind === LETTER.l) return this.#list(depth)
    if (kind === LETTER.d) return this.#map(depth)
    return this.#string()
  }

  #integer(): number {
    this.at++
    const isNegative = this.#bytes[this.at] === LETTER.minus
    if (isNegative) this.at++
    const start = this.at
    const value = this.#digits(LETTER.e)
    if (isNegative && value === 0) throw this.bad(start, "minus zero")
    if (!Number.isSafeInteger(value)) throw this.bad(start, "an integer beyond 2^53")
    return isNegative ? -value : value
  }

  #string(): Uint8Array {
    const start = this.at
    const length = this.#digits(LETTER.colon)
    if (length > this.#bytes.length - this.at) throw this.bad(start, "a string cut short")
    this.at += length
    return this.#bytes.subarray(this.at - length, this.at)
  }

  #list(depth: number): BencodeValue[] {
    const values: BencodeValue[] = []
    for (this.at++; !this.#ends(); ) values.push(this.value(depth + 1))
    return values
  }

  #map(depth: number): BencodeMap {
    const map = new Map<string, BencodeValue>()
    let last: string | undefined
    for (this.at++; !this.#ends(); ) {
      const keyAt = this.at
      const key = Buffer.from(this.#string()).toString("latin1")
      if (map.has(key)) throw this.bad(keyAt, "a key twice")
      if (this.#reading.order !== "any" && last !== undefined && key < last)
        throw this.bad(keyAt, "keys out of order")
      last = key
      const start = this.at
      map.set(key, this.value(depth + 1))
      if (depth === 0) this.spans.set(key, [start, this.at])
    }
    return map
  }

  #ends(): boolean {
    if (this.#bytes[this.at] !== LETTER.e) return false
    this.at++
    return true
  }

  /** Digits without needless zeros, then `end`. */
  #digits(end: number): number {
    const start = this.at
    let value = 0
    for (; this.at - start <= DIGITS_MAX; this.at++) {
      const digit = (this.#bytes[this.at] ?? LETTER.e) - LETTER.zero
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
    }
    const count = this.at - start
    const isPadded = count > 1 && this.#bytes[start] === LETTER.zero
    if (count === 0 || count > DIGITS_MAX || isPadded || this.#bytes[this.at++] !== end)
      throw this.bad(start, "no well-formed value")
    return value
  }

  bad(at: number, found: string): AlliumError {
    const { code, what } = this.#reading
    return new AlliumError(code, `Cannot read ${what}: ${found} at byte ${at}, expected bencode`)
  }
}

const LETTER = { i: 0x69, l: 0x6c, d: 0x64, e: 0x65, minus: 0x2d, colon: 0x3a, zero: 0x30 }

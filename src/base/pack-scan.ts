/**
 * Walks packed bytes before anybody decodes them, and refuses what a plain value does not need.
 *
 * The decoder behind us would also make regular expressions, errors and cyclic objects, replace bad
 * UTF-8, take the last of two equal keys, and quote content in its errors. None of it passes here.
 *
 * @see https://github.com/msgpack/msgpack/blob/master/spec.md
 * @module
 */
import { isUtf8 } from "node:buffer"
import { AlliumError } from "./errors.ts"

/** What a packed value may cost its reader. */
export interface PackLimits {
  /** Whole length in bytes. */
  readonly bytesMax: number
  /** How many arrays and maps may stand inside each other; a bare number has depth 0. */
  readonly depthMax: number
  /** How many values there may be in all: each member of an array, each key and each value of a map. */
  readonly itemsMax: number
}

const TEXT = new TextDecoder("utf-8", { fatal: true })

/**
 * Accepts exactly one value: null, boolean, number, UTF-8 text, bytes, array, or map with text keys.
 *
 * @throws {AlliumError} `BAD_PACK` for extension types, integers beyond 2^53, text that is not UTF-8, keys that
 * are not text, stand twice or are `__proto__`, missing or extra bytes, and whatever passes `limits`.
 */
export function scanPack(bytes: Uint8Array, limits: PackLimits): void {
  if (bytes.length > limits.bytesMax)
    throw bad(`has ${bytes.length} bytes`, `at most ${limits.bytesMax}`)
  const scan = new Scan(bytes, limits)
  scan.value(0)
  if (scan.offset !== bytes.length)
    throw bad(`${bytes.length - scan.offset} bytes follow the value`, "none")
}

/** Never says what the content is: it may be anybody's. */
function bad(found: string, expected: string): AlliumError {
  return new AlliumError("BAD_PACK", `Cannot unpack: ${found}, expected ${expected}`)
}

class Scan {
  offset = 0
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #limits: PackLimits
  #items = 0

  constructor(bytes: Uint8Array, limits: PackLimits) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#limits = limits
  }

  value(depth: number): void {
    this.#count()
    const type = this.#take(1)
    if (type <= 0x7f || type >= 0xe0) return
    if (type <= 0x8f) this.#map(type & 0x0f, depth)
    else if (type <= 0x9f) this.#array(type & 0x0f, depth)
    else if (type <= 0xbf) this.#text(type & 0x1f)
    else this.#longForm(type, depth)
  }

  #longForm(type: number, depth: number): void {
    switch (type) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        break
      case 0xc4:
      case 0xc5:
      case 0xc6:
        this.#skip(this.#take(2 ** (type - 0xc4)))
        break
      case 0xca:
      case 0xcb:
        this.#skip(4 * (type - 0xc9))
        break
      case 0xcc:
      case 0xcd:
      case 0xce:
        this.#skip(2 ** (type - 0xcc))
        break
      case 0xcf:
      case 0xd3:
        this.#longInteger(type === 0xd3)
        break
      case 0xd0:
      case 0xd1:
      case 0xd2:
        this.#skip(2 ** (type - 0xd0))
        break
      case 0xd9:
      case 0xda:
      case 0xdb:
        this.#text(this.#take(2 ** (type - 0xd9)))
        break
      case 0xdc:
      case 0xdd:
        this.#array(this.#take(2 * (type - 0xdb)), depth)
        break
      case 0xde:
      case 0xdf:
        this.#map(this.#take(2 * (type - 0xdd)), depth)
        break
      default:
        throw bad(`type 0x${type.toString(16)}`, "a plain value")
    }
  }

  #array(length: number, depth: number): void {
    this.#open(length, depth)
    for (let index = 0; index < length; index++) this.value(depth + 1)
  }

  #map(length: number, depth: number): void {
    this.#open(2 * length, depth)
    const keys = new Set<string>()
    for (let index = 0; index < length; index++) {
      const key = this.#key()
      if (keys.has(key)) throw bad("a key that stands twice", "each key once")
      keys.add(key)
      this.value(depth + 1)
    }
  }

  #key(): string {
    this.#count()
    const type = this.#take(1)
    if (type >= 0xa0 && type <= 0xbf) return this.#name(type & 0x1f)
    if (type >= 0xd9 && type <= 0xdb) return this.#name(this.#take(2 ** (type - 0xd9)))
    throw bad("a key that is not text", "text")
  }

  #name(length: number): string {
    const key = TEXT.decode(this.#text(length))
    if (key === "__proto__") throw bad("a forbidden key", "an ordinary name")
    return key
  }

  /** Refuses a container before walking it when it states more items than may come. */
  #open(items: number, depth: number): void {
    if (depth >= this.#limits.depthMax) throw bad("is nested deeper", `${this.#limits.depthMax}`)
    if (items > this.#limits.itemsMax - this.#items)
      throw bad("holds more items", `at most ${this.#limits.itemsMax}`)
  }

  #count(): void {
    if (++this.#items > this.#limits.itemsMax)
      throw bad("holds more items", `at most ${this.#limits.itemsMax}`)
  }

  #longInteger(signed: boolean): void {
    const at = this.#skip(8)
    const value = signed ? this.#view.getBigInt64(at) : this.#view.getBigUint64(at)
    if (!Number.isSafeInteger(Number(value))) throw bad("an integer beyond 2^53", "a smaller one")
  }

  #text(length: number): Uint8Array {
    const start = this.#skip(length)
    const text = this.#bytes.subarray(start, this.offset)
    if (!isUtf8(text)) throw bad("text that is not UTF-8", "UTF-8")
    return text
  }

  /** Reads a big-endian number of 1, 2 or 4 bytes. */
  #take(byteCount: number): number {
    const at = this.#skip(byteCount)
    if (byteCount === 1) return this.#view.getUint8(at)
    return byteCount === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at)
  }

  /** Passes over bytes that must be there; gives back where they began. */
  #skip(byteCount: number): number {
    const start = this.offset
    if (byteCount > this.#bytes.length - start) throw bad("ends too early", "a whole value")
    this.offset = start + byteCount
    return start
  }
}

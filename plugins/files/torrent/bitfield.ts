/**
 * Which pieces somebody has: one bit each, the first piece in the highest bit of the first byte.
 *
 * @see https://www.bittorrent.org/beps/bep_0003.html
 * @module
 */
import { AlliumError } from "allium/plugin"

/** A fixed number of bits, one for each piece, or for each block of a piece. */
export class Bitfield {
  readonly length: number
  readonly #bytes: Uint8Array
  #count = 0

  /** All clear. */
  constructor(length: number) {
    this.length = length
    this.#bytes = new Uint8Array(Math.ceil(length / 8))
  }

  /**
   * @param bytes - As on the wire; copied.
   * @throws {AlliumError} `PEER_PROTOCOL` when there are more or fewer bytes, or spare bits that are set.
   */
  static from(bytes: Uint8Array, length: number): Bitfield {
    const bits = new Bitfield(length)
    const spare = bits.#bytes.length * 8 - length
    const hasSpare = spare > 0 && ((bytes.at(-1) ?? 0) & ((1 << spare) - 1)) !== 0
    if (bytes.length !== bits.#bytes.length || hasSpare)
      throw new AlliumError(
        "PEER_PROTOCOL",
        `Cannot read bitfield: has ${bytes.length} bytes or spare bits, expected ${length} bits`,
      )
    bits.#bytes.set(bytes)
    for (const byte of bytes) bits.#count += ONES[byte]!
    return bits
  }

  /** All set. */
  static full(length: number): Bitfield {
    const bits = new Bitfield(length)
    bits.fill()
    return bits
  }

  /** How many are set. */
  get count(): number {
    return this.#count
  }

  get isFull(): boolean {
    return this.#count === this.length
  }

  has(index: number): boolean {
    return ((this.#bytes[index >>> 3] ?? 0) & (0x80 >>> (index & 7))) !== 0
  }

  /** @returns True when it was clear before. Beyond the end nothing happens. */
  set(index: number): boolean {
    if (index < 0 || index >= this.length || this.has(index)) return false
    this.#bytes[index >>> 3]! |= 0x80 >>> (index & 7)
    this.#count++
    return true
  }

  /** @returns True when it was set before. */
  clear(index: number): boolean {
    if (index < 0 || index >= this.length || !this.has(index)) return false
    this.#bytes[index >>> 3]! &= ~(0x80 >>> (index & 7))
    this.#count--
    return true
  }

  fill(): void {
    this.#bytes.fill(0xff)
    const spare = this.#bytes.length * 8 - this.length
    if (spare > 0) this.#bytes[this.#bytes.length - 1] = (0xff << spare) & 0xff
    this.#count = this.length
  }

  /** The indices that are set, in order. */
  *indices(): Generator<number> {
    for (const [at, byte] of this.#bytes.entries())
      for (let rest = byte; rest !== 0; ) {
        const bit = Math.clz32(rest) - 24
        yield at * 8 + bit
        rest &= ~(0x80 >>> bit)
      }
  }

  /** As on the wire; the caller's own. */
  toBytes(): Uint8Array {
    return this.#bytes.slice()
  }
}

/** How many bits of each byte are set. */
const ONES = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++
  return count
})

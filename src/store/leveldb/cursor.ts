/**
 * Reads LevelDB's numbers and lengths out of bytes, never past their end.
 *
 * @module
 */

/** The bytes are not what LevelDB writes; the text says where. */
export class Unreadable extends Error {}

/** A place in some bytes. */
export class Cursor {
  readonly #bytes: Uint8Array
  #at: number

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes
    this.#at = at
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** @throws {Unreadable} when they are not all there. */
  take(byteCount: number): Uint8Array {
    if (byteCount > this.left) throw new Unreadable("ends too early")
    this.#at += byteCount
    return this.#bytes.subarray(this.#at - byteCount, this.#at)
  }

  /** Makes no slice: numbers are read by the hundred thousand. */
  byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw new Unreadable("ends too early")
    return byte
  }

  /** 4 bytes, little-endian. */
  fixed32(): number {
    return viewOf(this.take(4)).getUint32(0, true)
  }

  /** 8 bytes, little-endian. */
  fixed64(): bigint {
    return viewOf(this.take(8)).getBigUint64(0, true)
  }

  /** Seven bits a byte, low ones first. @throws {Unreadable} beyond 2^53, or written longer than need be. */
  varint(): number {
    let value = 0
    for (let scale = 1; scale < 2 ** 50; scale *= 128) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte === 0 && scale > 1) break
      if (byte < 0x80) return value
    }
    throw new Unreadable("a number is not one")
  }

  /** A varint, then so many bytes. */
  slice(): Uint8Array {
    return this.take(this.varint())
  }
}

/** A view of exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

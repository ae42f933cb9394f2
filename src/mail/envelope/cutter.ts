/**
 * Cuts bytes into fields, one after another.
 *
 * @module
 */

/** Fields are views, not copies. */
export class Cutter {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** How many bytes nobody took. */
  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** @throws {RangeError} when there are fewer. */
  take(byteCount: number): Uint8Array {
    if (byteCount > this.left) throw new RangeError("Cannot read: bytes end too early")
    this.#at += byteCount
    return this.#bytes.subarray(this.#at - byteCount, this.#at)
  }

  /** Unsigned, big-endian, of 1 to 6 bytes. @throws {RangeError} when there are fewer. */
  number(byteCount: number): number {
    const field = this.take(byteCount)
    return Buffer.from(field.buffer, field.byteOffset, byteCount).readUIntBE(0, byteCount)
  }
}

/** The inverse of {@linkcode Cutter.number}. @throws {RangeError} for numbers that do not fit. */
export function numberBytes(value: number, byteCount: number): Uint8Array {
  const bytes = Buffer.alloc(byteCount)
  bytes.writeUIntBE(value, 0, byteCount)
  return bytes
}

/**
 * Fields at fixed places of a frame: how each kind of value stands there.
 *
 * @see docs/protocol/mailbox.md#fields
 * @module
 */
import { AlliumError } from "../../base/errors.ts"

/** One kind of field; it takes the same room whatever its value is. */
export interface Field<T> {
  readonly size: number
  /** @throws {RangeError} when the value does not fit. */
  write(to: DataView, at: number, value: T): void
  /** @throws {AlliumError} `BAD_RECORD`. */
  read(from: DataView, at: number): T
}

/** Unsigned, big-endian, of 1, 2 or 4 bytes. */
export function unsigned(size: 1 | 2 | 4): Field<number> {
  const max = 2 ** (8 * size) - 1
  const set = { 1: "setUint8", 2: "setUint16", 4: "setUint32" } as const
  const get = { 1: "getUint8", 2: "getUint16", 4: "getUint32" } as const
  return {
    size,
    write: (to, at, value) => to[set[size]](at, whole(value, max)),
    read: (from, at) => from[get[size]](at),
  }
}

/** A place in a queue, or seconds since 1970: unsigned, big-endian, 6 bytes. */
export const number48: Field<number> = {
  size: 6,
  write(to, at, value) {
    whole(value, 2 ** 48 - 1)
    to.setUint16(at, Math.floor(value / 2 ** 32))
    to.setUint32(at + 2, value % 2 ** 32)
  },
  read: (from, at) => from.getUint16(at) * 2 ** 32 + from.getUint32(at + 2),
}

/** Exactly so many bytes. */
export function bytes(size: number): Field<Uint8Array> {
  return {
    size,
    write(to, at, value) {
      if (value.length !== size)
        throw new RangeError(`Cannot write frame: a field has ${value.length} bytes, not ${size}`)
      viewOf(to).set(value, at)
    },
    read: (from, at) => viewOf(from).slice(at, at + size),
  }
}

/** A length of 2 bytes, then room for `max` bytes, the unused ones zero. */
export function varied(max: number): Field<Uint8Array> {
  return {
    size: 2 + max,
    write(to, at, value) {
      to.setUint16(at, whole(value.length, max))
      viewOf(to).set(value, at + 2)
    },
    read(from, at) {
      const length = from.getUint16(at)
      if (length > max) throw badFrame("a field is longer than it may be")
      requireZeros(from, at + 2 + length, at + 2 + max)
      return viewOf(from).slice(at + 2, at + 2 + length)
    },
  }
}

/** A byte 0 and zeros for nothing, or a byte 1 and the value. */
export function maybe<T>(field: Field<T>): Field<T | undefined> {
  return {
    size: 1 + field.size,
    write(to, at, value) {
      if (value === undefined) return
      to.setUint8(at, 1)
      field.write(to, at + 1, value)
    },
    read(from, at) {
      const flag = from.getUint8(at)
      if (flag > 1) throw badFrame("a flag is neither 0 nor 1")
      if (flag === 1) return field.read(from, at + 1)
      requireZeros(from, at + 1, at + 1 + field.size)
      return undefined
    },
  }
}

/** One byte: the place of the value among those that may be, from 1. */
export function choice<T extends string>(...values: readonly T[]): Field<T> {
  return {
    size: 1,
    write: (to, at, value) => to.setUint8(at, values.indexOf(value) + 1),
    read(from, at) {
      const value = values[from.getUint8(at) - 1]
      if (value === undefined) throw badFrame("a choice is none of those there are")
      return value
    },
  }
}

/** A count of 1 byte (1 to `max`), then room for `max` items of `itemSize` bytes, the unused ones zero. */
export function list(itemSize: number, max: number): Field<readonly Uint8Array[]> {
  const item = bytes(itemSize)
  const endOf = (at: number, count: number) => at + 1 + itemSize * count
  return {
    size: 1 + itemSize * max,
    write(to, at, items) {
      to.setUint8(at, whole(items.length, max))
      for (const [index, one] of items.entries()) item.write(to, endOf(at, index), one)
    },
    read(from, at) {
      const count = from.getUint8(at)
      if (count < 1 || count > max) throw badFrame("a list is empty or longer than it may be")
      requireZeros(from, endOf(at, count), endOf(at, max))
      return Array.from({ length: count }, (_, index) => item.read(from, endOf(at, index)))
    },
  }
}

/** @throws {AlliumError} `BAD_RECORD` when a byte from `start` to before `end` is not zero. */
export function requireZeros(from: DataView, start: number, end: number): void {
  const part = viewOf(from).subarray(start, end)
  if (part.some((byte) => byte !== 0)) throw badFrame("its padding is not zero")
}

/** The other side broke the protocol. Says nothing about content. */
export function badFrame(found: string): AlliumError {
  const message = `Cannot read mailbox frame: ${found}, expected what docs/protocol/mailbox.md allows`
  return new AlliumError("BAD_RECORD", message)
}

function viewOf({ buffer, byteOffset, byteLength }: DataView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

function whole(value: number, max: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value
  throw new RangeError(`Cannot write frame: ${value} is not a whole number from 0 to ${max}`)
}

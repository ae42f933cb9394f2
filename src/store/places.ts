/**
 * Where things stand in the database: a letter for the kind, a keyed hash for the name.
 *
 * | key | value |
 * |---|---|
 * | `m` + text | the store's own records |
 * | `t` + 16 bytes of table + 16 bytes of entry | one entry, its key text inside |
 * | `j` + 16 bytes of journal + 8 bytes of sequence, big-endian | one value |
 * | `n` + 16 bytes of journal | the last sequence number that was given |
 *
 * @module
 */
import { concatBytes, hashName, type StoreKeys } from "./seal.ts"

/** Rooms from the outside in, then the name of the table or journal. */
export type Path = readonly string[]

const NAME_BYTES_MAX = 128
const KEY_BYTES_MAX = 512
const PREFIX_BYTES = 17
const JOURNAL_LETTER = 0x6a
const NUMBER_LETTER = 0x6e
/** Id of the database in clear, then its sealed description. */
export const META_PLACE: Uint8Array = text("mstore")
/** How many batches were ever written; part of each. */
export const COUNT_PLACE: Uint8Array = text("mcount")
/** All `n` places lie between these two. */
export const NUMBERS_RANGE = { gt: text("n"), lt: text("o") } as const

/** Everything of one table lies behind this. */
export function tablePrefix(keys: StoreKeys, path: Path): Uint8Array {
  return concatBytes([text("t"), hashName(keys, `table\0${path.join("\0")}`)])
}

/** @throws {RangeError} when the key is longer than 512 bytes of UTF-8. */
export function entryPlace(
  keys: StoreKeys,
  path: Path,
  prefix: Uint8Array,
  key: string,
): Uint8Array {
  if (Buffer.byteLength(key) > KEY_BYTES_MAX)
    throw new RangeError(`Cannot use key: it has more than ${KEY_BYTES_MAX} bytes`)
  return concatBytes([prefix, hashName(keys, `entry\0${path.join("\0")}\0${key}`)])
}

/** Everything of one journal lies behind this. */
export function journalPrefix(keys: StoreKeys, path: Path): Uint8Array {
  return concatBytes([text("j"), hashName(keys, `journal\0${path.join("\0")}`)])
}

/** Sorts as the numbers do. */
export function sequencePlace(prefix: Uint8Array, sequence: number): Uint8Array {
  const number = new Uint8Array(8)
  new DataView(number.buffer).setBigUint64(0, BigInt(sequence))
  return concatBytes([prefix, number])
}

/** The sequence of a journal's place. */
export function sequenceOf(place: Uint8Array): number {
  const view = new DataView(place.buffer, place.byteOffset, place.byteLength)
  return Number(view.getBigUint64(PREFIX_BYTES))
}

/** Whether a place is that of a journal's value. */
export function isJournalPlace(place: Uint8Array): boolean {
  return place[0] === JOURNAL_LETTER && place.length === PREFIX_BYTES + 8
}

/** Whether a place is that of a journal's last number. */
export function isNumberPlace(place: Uint8Array): boolean {
  return place[0] === NUMBER_LETTER && place.length === PREFIX_BYTES
}

/** The prefix of the journal a value stands in. */
export function journalOf(place: Uint8Array): Uint8Array {
  return place.subarray(0, PREFIX_BYTES)
}

/** Where a journal keeps its last number. */
export function numberPlace(prefix: Uint8Array): Uint8Array {
  return concatBytes([text("n"), prefix.subarray(1)])
}

/** Everything behind a prefix. */
export function rangeOf(prefix: Uint8Array): { gt: Uint8Array; lt: Uint8Array } {
  return { gt: prefix, lt: concatBytes([prefix, new Uint8Array(33).fill(0xff)]) }
}

/** @throws {RangeError} when a room, table or journal has no name, a very long one, or one with a zero in it. */
export function checkName(name: string): string {
  if (name === "" || name.includes("\0") || Buffer.byteLength(name) > NAME_BYTES_MAX)
    throw new RangeError("Cannot name a part of the store: expected 1 to 128 bytes without a zero")
  return name
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

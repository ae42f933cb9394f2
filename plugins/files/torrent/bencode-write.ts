/**
 * Bencode, written.
 *
 * @see https://www.bittorrent.org/beps/bep_0003.html#bencoding
 * @module
 */
import type { BencodeValue } from "./bencode.ts"

/** What can be written: text becomes UTF-8, members that are `undefined` are left out. */
export type Bencodable =
  | BencodeValue
  | string
  | readonly Bencodable[]
  | { readonly [key: string]: Bencodable | undefined }

/**
 * Writes a value in its one spelling.
 *
 * @returns Bytes the caller owns.
 * @throws {RangeError} For numbers that are no safe integers.
 */
export function encodeBencode(value: Bencodable): Uint8Array {
  const parts: Uint8Array[] = []
  write(value, parts)
  return new Uint8Array(Buffer.concat(parts))
}

function write(value: Bencodable, parts: Uint8Array[]): void {
  if (typeof value === "number") parts.push(integer(value))
  else if (typeof value === "string") writeString(Buffer.from(value), parts)
  else if (value instanceof Uint8Array) writeString(value, parts)
  else if (isList(value)) {
    parts.push(Buffer.from("l"))
    for (const item of value) write(item, parts)
    parts.push(Buffer.from("e"))
  } else writeMap(value instanceof Map ? [...value] : Object.entries(value), parts)
}

function writeMap(
  entries: readonly (readonly [string, Bencodable | undefined])[],
  parts: Uint8Array[],
): void {
  parts.push(Buffer.from("d"))
  for (const [key, value] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (value === undefined) continue
    writeString(Buffer.from(key, "latin1"), parts)
    write(value, parts)
  }
  parts.push(Buffer.from("e"))
}

function writeString(bytes: Uint8Array, parts: Uint8Array[]): void {
  parts.push(Buffer.from(`${bytes.length}:`), bytes)
}

function integer(value: number): Uint8Array {
  if (!Number.isSafeInteger(value)) throw new RangeError("Not an integer that bencode can carry")
  return Buffer.from(`i${value === 0 ? 0 : value}e`)
}

/** `Array.isArray` does not narrow read-only arrays. */
function isList(value: Bencodable): value is readonly Bencodable[] {
  return Array.isArray(value)
}

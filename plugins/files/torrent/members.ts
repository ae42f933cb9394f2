/**
 * Members of bencoded dictionaries that others wrote: the value when it is there and of the right kind, else `undefined`.
 *
 * @module
 */
import type { BencodeMap, BencodeValue } from "./bencode.ts"

/** Characters of foreign words that are shown. */
const TEXT_CHARACTERS_MAX = 200
/** Control and format characters, surrogates, separators of lines. */
const UNSHOWABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu

/** An integer from `min` to `max`. */
export function integerOf(
  map: BencodeMap,
  key: string,
  [min, max]: readonly [min: number, max: number] = [0, Number.MAX_SAFE_INTEGER],
): number | undefined {
  const value = map.get(key)
  return typeof value === "number" && value >= min && value <= max ? value : undefined
}

/** A view of what was read. */
export function bytesOf(map: BencodeMap, key: string): Uint8Array | undefined {
  const value = map.get(key)
  return value instanceof Uint8Array ? value : undefined
}

export function mapOf(map: BencodeMap, key: string): BencodeMap | undefined {
  return asMap(map.get(key))
}

export function listOf(map: BencodeMap, key: string): readonly BencodeValue[] | undefined {
  const value = map.get(key)
  return Array.isArray(value) ? value : undefined
}

/** Somebody else's words, cleaned and cut so that they can be shown. */
export function wordsOf(map: BencodeMap, key: string): string | undefined {
  const bytes = bytesOf(map, key)
  if (bytes === undefined) return undefined
  const text = textFrom(bytes.subarray(0, TEXT_CHARACTERS_MAX * 4))
    .replace(UNSHOWABLE, " ")
    .trim()
  return [...text].slice(0, TEXT_CHARACTERS_MAX).join("")
}

/** UTF-8; what is none becomes U+FFFD. */
export function textFrom(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8")
}

export function asMap(value: BencodeValue | undefined): BencodeMap | undefined {
  return value instanceof Map ? value : undefined
}

/**
 * Kept keys as bytes, a part of a session on disk.
 *
 * @module
 */
import { type Cutter, numberBytes } from "./cutter.ts"
import { KEY_BYTES } from "./kdf.ts"
import {
  countKeys,
  KEPT_CHAINS_MAX,
  KEPT_KEYS_MAX,
  type KeptChain,
  type KeptKey,
  type KeptKeys,
} from "./kept-keys.ts"

/** The inverse of {@linkcode readKept}. */
export function writeKept(kept: KeptKeys): Uint8Array[] {
  return [
    numberBytes(kept.length, 2),
    ...kept.flatMap(({ headerKey, first, keys }) => [
      headerKey,
      numberBytes(first ? 1 : 0, 1),
      numberBytes(keys.length, 2),
      ...keys.map(writeKey),
    ]),
  ]
}

/** @throws {RangeError} for what is out of bounds or of order. */
export function readKept(cutter: Cutter): KeptKeys {
  const kept = take(cutter.number(2), KEPT_CHAINS_MAX, () => readChain(cutter))
  const marks = new Set(kept.map(({ headerKey }) => Buffer.from(headerKey).toString("hex")))
  if (marks.size < kept.length || countKeys(kept) > KEPT_KEYS_MAX)
    throw new RangeError("its kept keys are too many")
  return kept
}

function readChain(cutter: Cutter): KeptChain {
  const headerKey = cutter.take(KEY_BYTES)
  const flag = cutter.number(1)
  const keys = take(cutter.number(2), KEPT_KEYS_MAX, () => readKey(cutter))
  const isAscending = keys.every(
    (key, index) => index === 0 || key.number > keys[index - 1]!.number,
  )
  if (flag > 1 || keys.length === 0 || !isAscending)
    throw new RangeError("its kept keys are out of order")
  return { headerKey, first: flag === 1, keys }
}

function writeKey({ number, atMs, messageKey }: KeptKey): Uint8Array {
  return Buffer.concat([numberBytes(number, 4), numberBytes(atMs, 6), messageKey])
}

function readKey(cutter: Cutter): KeptKey {
  return { number: cutter.number(4), atMs: cutter.number(6), messageKey: cutter.take(KEY_BYTES) }
}

function take<T>(count: number, most: number, one: () => T): T[] {
  if (count > most) throw new RangeError("its kept keys are too many")
  return Array.from({ length: count }, one)
}

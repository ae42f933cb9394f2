/**
 * Randomness as a parameter: the system's for real, a seeded one for stories that can be replayed.
 *
 * @module
 */
import { randomBytes } from "node:crypto"

/** Gives `byteCount` fresh bytes; the caller owns them. */
export type RandomBytes = (byteCount: number) => Uint8Array

/** The operating system's generator; the only one for keys and ids. */
export const systemRandom: RandomBytes = (byteCount) => new Uint8Array(randomBytes(byteCount))

/** Numbers from 0 (included) to 1 (excluded); never for secrets. */
export type Chance = () => number

/** A repeatable {@linkcode Chance} (mulberry32): the same seed gives the same story. */
export function seededChance(seed: number): Chance {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

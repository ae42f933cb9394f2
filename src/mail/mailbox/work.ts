/**
 * Work that a stranger does before a door takes an envelope: scrypt, so that it costs memory as well as time.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7914
 * @see docs/protocol/mailbox.md#work
 * @module
 */
import { scrypt } from "node:crypto"
import type { RandomBytes } from "../../base/random.ts"
import { WORK_NONCE_BYTES } from "./mailbox.ts"

/** 16 MiB and about 30 ms a try. */
const COST = { N: 16_384, r: 8, p: 1, maxmem: 33_554_432 } as const
const SALT = "allium/mailbox/1/work"

/** What is to be worked for: one envelope at one door. */
export interface Puzzle {
  /** As the door gave it, 32 bytes. */
  readonly challenge: Uint8Array
  /** Id of the envelope, 16 bytes: an answer is good for this one alone. */
  readonly id: Uint8Array
  /** Leading zero bits. */
  readonly difficulty: number
}

/**
 * Searches for an answer, 2^`difficulty` tries on average, off the event loop.
 *
 * @returns 12 bytes: the first 4 of the challenge, then 8 that were found.
 * @throws The signal's reason.
 */
export async function findWork(
  puzzle: Puzzle,
  call: { signal: AbortSignal; random: RandomBytes },
): Promise<Uint8Array> {
  const nonce = new Uint8Array(WORK_NONCE_BYTES)
  nonce.set(puzzle.challenge.subarray(0, 4))
  for (;;) {
    call.signal.throwIfAborted()
    nonce.set(call.random(8), 4)
    if (await isWorkDone(puzzle, nonce)) return nonce
  }
}

/** Checks an answer: one try. */
export async function isWorkDone(puzzle: Puzzle, nonce: Uint8Array): Promise<boolean> {
  const tried = Buffer.concat([puzzle.challenge, puzzle.id, nonce])
  return zeroBits(await hash(tried)) >= puzzle.difficulty
}

function hash(tried: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    scrypt(tried, SALT, 32, COST, (error, key) => (error ? reject(error) : resolve(key)))
  })
}

function zeroBits(bytes: Uint8Array): number {
  const first = bytes.findIndex((byte) => byte !== 0)
  return first === -1 ? 8 * bytes.length : 8 * first + Math.clz32(bytes[first]!) - 24
}

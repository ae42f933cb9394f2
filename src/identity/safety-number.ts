/**
 * Sixty digits two people can compare to know that nobody stands between them.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { setImmediate as breathe } from "node:timers/promises"

/** As in Signal: makes searching for a key with the same digits dearer. */
const ITERATIONS = 5200
/** About 1 ms of work between two turns of the event loop. */
const ITERATIONS_AT_ONCE = 400
const DOMAIN = "allium safety number v1"
const GROUPS = 6
const GROUP_BYTES = 5

/**
 * The same on both sides, whoever is first; depends on the two identity keys only.
 *
 * @param one - Ed25519 public key, 32 bytes.
 * @returns 12 groups of 5 digits, with spaces between.
 */
export async function safetyNumber(one: Uint8Array, other: Uint8Array): Promise<string> {
  const [first, second] = [one, other].sort(Buffer.compare) as [Uint8Array, Uint8Array]
  const groups = [...(await digitsOf(first)), ...(await digitsOf(second))]
  return groups.join(" ")
}

/** Whether the digits a person typed, with whatever between them, are those. */
export function isSafetyNumber(typed: string, number: string): boolean {
  return typed.length <= 200 && typed.replace(/\D/g, "") === number.replace(/\D/g, "")
}

async function digitsOf(key: Uint8Array): Promise<string[]> {
  let digest = createHash("sha512").update(DOMAIN).update(key).digest()
  for (let round = 1; round < ITERATIONS; round++) {
    digest = createHash("sha512").update(digest).update(key).digest()
    if (round % ITERATIONS_AT_ONCE === 0) await breathe()
  }
  return Array.from({ length: GROUPS }, (_, index) =>
    String(digest.readUIntBE(GROUP_BYTES * index, GROUP_BYTES) % 100_000).padStart(5, "0"),
  )
}

/**
 * Joins two byte streams so that back-pressure and ends pass through both ways.
 *
 * @module
 */
import type { Duplex } from "node:stream"
import { pipeline } from "node:stream/promises"

/**
 * Copies both directions until both have ended; destroys both when one fails or `signal` aborts.
 * Takes ownership of both streams. Rejects with the first failure.
 */
export async function relay(
  left: Duplex,
  right: Duplex,
  call: { signal?: AbortSignal } = {},
): Promise<void> {
  const options = call.signal ? { signal: call.signal } : {}
  await pipeline(left, right, left, options)
}

/**
 * Marking messages as read: counts go down, and what disappears after reading begins to.
 *
 * @module
 */
import { isTheirs } from "./entry.ts"
import type { Pen } from "./pen.ts"

/** Messages marked in one commit. */
const STEP_MESSAGES = 500

/**
 * Marks messages as read up to `upTo`, at most 500 at once.
 *
 * @returns Id of the last message of theirs that was read now, and whether there is more to do.
 */
export async function markRead(
  pen: Pen,
  upTo: number,
  now: number,
): Promise<{ last: Uint8Array | undefined; more: boolean }> {
  const { head } = pen
  const end = Math.min(upTo, head.readTo + STEP_MESSAGES)
  let last: Uint8Array | undefined
  for (let number = head.readTo + 1; number <= end; number++) {
    const entry = await pen.entry(number)
    if (entry === undefined || !isTheirs(entry)) continue
    last = entry.id
    head.unread--
    if (entry.expiresS !== undefined && entry.expiresAt === undefined)
      pen.put(number, pen.expire(number, entry, now + entry.expiresS * 1_000))
  }
  head.readTo = Math.max(head.readTo, end)
  return { last, more: head.readTo < upTo }
}

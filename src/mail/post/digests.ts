/**
 * Which envelopes were taken before: so that what comes twice is not called unreadable.
 *
 * @module
 */
import { createHash } from "node:crypto"
import type { Draft } from "./draft.ts"
import { listJournal } from "./kept.ts"
import { equal } from "./sessions.ts"

/** Bytes of the hash by which an envelope is known again. */
const DIGEST_BYTES = 8
/** Digests that are kept with the state; then they go into a row of their own. */
const RECENT_DIGESTS = 32
/** Rows of digests kept: with the recent ones, 1,056 envelopes are known again. */
const DIGEST_ROWS_MAX = 32

/** Names an envelope, 8 bytes. */
export function digestOf(envelope: Uint8Array): Uint8Array {
  return createHash("sha256").update(envelope).digest().subarray(0, DIGEST_BYTES)
}

/** It was taken. */
export function remember(draft: Draft, digest: Uint8Array): void {
  const { state, tables } = draft
  const recent = new Uint8Array(Buffer.concat([state.recent, digest]))
  const isFull = recent.length >= RECENT_DIGESTS * DIGEST_BYTES
  state.recent = isFull ? new Uint8Array() : recent
  if (!isFull) return
  const row = tables.taken.append(recent)
  draft.add(row)
  if (row.sequence > DIGEST_ROWS_MAX) draft.add(tables.taken.remove(row.sequence - DIGEST_ROWS_MAX))
}

/** Whether it was taken, among the last thousand. */
export async function isKnown(draft: Draft, digest: Uint8Array): Promise<boolean> {
  const rows = await listJournal(draft.tables.taken)
  return [draft.state.recent, ...rows.map(([, row]) => row)].some((row) => {
    for (let at = 0; at < row.length; at += DIGEST_BYTES)
      if (equal(row.subarray(at, at + DIGEST_BYTES), digest)) return true
    return false
  })
}

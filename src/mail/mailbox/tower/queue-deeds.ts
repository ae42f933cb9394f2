/**
 * What is done to one queue, in a group of changes.
 *
 * @module
 */
import { AlliumError } from "../../../base/errors.ts"
import { markOf, type QueueIndex, rowOf } from "./index-block.ts"
import * as limits from "./limits.ts"
import type { Head } from "./rows.ts"
import type { TowerDraft } from "./state.ts"

/** One queue as a group finds it. */
export interface QueueAt {
  /** Hash of the receive id. */
  readonly key: string
  readonly head: Head
  readonly index: QueueIndex
}

/** Puts an envelope at the end. */
export async function append(
  draft: TowerDraft,
  { key, head, index }: QueueAt,
  item: { readonly id: Uint8Array; readonly envelope: Uint8Array; readonly atS: number },
): Promise<void> {
  const { id, envelope, atS } = item
  const change = draft.state.tables.envelopes.append(envelope)
  const grown = index.with(head.next, { mark: markOf(id), sequence: change.sequence, atS })
  draft.changes.push(change)
  draft.blocks.put(`${key}/${rowOf(head.next)}`, grown.row)
  draft.setIndex(key, grown.index)
  const oldestS = head.first === head.next ? atS : head.oldestS
  await draft.setHead(key, { ...head, next: head.next + 1, oldestS })
}

/** Drops everything before number `until`. */
export async function drop(
  draft: TowerDraft,
  key: string,
  head: Head,
  until: number,
): Promise<void> {
  const first = Math.min(until, head.next)
  if (first <= head.first) return
  const index = await draft.index(key)
  for (let number = head.first; number < first; number++) {
    const entry = index.entry(number)
    if (entry) draft.changes.push(draft.state.tables.envelopes.remove(entry.sequence))
  }
  const oldestS = index.entry(first)?.atS ?? 0
  await draft.setHead(key, { ...head, first, oldestS: first === head.next ? 0 : oldestS })
}

/** Everything goes; for who may put, where it moved stays. */
export async function end(draft: TowerDraft, key: string, head: Head): Promise<void> {
  const index = await draft.index(key)
  await drop(draft, key, head, head.next)
  for (const row of index.rowsThere()) draft.blocks.remove(`${key}/${row}`)
  if (head.greetingBytes > 0) draft.greetings.remove(key)
  if (head.kind === "door") draft.tickets.remove(key)
  draft.setIndex(key, undefined)
  const { moved, next } = head
  const left = { ...head, first: next, oldestS: 0, greetingBytes: 0, ended: true }
  await draft.setHead(key, moved && left)
}

/** Whether something of the queue, or all of it, has expired. */
export function isDue(head: Head, nowS: number): boolean {
  const isOld = head.oldestS > 0 && head.oldestS + limits.ENVELOPE_LIFE_S <= nowS
  return isOld || isOver(head, nowS)
}

/** Ends a queue that is over, or drops what is too old in it. */
export async function expire(draft: TowerDraft, key: string, nowS: number): Promise<void> {
  const head = await draft.heads.get(key)
  if (head === undefined) return
  if (isOver(head, nowS)) return end(draft, key, { ...head, moved: undefined })
  const index = await draft.index(key)
  const oldS = nowS - limits.ENVELOPE_LIFE_S
  let until = head.first
  while (until < head.next && (index.entry(until)?.atS ?? 0) <= oldS) until++
  await drop(draft, key, head, until)
}

function isOver({ heardS, moved }: Head, nowS: number): boolean {
  const endS = moved ? moved.atS + limits.MOVED_LIFE_S : heardS + limits.QUEUE_LIFE_S
  return endS <= nowS
}

/** It takes nothing more until something is taken out. */
export function isFull({ kind, first, next }: Head): boolean {
  const max = kind === "door" ? limits.DOOR_ENVELOPES_MAX : limits.QUEUE_ENVELOPES_MAX
  return next - first >= max
}

/** @throws {AlliumError} `NO_QUEUE` when nobody owns it any more. */
export function requireOwned(head: Head | undefined): Head {
  if (head !== undefined && head.ended !== true) return head
  throw new AlliumError("NO_QUEUE", "Cannot use queue: there is none with this id")
}

/** Room for a new queue, or for so many bytes more. @throws {AlliumError} `MAILBOX_FULL`. */
export function requireRoom(draft: TowerDraft, bytes?: number): void {
  const queuesFull = bytes === undefined && draft.sums.queues >= draft.state.limits.queuesMax
  if (!queuesFull && draft.hasRoom(bytes ?? 4_096)) return
  throw new AlliumError("MAILBOX_FULL", "Cannot keep that: the tower is full")
}

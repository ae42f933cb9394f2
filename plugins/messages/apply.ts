/**
 * What a record does to a conversation. Records come once each, in their author's order; those of different authors
 * come in any order.
 *
 * @module
 */
import { type Entry, isOurs, isTheirs, stateOf } from "./entry.ts"
import { type EarlyRecord, GONE, type Pen } from "./pen.ts"
import { markRead } from "./reading.ts"
import type { MessageRecord, TextRecord } from "./wire.ts"

/** Of the messages that were read at once, so many of the newest are told of one by one. */
const READ_TOLD_MAX = 100

/** Who says it, and when it came. */
export interface Said {
  /** Identity key; our own for what another device of ours wrote. */
  readonly by: string
  /** Our clock; milliseconds since 1970. */
  readonly now: number
}

/** Does what the record says, as far as its author may. */
export async function applyRecord(pen: Pen, record: MessageRecord, said: Said): Promise<void> {
  switch (record.kind) {
    case "text":
      return applyText(pen, record, said)
    case "edit":
    case "delete":
    case "react":
      return applyToTarget(pen, record, said)
    case "read":
      return applyRead(pen, record.upTo, said)
    case "timer":
      pen.head.timerS = record.seconds
      return
    case "typing":
      return
  }
}

async function applyText(pen: Pen, record: TextRecord, said: Said): Promise<void> {
  if ((await pen.find(record.id)) !== undefined) return
  const { v: _, kind: __, ...content } = record
  const ours = said.by === pen.head.identity
  const inGroup = pen.head.kind === "group" && !ours
  const entry: Entry = {
    ...content,
    state: ours ? "queued" : "received",
    storedAt: said.now,
    ...(inGroup && { author: said.by }),
  }
  const early = await pen.takeEarly(entry.id)
  if (early.some((one) => one.record.kind === "delete" && one.by === said.by))
    return pen.forget(entry.id)
  const number = pen.add(entry)
  if (!ours) pen.head.unread++
  else if (entry.expiresS !== undefined)
    pen.put(
      number,
      pen.expire(number, (await pen.entry(number))!, said.now + entry.expiresS * 1_000),
    )
  pen.note(entry.state, number, entry)
  for (const { record: about, by } of early) await applyToTarget(pen, about, { ...said, by })
}

async function applyToTarget(pen: Pen, record: EarlyRecord, said: Said): Promise<void> {
  const number = await pen.find(record.target)
  if (number === undefined) return pen.keepEarly(said.by, record)
  const entry = number === GONE ? undefined : await pen.entry(number)
  if (number === GONE || entry === undefined) return
  if (record.kind === "react") return react(pen, number, entry, record.emoji, said)
  if (authorOf(pen, entry) !== said.by) return // only authors edit and delete
  if (record.kind === "edit") return edit(pen, number, entry, record.text, said)
  await pen.remove(number, entry)
  pen.note("deleted", number, entry)
}

/** Identity key of who wrote a message. */
export function authorOf({ head }: Pen, entry: Entry): string {
  return entry.author ?? (isOurs(entry) ? head.identity : head.contact)
}

/** Another text in place of what stands there. */
export function edit(pen: Pen, number: number, entry: Entry, text: string, said: Said): void {
  pen.write(number, { ...entry, text, editedAt: said.now })
  pen.note("edited", number, { ...entry, text, editedAt: said.now })
}

/** One reaction of each; empty takes it back. */
export function react(pen: Pen, number: number, entry: Entry, emoji: string, said: Said): void {
  const { [said.by]: _, ...others } = entry.reactions ?? {}
  const reactions = emoji === "" ? others : { ...others, [said.by]: emoji }
  const changed = { ...entry, reactions }
  pen.put(number, changed)
  pen.note("reacted", number, changed)
}

async function applyRead(pen: Pen, id: Uint8Array, { by, now }: Said): Promise<void> {
  const number = await pen.find(id)
  const entry = number ? await pen.entry(number) : undefined
  if (number === undefined || entry === undefined) return
  const ours = by === pen.head.identity
  if (ours ? !isTheirs(entry) : !isOurs(entry)) return // nobody reads messages of their own
  if (ours) return void (await markRead(pen, number, now))
  if (number <= pen.head.peerReadTo || pen.head.kind === "group") return
  const from = Math.max(pen.head.peerReadTo, number - READ_TOLD_MAX)
  pen.head.peerReadTo = number
  for (let each = from + 1; each <= number; each++) {
    const one = await pen.entry(each)
    if (one && stateOf(each, one, pen.head) === "read") pen.note("read", each, one)
  }
}

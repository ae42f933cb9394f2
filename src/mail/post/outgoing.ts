/**
 * From letters to sealed envelopes, and back to delivered letters when acknowledgements come.
 *
 * @module
 */
import type { RandomBytes } from "../../base/random.ts"
import type { EnvelopeCrypto } from "../envelope/crypto.ts"
import { ENVELOPE_ID_BYTES } from "../mailbox/mailbox.ts"
import type { Draft } from "./draft.ts"
import { oweAgain, owedAcks, paidAcks } from "./incoming.ts"
import type { Flying, Session } from "./kept.ts"
import { CONTROL_TOPIC } from "./letter.ts"
import type { Entry, Outbox, Scrolled } from "./outbox.ts"
import {
  type Ack,
  ORIGIN_BYTES,
  PART_HEAD_BYTES,
  PAYLOAD_HEAD_BYTES,
  type Payload,
  writePayload,
} from "./payload.ts"
import { covers, firstMissing, mergeRanges, type Range } from "./ranges.ts"
import { equal, keepSession, preferred } from "./sessions.ts"

/** Envelopes with letters that may be sealed and not acknowledged: as many as a tower holds for one correspondent. */
export const FLIGHT_ENVELOPES_MAX = 256
/** How far the scroll may run ahead of the oldest letter; receivers keep as much. */
export const WINDOW_BYTES = 8 * 1_048_576

/** What sealing needs. */
export interface SealParts {
  readonly crypto: EnvelopeCrypto
  readonly random: RandomBytes
  readonly outbox: Scrolled
  /** Gives the next number for an envelope in flight. */
  readonly nextKey: () => number
}

/** An envelope that is to be put, with its bytes. */
export interface Sealed extends Flying {
  readonly envelope: Uint8Array
}

/** Whether there are bytes of letters that no envelope carries yet and that may be cut now. */
export function hasUncut(
  draft: Pick<Draft, "state" | "flight">,
  outbox: Pick<Scrolled, "size">,
): boolean {
  const { base, held } = draft.state
  const [from, to] = firstMissing(held, Math.max(draft.state.cut, base), 1)
  const letters = [...draft.flight.values()].filter(({ range }) => range[0] < range[1]).length
  const inWindow = to <= base + outbox.size && to <= base + WINDOW_BYTES
  return from < to && inWindow && letters < FLIGHT_ENVELOPES_MAX
}

/** Whether envelopes in flight were sealed for another session than the one to send with. */
export function isForAnother({
  sessions,
  state,
  flight,
}: Pick<Draft, "sessions" | "state" | "flight">): boolean {
  const session = preferred(sessions, state)
  if (session === undefined) return false
  return [...flight.values()].some((flying) => flying.session !== session.name)
}

/** Envelopes for another session are given up; what they carried is cut anew. */
function reconcile(draft: Draft): void {
  if (isForAnother(draft)) cutAnew(draft)
}

/** Gives up what is in flight; the letters in it are sealed again. */
export function cutAnew(draft: Draft): void {
  draft.flight = new Map()
  draft.state.cut = draft.state.base
  oweAgain(draft)
}

/**
 * Seals at most `most` envelopes: what is not cut yet, with acknowledgements, or these alone.
 *
 * @param withAcks - Whether an envelope may be made for acknowledgements alone.
 */
export async function sealMore(
  draft: Draft,
  parts: SealParts,
  options: { most: number; withAcks: boolean },
): Promise<Sealed[]> {
  const sealed: Sealed[] = []
  for (let count = 0; count < options.most; count++) {
    const session = preferred(draft.sessions, draft.state)
    if (session === undefined) break
    reconcile(draft)
    const payload = await nextPayload(draft, session, parts.outbox)
    if (payload.part === undefined && !(options.withAcks && owes(draft, payload.acks))) break
    sealed.push(seal(draft, session, { payload, parts }))
  }
  return sealed
}

/** Whether they are to be told something even when no letter goes. */
export function owes(
  { state }: Pick<Draft, "state">,
  acks: readonly Ack[] = owedAcks(state, [], 0),
): boolean {
  return state.answer || acks.length > 0
}

async function nextPayload(draft: Draft, session: Session, outbox: Scrolled): Promise<Payload> {
  const { state } = draft
  const room = session.crypto.capacity - PAYLOAD_HEAD_BYTES
  const acks = owedAcks(state, draft.parts, Math.floor(room / 2))
  const left = room - writePayload({ ...headOf(draft, session), acks }).length + PAYLOAD_HEAD_BYTES
  const part = await cut(draft, outbox, left - PART_HEAD_BYTES)
  return { ...headOf(draft, session), acks, ...(part && { part }) }
}

function headOf({ state }: Draft, session: Session): Pick<Payload, "origin" | "epoch"> {
  return { origin: state.origin, epoch: session.epoch }
}

async function cut(draft: Draft, outbox: Scrolled, length: number): Promise<Payload["part"]> {
  const { state } = draft
  if (length < 1 || !hasUncut(draft, outbox)) return undefined
  const [offset, end] = firstMissing(state.held, Math.max(state.cut, state.base), length)
  const bytes = await outbox.read(offset - state.base, end - offset)
  return bytes.length === 0 ? undefined : { base: state.base, offset, bytes }
}

function seal(
  draft: Draft,
  session: Session,
  { payload, parts }: { payload: Payload; parts: SealParts },
): Sealed {
  const sealed = parts.crypto.seal(session.crypto, writePayload(payload))
  keepSession(draft, { ...session, crypto: sealed.session })
  paidAcks(draft)
  const { part } = payload
  const range: Range = part ? [part.offset, part.offset + part.bytes.length] : [0, 0]
  if (part) {
    draft.state.cut = range[1]
    draft.state.top = Math.max(draft.state.top, range[1])
  } else dropBare(draft)
  const flying = { key: parts.nextKey(), id: parts.random(ENVELOPE_ID_BYTES), range }
  return fly(draft, { ...flying, session: session.name, envelope: sealed.envelope })
}

/** An acknowledgement that is still here is worth nothing beside a newer one. */
function dropBare(draft: Draft): void {
  draft.flight = new Map([...draft.flight].filter(([, { range }]) => range[0] < range[1]))
}

function fly(draft: Draft, sealed: Sealed): Sealed {
  const { key, id, session, range, envelope } = sealed
  draft.flight = new Map([...draft.flight, [key, { key, id, session, range }]])
  const [from, to] = range
  draft.add(draft.tables.flight.put(String(key), { id, envelope, session, from, to }))
  return sealed
}

/** What an acknowledgement brought. */
export interface Acknowledged {
  /** Letters they have now, oldest first. */
  readonly delivered: readonly Entry[]
  /** They name more than we ever sent: our memory is older than theirs. */
  readonly impossible: boolean
}

/** Takes what they say they have; the caller removes the delivered letters from the outbox when it is on disk. */
export function hearAck(
  draft: Draft,
  outbox: Outbox,
  call: { ack: Ack; current: boolean; skip: number },
): Acknowledged {
  const { ack, current, skip } = call
  const { state } = draft
  if (!equal(ack.origin, state.origin)) return { delivered: [], impossible: false }
  if (ack.upto > state.top) return { delivered: [], impossible: true }
  const delivered: Entry[] = []
  for (const entry of outbox.entries.slice(skip)) {
    if (state.base + entry.size > ack.upto) break
    state.base += entry.size
    delivered.push(entry)
  }
  state.cut = Math.max(state.cut, state.base)
  if (current) state.held = mergeRanges([...state.held, ...inside(ack.ranges, state.top)])
  state.held = state.held.filter(([, to]) => to > state.base)
  dropArrived(draft)
  return { delivered, impossible: false }
}

/** Nobody can have what was never sent. */
function inside(ranges: readonly Range[], top: number): Range[] {
  return ranges.filter(([, to]) => to <= top)
}

function dropArrived(draft: Draft): void {
  const { base, held } = draft.state
  const has: Range[] = mergeRanges([...(base > 0 ? [[0, base] as const] : []), ...held])
  const left = [...draft.flight].filter(
    ([, { range }]) => range[0] === range[1] || !covers(has, range),
  )
  if (left.length < draft.flight.size) draft.flight = new Map(left)
}

/** Gives up all that waits; the receiver will be told where the next letter begins. */
export function cancelAll(draft: Draft, outbox: Outbox): Entry[] {
  const { state } = draft
  let end = state.base
  for (const { size } of outbox.entries) if (end < state.top) end += size
  Object.assign(state, { base: end, cut: end, top: end, held: [] })
  draft.flight = new Map()
  return [...outbox.entries]
}

/** Begins to count anew: what waits is sent from its first byte under another origin. */
export function renewOrigin(draft: Draft, random: RandomBytes): void {
  const origin = random(ORIGIN_BYTES)
  Object.assign(draft.state, { origin, base: 0, cut: 0, top: 0, stored: 0, held: [] })
  draft.flight = new Map()
}

/** Letters of plugins among these. */
export function ofPlugins<T extends { readonly topic: string }>(entries: readonly T[]): T[] {
  return entries.filter(({ topic }) => topic !== CONTROL_TOPIC)
}

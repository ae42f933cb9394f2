/**
 * From parts of their scroll to whole letters, in order, each once.
 *
 * @module
 */
import type { Draft } from "./draft.ts"
import { type HeldPart, type Scroll, type State, toHex } from "./kept.ts"
import { LETTER_BODY_BYTES_MAX, LETTER_LENGTH_BYTES } from "./letter.ts"
import {
  ACK_HEAD_BYTES,
  ACK_RANGES_MAX,
  ACKS_MAX,
  type Ack,
  type Part,
  RANGE_BYTES,
} from "./payload.ts"
import { covers, mergeRanges, type Range } from "./ranges.ts"
import { equal } from "./sessions.ts"

/** How far ahead of the next letter parts are kept; beyond, they will come again. */
const AHEAD_BYTES_MAX = 8 * 1_048_576
/** Bytes of parts kept for one correspondent: twice what may come ahead, for parts that overlap. */
const HELD_BYTES_MAX = 16 * 1_048_576
/** Parts kept for one correspondent. */
const HELD_PARTS_MAX = 16_384

/** Keeps a part unless it is known or too far ahead; says that they are to hear what we have. */
export function hearPart(draft: Draft, origin: Uint8Array, part: Part): void {
  const scroll = skipTo(draft, { ...scrollOf(draft, origin, part.base), owed: true }, part.base)
  keepScroll(draft, scroll)
  const range: Range = [part.offset, part.offset + part.bytes.length]
  if (isWelcome(draft, scroll, range)) hold(draft, scroll, { range, bytes: part.bytes })
}

function scrollOf({ state }: Draft, origin: Uint8Array, base: number): Scroll {
  const known = state.incoming.find((scroll) => equal(scroll.origin, origin))
  return known ?? { origin, next: base, owed: true, broken: false }
}

/** Letters before `base` will never come. */
function skipTo(draft: Draft, scroll: Scroll, base: number): Scroll {
  if (base <= scroll.next) return scroll
  dropBefore(draft, scroll, base)
  return { ...scroll, next: base, broken: false }
}

/** Newest last; with one too many the oldest goes, with its parts. */
function keepScroll(draft: Draft, scroll: Scroll): void {
  const { state } = draft
  const index = state.incoming.findIndex(({ origin }) => equal(origin, scroll.origin))
  const all = index < 0 ? [...state.incoming, scroll] : state.incoming.with(index, scroll)
  const gone = all.slice(0, Math.max(0, all.length - ACKS_MAX))
  state.incoming = all.slice(-ACKS_MAX)
  for (const { origin } of gone) dropBefore(draft, { origin }, Number.POSITIVE_INFINITY)
}

function isWelcome(draft: Draft, scroll: Scroll, range: Range): boolean {
  if (scroll.broken || range[1] <= scroll.next) return false
  if (range[1] > scroll.next + AHEAD_BYTES_MAX) return false
  if (draft.parts.length >= HELD_PARTS_MAX) return false
  const bytes = draft.parts.reduce((sum, part) => sum + part.range[1] - part.range[0], 0)
  if (bytes + range[1] - range[0] > HELD_BYTES_MAX) return false
  return !covers(rangesOf(draft.parts, scroll), range)
}

function hold(
  draft: Draft,
  { origin }: Scroll,
  { range, bytes }: { range: Range; bytes: Uint8Array },
): void {
  const hex = toHex(origin)
  const key = `${hex} ${range[0]} ${range[1]}`
  draft.fresh.set(key, bytes)
  draft.parts = [...draft.parts, { key, origin: hex, range }]
}

function dropBefore(draft: Draft, { origin }: Pick<Scroll, "origin">, end: number): void {
  const hex = toHex(origin)
  const left = draft.parts.filter((part) => part.origin !== hex || part.range[1] > end)
  if (left.length < draft.parts.length) draft.parts = left
}

function partsOf(parts: readonly HeldPart[], { origin }: Pick<Scroll, "origin">): HeldPart[] {
  const hex = toHex(origin)
  return parts
    .filter((part) => part.origin === hex)
    .sort((left, right) => left.range[0] - right.range[0])
}

function rangesOf(parts: readonly HeldPart[], scroll: Pick<Scroll, "origin">): Range[] {
  return mergeRanges(partsOf(parts, scroll).map(({ range }) => range))
}

/** A letter that is whole and next. */
export interface NextLetter {
  readonly scroll: Scroll
  /** Without its length. */
  readonly body: Uint8Array
  /** Where it ends. */
  readonly end: number
}

/** The next letter of any of their scrolls that can be handed over. */
export async function nextLetter(draft: Draft): Promise<NextLetter | undefined> {
  for (const scroll of draft.state.incoming) {
    const length = scroll.broken ? undefined : await lengthOfNext(draft, scroll)
    if (length === undefined) continue
    const start = scroll.next + LETTER_LENGTH_BYTES
    const body = await gather(draft, scroll, [start, start + length])
    if (body !== undefined) return { scroll, body, end: start + length }
  }
  return undefined
}

async function lengthOfNext(draft: Draft, scroll: Scroll): Promise<number | undefined> {
  const { next } = scroll
  const field = await gather(draft, scroll, [next, next + LETTER_LENGTH_BYTES])
  if (field === undefined) return undefined
  const length = Buffer.from(field).readUInt32BE()
  if (length > 0 && length <= LETTER_BODY_BYTES_MAX) return length
  keepScroll(draft, { ...scroll, broken: true })
  dropBefore(draft, scroll, Number.POSITIVE_INFINITY)
  return undefined
}

/** The letter is where it belongs: the scroll goes on behind it. */
export function advance(draft: Draft, { scroll, end }: NextLetter): void {
  keepScroll(draft, { ...scroll, next: end, owed: true })
  dropBefore(draft, scroll, end)
}

/** Bytes of their scroll, when all of them are here. */
async function gather(
  draft: Draft,
  scroll: Scroll,
  [from, to]: Range,
): Promise<Uint8Array | undefined> {
  if (!covers(rangesOf(draft.parts, scroll), [from, to])) return undefined
  const bytes = new Uint8Array(to - from)
  let at = from
  for (const part of partsOf(draft.parts, scroll)) {
    const [start, end] = part.range
    if (end <= at || start >= to) continue
    const content = await contentOf(draft, part)
    bytes.set(content.subarray(at - start, to - start), at - from)
    at = Math.min(end, to)
  }
  return bytes
}

async function contentOf(draft: Draft, { key, range }: HeldPart): Promise<Uint8Array> {
  const fresh = draft.fresh.get(key) ?? (await draft.tables.parts.get(key))?.bytes
  return fresh ?? new Uint8Array(range[1] - range[0])
}

/** What they are to hear, in at most about `byteCount` bytes; each names one range at least, if there is any. */
export function owedAcks(state: State, parts: readonly HeldPart[], byteCount: number): Ack[] {
  const owed = state.incoming.filter((scroll) => scroll.owed)
  const each = Math.floor(byteCount / Math.max(1, owed.length)) - ACK_HEAD_BYTES
  const most = Math.min(ACK_RANGES_MAX, Math.max(1, Math.floor(each / RANGE_BYTES)))
  return owed.map((scroll) => ({
    origin: scroll.origin,
    upto: scroll.next,
    ranges: rangesOf(parts, scroll)
      .map(([from, to]): Range => [Math.max(from, scroll.next), to])
      .slice(0, most),
  }))
}

/** They are to be told once more: what told them may be lost. */
export function oweAgain({ state }: Draft): void {
  state.incoming = state.incoming.map((scroll) =>
    equal(scroll.origin, state.peerOrigin) ? { ...scroll, owed: true } : scroll,
  )
}

/** They were told. */
export function paidAcks({ state }: Draft): void {
  if (state.incoming.some(({ owed }) => owed))
    state.incoming = state.incoming.map((scroll) => ({ ...scroll, owed: false }))
  state.answer = false
}

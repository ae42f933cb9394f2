/**
 * From parts of their stream to whole letters, in order, each once.
 *
 * @module
 */
import type { Draft } from "./draft.ts"
import { type HeldPart, type State, type Stream, toHex } from "./kept.ts"
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
  const stream = skipTo(draft, { ...streamOf(draft, origin, part.base), owed: true }, part.base)
  keepStream(draft, stream)
  const range: Range = [part.offset, part.offset + part.bytes.length]
  if (isWelcome(draft, stream, range)) hold(draft, stream, { range, bytes: part.bytes })
}

function streamOf({ state }: Draft, origin: Uint8Array, base: number): Stream {
  const known = state.incoming.find((stream) => equal(stream.origin, origin))
  return known ?? { origin, next: base, owed: true, broken: false }
}

/** Letters before `base` will never come. */
function skipTo(draft: Draft, stream: Stream, base: number): Stream {
  if (base <= stream.next) return stream
  dropBefore(draft, stream, base)
  return { ...stream, next: base, broken: false }
}

/** Newest last; with one too many the oldest goes, with its parts. */
function keepStream(draft: Draft, stream: Stream): void {
  const { state } = draft
  const index = state.incoming.findIndex(({ origin }) => equal(origin, stream.origin))
  const all = index < 0 ? [...state.incoming, stream] : state.incoming.with(index, stream)
  const gone = all.slice(0, Math.max(0, all.length - ACKS_MAX))
  state.incoming = all.slice(-ACKS_MAX)
  for (const { origin } of gone) dropBefore(draft, { origin }, Number.POSITIVE_INFINITY)
}

function isWelcome(draft: Draft, stream: Stream, range: Range): boolean {
  if (stream.broken || range[1] <= stream.next) return false
  if (range[1] > stream.next + AHEAD_BYTES_MAX) return false
  if (draft.parts.length >= HELD_PARTS_MAX) return false
  const bytes = draft.parts.reduce((sum, part) => sum + part.range[1] - part.range[0], 0)
  if (bytes + range[1] - range[0] > HELD_BYTES_MAX) return false
  return !covers(rangesOf(draft.parts, stream), range)
}

function hold(
  draft: Draft,
  { origin }: Stream,
  { range, bytes }: { range: Range; bytes: Uint8Array },
): void {
  const hex = toHex(origin)
  const key = `${hex} ${range[0]} ${range[1]}`
  draft.fresh.set(key, bytes)
  draft.parts = [...draft.parts, { key, origin: hex, range }]
}

function dropBefore(draft: Draft, { origin }: Pick<Stream, "origin">, end: number): void {
  const hex = toHex(origin)
  const left = draft.parts.filter((part) => part.origin !== hex || part.range[1] > end)
  if (left.length < draft.parts.length) draft.parts = left
}

function partsOf(parts: readonly HeldPart[], { origin }: Pick<Stream, "origin">): HeldPart[] {
  const hex = toHex(origin)
  return parts
    .filter((part) => part.origin === hex)
    .sort((left, right) => left.range[0] - right.range[0])
}

function rangesOf(parts: readonly HeldPart[], stream: Pick<Stream, "origin">): Range[] {
  return mergeRanges(partsOf(parts, stream).map(({ range }) => range))
}

/** A letter that is whole and next. */
export interface NextLetter {
  readonly stream: Stream
  /** Without its length. */
  readonly body: Uint8Array
  /** Where it ends. */
  readonly end: number
}

/** The next letter of any of their streams that can be handed over. */
export async function nextLetter(draft: Draft): Promise<NextLetter | undefined> {
  for (const stream of draft.state.incoming) {
    const length = stream.broken ? undefined : await lengthOfNext(draft, stream)
    if (length === undefined) continue
    const start = stream.next + LETTER_LENGTH_BYTES
    const body = await gather(draft, stream, [start, start + length])
    if (body !== undefined) return { stream, body, end: start + length }
  }
  return undefined
}

async function lengthOfNext(draft: Draft, stream: Stream): Promise<number | undefined> {
  const { next } = stream
  const field = await gather(draft, stream, [next, next + LETTER_LENGTH_BYTES])
  if (field === undefined) return undefined
  const length = Buffer.from(field).readUInt32BE()
  if (length > 0 && length <= LETTER_BODY_BYTES_MAX) return length
  keepStream(draft, { ...stream, broken: true })
  dropBefore(draft, stream, Number.POSITIVE_INFINITY)
  return undefined
}

/** The letter is where it belongs: the stream goes on behind it. */
export function advance(draft: Draft, { stream, end }: NextLetter): void {
  keepStream(draft, { ...stream, next: end, owed: true })
  dropBefore(draft, stream, end)
}

/** Bytes of their stream, when all of them are here. */
async function gather(
  draft: Draft,
  stream: Stream,
  [from, to]: Range,
): Promise<Uint8Array | undefined> {
  if (!covers(rangesOf(draft.parts, stream), [from, to])) return undefined
  const bytes = new Uint8Array(to - from)
  let at = from
  for (const part of partsOf(draft.parts, stream)) {
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
  const owed = state.incoming.filter((stream) => stream.owed)
  const each = Math.floor(byteCount / Math.max(1, owed.length)) - ACK_HEAD_BYTES
  const most = Math.min(ACK_RANGES_MAX, Math.max(1, Math.floor(each / RANGE_BYTES)))
  return owed.map((stream) => ({
    origin: stream.origin,
    upto: stream.next,
    ranges: rangesOf(parts, stream)
      .map(([from, to]): Range => [Math.max(from, stream.next), to])
      .slice(0, most),
  }))
}

/** They are to be told once more: what told them may be lost. */
export function oweAgain({ state }: Draft): void {
  state.incoming = state.incoming.map((stream) =>
    equal(stream.origin, state.peerOrigin) ? { ...stream, owed: true } : stream,
  )
}

/** They were told. */
export function paidAcks({ state }: Draft): void {
  if (state.incoming.some(({ owed }) => owed))
    state.incoming = state.incoming.map((stream) => ({ ...stream, owed: false }))
  state.answer = false
}

/**
 * The posts of one author from one home, in order: what is next, what came early, what was asked for.
 *
 * Values, never changed: each deed gives a new chain.
 *
 * @see docs/protocol/groups.md
 * @module
 */
import { same } from "./bytes.ts"
import type { Head } from "./log.ts"
import type { Post } from "./records.ts"

/** Posts of one chain that came early and wait for those before them; more are asked for again later. */
export const EARLY_POSTS_MAX = 64
/** Posts that one answer brings. */
export const ANSWER_POSTS_MAX = 16
/** Before what is missing is asked for again; four times as long after each. */
export const ASK_FIRST_MS = 60_000
/** How often: the last wait ends after 23 hours, then the rest is shown without what is missing. */
export const ASKS_MAX = 6

/** A post that came in. */
export interface Early {
  readonly post: Post
  /** As {@linkcode postHash} says. */
  readonly hash: Uint8Array
}

/** What was asked for last. */
export interface Asked {
  readonly atMs: number
  /** How often without any progress. */
  readonly times: number
  /** The last number that was asked for. */
  readonly upto: number
}

/** See the module. */
export interface Chain {
  readonly author: string
  readonly era: Uint8Array
  /** Number of the post that is shown next; undefined until the author said where we begin. */
  readonly next: number | undefined
  /** Hash of the post before; undefined when we never had it. */
  readonly previous: Uint8Array | undefined
  /** The highest number we know of. */
  readonly tail: number
  readonly asked: Asked | undefined
  /** By number; all are at least `next`. */
  readonly early: ReadonlyMap<number, Early>
}

/** What a step made of a chain. */
export interface Advance {
  readonly chain: Chain
  /** In order; to be shown now. */
  readonly shown: readonly Early[]
  /** How many posts will never come. */
  readonly missing: number
}

/** A chain nothing is known of. */
export function newChain(author: string, era: Uint8Array): Chain {
  return {
    ...{ author, era, next: undefined, previous: undefined, tail: 0 },
    ...{ asked: undefined, early: new Map() },
  }
}

/** Puts a post where it belongs; the caller advances the chain afterwards. */
export function takeEarly(chain: Chain, early: Early): Chain {
  const { sequence } = early.post
  const tail = Math.max(chain.tail, sequence)
  if (chain.next !== undefined && sequence < chain.next) return chain
  if (chain.early.has(sequence) || chain.early.size >= EARLY_POSTS_MAX) return { ...chain, tail }
  return { ...chain, tail, early: new Map(chain.early).set(sequence, early) }
}

/**
 * Shows what is next as long as there is something.
 *
 * @param judge - What the log says of a post: `wait` for entries we lack, `drop` what cannot be believed.
 */
export function advance(chain: Chain, judge: (head: Head) => "show" | "wait" | "drop"): Advance {
  const shown: Early[] = []
  for (;;) {
    const found = chain.next === undefined ? undefined : chain.early.get(chain.next)
    if (found === undefined) break
    const verdict = follows(chain, found) ? judge(found.post.head) : "drop"
    if (verdict === "wait") break
    const early = new Map(chain.early)
    early.delete(found.post.sequence)
    chain = { ...chain, early }
    if (verdict === "drop") break
    shown.push(found)
    chain = { ...chain, next: found.post.sequence + 1, previous: found.hash }
  }
  return { chain, shown, missing: 0 }
}

/** The author says that we get nothing up to `floor`, and how far they are. */
export function hear(
  chain: Chain,
  said: { floor: number; sequence: number },
): { chain: Chain; missing: number } {
  const tail = Math.max(chain.tail, said.sequence)
  const floor = Math.min(said.floor, said.sequence)
  if (chain.next === undefined) return { chain: skipTo({ ...chain, tail }, floor + 1), missing: 0 }
  const missing = Math.max(0, floor + 1 - chain.next)
  return {
    chain: missing > 0 ? skipTo({ ...chain, tail }, floor + 1) : { ...chain, tail },
    missing,
  }
}

/** What to ask for: numbers, `where` when we do not know where we begin; undefined when nothing is missing. */
export function gapOf(chain: Chain): { from: number; upto: number } | "where" | undefined {
  if (chain.next === undefined) return "where"
  if (chain.early.has(chain.next) || chain.tail < chain.next) return undefined
  const first = Math.min(chain.tail + 1, ...chain.early.keys())
  return { from: chain.next, upto: Math.min(first - 1, chain.next + ANSWER_POSTS_MAX - 1) }
}

/** Whether it may be asked now: at once when the last answer came whole, otherwise less and less often. */
export function mayAsk(chain: Chain, nowMs: number): boolean {
  const { asked } = chain
  if (asked === undefined) return true
  if (chain.next !== undefined && chain.next > asked.upto) return true
  return asked.times < ASKS_MAX && nowMs >= dueMs(asked)
}

/** Notes that it was asked. */
export function noteAsked(chain: Chain, upto: number, nowMs: number): Chain {
  const fresh = chain.asked === undefined || (chain.next ?? 0) > chain.asked.upto
  const times = fresh ? 1 : chain.asked.times + 1
  return { ...chain, asked: { atMs: nowMs, times, upto } }
}

/** Whether nobody can be expected to answer any more. */
export function isHopeless(chain: Chain, nowMs: number): boolean {
  return chain.asked !== undefined && chain.asked.times >= ASKS_MAX && nowMs >= dueMs(chain.asked)
}

/** Goes on without what is missing. */
export function giveUp(chain: Chain): { chain: Chain; missing: number } {
  const next = Math.min(chain.tail + 1, ...chain.early.keys())
  return { chain: skipTo(chain, next), missing: next - (chain.next ?? next) }
}

function skipTo(chain: Chain, next: number): Chain {
  const early = new Map([...chain.early].filter(([sequence]) => sequence >= next))
  return { ...chain, next, previous: undefined, asked: undefined, early }
}

/** Where we never had the post before, whatever it names is taken. */
function follows(chain: Chain, { post }: Early): boolean {
  return chain.previous === undefined || same(post.previous, chain.previous)
}

function dueMs({ atMs, times }: Asked): number {
  return atMs + ASK_FIRST_MS * 4 ** (times - 1)
}

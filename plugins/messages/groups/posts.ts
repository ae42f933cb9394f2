/**
 * Posts of others as they come: put in order, believed when the log says so, asked for when they are missing.
 *
 * @module
 */
import { compareHead } from "./asking.ts"
import {
  ANSWER_POSTS_MAX,
  advance,
  type Chain,
  gapOf,
  giveUp,
  hear,
  isHopeless,
  mayAsk,
  noteAsked,
  takeEarly,
} from "./chain.ts"
import { type Head, hashAt } from "./log.ts"
import { sayHere } from "./presence.ts"
import { type PlainRecord, postHash, readPost } from "./records.ts"
import { floorFor } from "./state.ts"
import type { Turn } from "./turn.ts"

/** Bytes of posts that came early in one group; more are asked for again later. */
export const EARLY_BYTES_MAX = 4 * 1_048_576

/** Takes a post. @param passed - It came through others: the author is told that we have it. */
export function takePost(turn: Turn, author: string, bytes: Uint8Array, passed: boolean): void {
  const post = readPost(bytes)
  if (!mayTake(turn, author, post.head) || isOld(turn, author, post.head)) return
  const before = turn.chain(author, post.era)
  // The first post is where everybody begins; another home of ours need not tell us.
  const known = before.next === undefined && (post.sequence === 1 || author === turn.me)
  const chain = known ? { ...before, next: post.sequence } : before
  const early = { post, hash: postHash(turn.state.log.id, author, bytes) }
  const isNext = chain.next === post.sequence
  if (isNext || earlyBytes(turn) + post.body.length <= EARLY_BYTES_MAX)
    run(turn, takeEarly(chain, early))
  else run(turn, { ...chain, tail: Math.max(chain.tail, post.sequence) })
  const { next, era } = turn.chain(author, post.era)
  if (passed && next !== undefined && next > post.sequence)
    turn.tell(author, { do: "got", era, upto: next - 1 })
}

/** Someone says how far they are. */
export function takeHere(turn: Turn, author: string, said: PlainRecord & { do: "here" }): void {
  if (author === turn.me || !mayTake(turn, author, said.head)) return
  if (hashAt(turn.state.log, said.head.number) !== undefined) turn.change({ unsure: false })
  const { chain, missing } = hear(turn.chain(author, said.era), said)
  noteMissing(turn, author, missing)
  run(turn, chain)
  if (said.reply && turn.spend(author)) sayHere(turn, author, false)
}

/** Someone asks for posts of ours. */
export function givePosts(
  turn: Turn,
  to: string,
  asked: { readonly era: Uint8Array; readonly from: number; readonly upto: number },
): void {
  const { log, own } = turn.state
  const member = log.members.get(to)
  if (member === undefined || Buffer.compare(asked.era, own.era) !== 0) return
  const floor = floorFor(own, member.joined)
  const from = Math.max(asked.from, floor + 1)
  const upto = Math.min(asked.upto, from + ANSWER_POSTS_MAX - 1, own.sequence)
  if (asked.from <= floor && turn.spend(to)) sayHere(turn, to, false)
  if (from <= upto && turn.spend(to, upto - from + 1))
    turn.note({ kind: "resend", member: to, from, upto })
}

/** Goes on with every chain: the log has changed, or time has passed. */
export function runAll(turn: Turn): void {
  for (const chain of turn.state.chains.values()) run(turn, chain)
}

/** Shows what can be shown of a chain, and asks for what is missing. */
export function run(turn: Turn, start: Chain): void {
  const { author } = start
  const { chain, shown } = advance(start, (head) => judge(turn, author, head))
  for (const { post } of shown) turn.shown.push({ author, post })
  turn.putChain(chain)
  if (author !== turn.me && turn.state.log.members.has(author)) askGap(turn, chain)
}

function askGap(turn: Turn, chain: Chain): void {
  const { nowMs } = turn.world
  const gap = gapOf(chain)
  if (gap === undefined) return
  if (isHopeless(chain, nowMs)) goOn(turn, chain)
  else if (mayAsk(chain, nowMs)) ask(turn, chain, gap)
}

function ask(turn: Turn, chain: Chain, gap: NonNullable<ReturnType<typeof gapOf>>): void {
  turn.putChain(noteAsked(chain, gap === "where" ? 0 : gap.upto, turn.world.nowMs))
  if (gap === "where") sayHere(turn, chain.author, true)
  else turn.tell(chain.author, { do: "ask", posts: { era: chain.era, ...gap } })
}

function goOn(turn: Turn, chain: Chain): void {
  const given = giveUp(chain)
  noteMissing(turn, chain.author, given.missing)
  run(turn, given.chain)
}

/** Members only, both of us; who is not one in our log may be one in theirs. */
function mayTake(turn: Turn, author: string, head: Head): boolean {
  const { log, leavingMs } = turn.state
  if (hashAt(log, head.number) === undefined) compareHead(turn, author, head)
  return leavingMs === undefined && [turn.me, author].every((key) => log.members.has(key))
}

/** Said before the author, or we, joined this time: a straggler. */
function isOld(turn: Turn, author: string, head: Head): boolean {
  const { members } = turn.state.log
  const joined = [author, turn.me].map((key) => members.get(key)?.joined ?? Infinity)
  return head.number < Math.max(...joined)
}

function judge(turn: Turn, author: string, head: Head): "show" | "wait" | "drop" {
  if (isOld(turn, author, head)) return "drop"
  const found = compareHead(turn, author, head)
  return found === "same" ? "show" : found === "ahead" ? "wait" : "drop"
}

function noteMissing(turn: Turn, member: string, count: number): void {
  if (count > 0) turn.note({ kind: "missing", member, count })
}

function earlyBytes(turn: Turn): number {
  let byteCount = 0
  for (const { early } of turn.state.chains.values())
    for (const { post } of early.values()) byteCount += post.body.length
  return byteCount
}

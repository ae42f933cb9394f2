/**
 * The log as it grows: entries taken and given; and what follows when members come and go.
 *
 * @module
 */
import { askLog } from "./asking.ts"
import { readEntry, type SignedBytes } from "./entry.ts"
import { extendLog, type GroupLog, standingOf, visibleTo } from "./log.ts"
import { runAll } from "./posts.ts"
import { greet } from "./presence.ts"
import { LOG_RECORD_BYTES } from "./records.ts"
import type { Turn } from "./turn.ts"

/** Records that one answer brings: at least 250 entries. */
const ANSWER_RECORDS_MAX = 64

/** Takes entries from anybody: they prove themselves. @throws {AlliumError} `BAD_RECORD`. */
export function learn(turn: Turn, entries: readonly SignedBytes[], from: string): void {
  const before = turn.state.log
  for (const signed of entries) {
    const entry = readEntry(signed)
    const standing = standingOf(turn.state.log, entry)
    if (standing === "fork") forked(turn, entry.says.number)
    if (standing === "next") turn.change({ log: extendLog(turn.state.log, entry) })
    if (standing === "ahead") askLog(turn, from, entry.says.number)
  }
  grown(turn, before)
}

/** What follows from a log that has grown since `before`. */
export function grown(turn: Turn, before: GroupLog): void {
  const { log, logAsked } = turn.state
  if (log.entries.length === before.entries.length) return
  turn.note({ kind: "changed", number: log.entries.length })
  movedMembers(turn, before)
  if (logAsked !== undefined) {
    turn.change({ logAsked: undefined })
    if (log.entries.length < logAsked.upto) askLog(turn, logAsked.of, logAsked.upto)
    else turn.change({ unsure: false })
  }
  runAll(turn)
}

/** Gives entries after `after` to who may see them. */
export function giveLog(turn: Turn, to: string, after: number): void {
  const { entries } = turn.state.log
  const wanted = entries.slice(after, visibleTo(turn.state.log, to)).map(({ signed }) => signed)
  const records = inRecords(wanted).slice(0, ANSWER_RECORDS_MAX)
  if (!turn.spend(to, records.length)) return
  for (const record of records) turn.tell(to, { do: "log", entries: record })
}

/** Cuts entries into records that fit an envelope each. */
function inRecords(entries: readonly SignedBytes[]): SignedBytes[][] {
  const records: SignedBytes[][] = []
  let byteCount = Infinity
  for (const entry of entries) {
    const size = entry.body.length + 90
    byteCount += size
    if (byteCount > LOG_RECORD_BYTES) {
      records.push([])
      byteCount = size
    }
    records[records.length - 1]!.push(entry)
  }
  return records
}

function forked(turn: Turn, number: number): void {
  if (turn.state.forkedAt !== undefined) return
  turn.change({ forkedAt: number })
  turn.note({ kind: "forked", number })
}

function movedMembers(turn: Turn, before: GroupLog): void {
  const { members } = turn.state.log
  const isNew = (key: string) => members.get(key)?.joined !== before.members.get(key)?.joined
  const isOwner = turn.state.log.owner === turn.me && before.owner !== turn.me
  if (isOwner && turn.state.leavingMs !== undefined) stay(turn)
  if (!isNew(turn.me)) othersMoved(turn, before, isNew)
  else if (members.has(turn.me)) joined(turn)
  else gone(turn)
}

function othersMoved(turn: Turn, before: GroupLog, isNew: (key: string) => boolean): void {
  for (const key of before.members.keys()) if (isNew(key)) forget(turn, key)
  if (!turn.state.log.members.has(turn.me)) return
  for (const key of turn.others()) if (isNew(key)) greet(turn, key)
}

/** An owner cannot leave: the group was handed to us before our wish arrived. */
function stay(turn: Turn): void {
  turn.change({ leavingMs: undefined })
  turn.note({ kind: "joined" })
}

/** We begin here: whatever was before is not for us. */
function joined(turn: Turn): void {
  turn.change({ chains: new Map(), leavingMs: undefined })
  turn.note({ kind: "joined" })
  for (const key of turn.others()) greet(turn, key)
}

function gone(turn: Turn): void {
  turn.change({ chains: new Map(), agreements: new Map(), leavingMs: undefined })
  turn.note({ kind: "gone" })
}

function forget(turn: Turn, key: string): void {
  const { chains, agreements, budgets } = turn.state
  const others = <T>(map: ReadonlyMap<string, T>) =>
    new Map([...map].filter(([found]) => found !== key))
  turn.change({
    chains: new Map([...chains].filter(([, { author }]) => author !== key)),
    agreements: others(agreements),
    budgets: others(budgets),
  })
}

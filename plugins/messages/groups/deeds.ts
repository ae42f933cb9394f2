/**
 * What we do to a group: as its owner, and as a member.
 *
 * @module
 */
import { AlliumError } from "allium/plugin"
import { keyBytes } from "./bytes.ts"
import { ASK_FIRST_MS, ASKS_MAX } from "./chain.ts"
import { type EntryBody, isLeaveOf, minuteOf, signLeave, writeEntry } from "./entry.ts"
import { giveLog, grown } from "./history.ts"
import { beginLog, extendLog, LOG_ENTRIES_MAX, MEMBERS_MAX, type Member } from "./log.ts"
import { runAll } from "./posts.ts"
import { inquire } from "./presence.ts"
import { ERA_BYTES, type PlainRecord, postHash, writePost } from "./records.ts"
import { type GroupState, type GroupWorld, newState } from "./state.ts"
import type { Turn } from "./turn.ts"

/** How often members tell each other how far they are, if there is anything new. */
export const HERE_EVERY_MS = 86_400_000

/** A deed of the owner without what every entry has. */
export type Deed = EntryBody extends infer B
  ? B extends { deed: Exclude<EntryBody["deed"], "create"> }
    ? Omit<B, "author" | "at" | "number" | "group" | "parent">
    : never
  : never

/** Makes a group of ours alone. */
export function createGroup(world: GroupWorld, name: string): GroupState {
  const entry = writeEntry(world.self, {
    ...{ deed: "create", number: 1, author: world.self.publicKey, at: minuteOf(world.nowMs) },
    ...{ name, nonce: world.random(16) },
  })
  return newState(beginLog(entry), world.random(ERA_BYTES))
}

/**
 * Writes an entry, and tells everybody.
 *
 * @throws {AlliumError} `GROUP_ROLE` when we are not the owner, `NOT_FOUND` for who is no member, `ALREADY_EXISTS` for who is
 * one, `LIMIT_REACHED` when there is no room for a member or an entry, `BUSY` while a restored log may be old.
 */
export function act(turn: Turn, deed: Deed): void {
  requireSound(turn, deed)
  const before = turn.state.log
  const { number, hash: parent } = turn.head
  const common = { group: before.id, parent, number: number + 1, at: minuteOf(turn.world.nowMs) }
  const author = turn.world.self.publicKey
  const entry = writeEntry(turn.world.self, { ...deed, ...common, author } as EntryBody)
  turn.change({ log: extendLog(before, entry) })
  for (const key of before.members.keys())
    if (key !== turn.me) turn.tell(key, { do: "log", entries: [entry.signed] })
  for (const key of turn.others()) if (!before.members.has(key)) giveLog(turn, key, 0)
  grown(turn, before)
}

/**
 * Says something to all members.
 * @param body - At most {@linkcode BODY_BYTES_MAX} bytes.
 * @returns The post, to be kept until `KEPT_POSTS_MAX` newer ones are there.
 * @throws {AlliumError} `GROUP_ROLE` when we do not belong to the group.
 */
export function say(turn: Turn, body: Uint8Array): { sequence: number; bytes: Uint8Array } {
  requireMember(turn)
  const { own, log } = turn.state
  const sequence = own.sequence + 1
  const previous = own.hash && { previous: own.hash }
  const bytes = writePost({ era: own.era, sequence, ...previous, head: turn.head, body })
  const { number } = turn.head
  const known = own.steps.at(-1)?.number === number
  const steps = known ? own.steps : [...own.steps, { number, first: sequence }]
  turn.change({ own: { ...own, sequence, hash: postHash(log.id, turn.me, bytes), steps } })
  for (const key of turn.others()) turn.tell(key, { do: "post", post: bytes }, sequence)
  return { sequence, bytes }
}

/**
 * Leaves: nothing is taken or said any more; the owner is told until the log says so.
 * @throws {AlliumError} `GROUP_ROLE` for an owner who is not alone, or who does not belong to the group.
 */
export function leave(turn: Turn): void {
  const { joined } = requireMember(turn)
  const { log } = turn.state
  if (log.owner === turn.me && log.members.size > 1)
    throw new AlliumError(
      "GROUP_ROLE",
      "Cannot leave group: you are its owner, expected it to be handed over first",
    )
  turn.change({ leavingMs: turn.world.nowMs })
  turn.note({ kind: "gone" })
  if (log.owner !== turn.me) sayLeave(turn, joined)
}

/** The owner takes a wish to leave into the log. */
export function takeLeave(turn: Turn, from: string, said: PlainRecord & { do: "leave" }): void {
  const { log, unsure } = turn.state
  const of = { group: log.id, joined: said.joined }
  const member = log.members.get(from)
  if (log.owner !== turn.me || unsure || member?.joined !== said.joined || from === turn.me) return
  if (!isLeaveOf(from, of, said.wish)) return
  const { joined, wish } = said
  act(turn, { deed: "leave", member: keyBytes(from), joined, wish })
}

/** What time brings: to be called once a minute, and when a contact comes or goes. */
export function tick(turn: Turn): void {
  const { log, leavingMs } = turn.state
  const member = log.members.get(turn.me)
  if (member === undefined) return
  const { nowMs } = turn.world
  askLogAgain(turn)
  hereToAll(turn) // also while we leave: what we know of the log, others may need
  if (leavingMs === undefined) runAll(turn)
  else if (log.owner !== turn.me && nowMs >= leavingMs + HERE_EVERY_MS) {
    turn.change({ leavingMs: nowMs })
    sayLeave(turn, member.joined)
  }
}

/** After a restore: we ask everybody how far they are, and wait for one of them. */
export function reviveGroup(turn: Turn): void {
  turn.change({ unsure: true })
  for (const key of turn.others()) inquire(turn, key, true)
}

function askLogAgain(turn: Turn): void {
  const { log, logAsked } = turn.state
  const { nowMs } = turn.world
  if (logAsked === undefined || log.entries.length >= logAsked.upto) return
  const { times, atMs, upto, of } = logAsked
  if (times >= ASKS_MAX || nowMs < atMs + ASK_FIRST_MS * 4 ** (times - 1)) return
  const whom = times % 2 === 1 && log.owner !== turn.me ? log.owner : of
  turn.change({ logAsked: { of, upto, times: times + 1, atMs: nowMs } })
  turn.tell(whom, { do: "ask", log: log.entries.length })
}

function hereToAll(turn: Turn): void {
  const { told, own } = turn.state
  const { number } = turn.head
  const { nowMs } = turn.world
  if (told.number === number && told.sequence === own.sequence) return
  if (told.atMs === 0) turn.change({ told: { ...told, atMs: nowMs } }) // the news itself has just gone out
  if (told.atMs === 0 || nowMs < told.atMs + HERE_EVERY_MS) return
  turn.change({ told: { atMs: nowMs, number, sequence: own.sequence } })
  for (const key of turn.others()) inquire(turn, key, false)
}

function sayLeave(turn: Turn, joined: number): void {
  const wish = signLeave(turn.world.self, { group: turn.state.log.id, joined })
  turn.tell(turn.state.log.owner, { do: "leave", joined, wish })
}

function requireMember(turn: Turn): Member {
  const member = turn.state.log.members.get(turn.me)
  if (member !== undefined && turn.state.leavingMs === undefined) return member
  throw new AlliumError(
    "GROUP_ROLE",
    "Cannot use group: you left it or were removed, expected a member",
  )
}

function requireSound(turn: Turn, deed: Deed): void {
  const { log, unsure } = turn.state
  requireMember(turn)
  if (log.owner !== turn.me)
    throw new AlliumError("GROUP_ROLE", "Cannot change group: you are a member, expected its owner")
  if (unsure)
    throw new AlliumError(
      "BUSY",
      "Cannot change group: it was restored, expected word of a member first",
    )
  if (log.entries.length >= LOG_ENTRIES_MAX)
    throw new AlliumError(
      "LIMIT_REACHED",
      `Cannot change group: its log has ${LOG_ENTRIES_MAX} entries`,
    )
  if ("member" in deed) requireFit(turn, deed)
}

function requireFit(turn: Turn, deed: Deed & { member: Uint8Array }): void {
  const { log } = turn.state
  const key = Buffer.from(deed.member).toString("base64url")
  const isMember = log.members.has(key)
  if (deed.deed === "add" && isMember)
    throw new AlliumError("ALREADY_EXISTS", "Cannot add member: they belong to the group already")
  if (deed.deed === "add" && log.members.size >= MEMBERS_MAX)
    throw new AlliumError(
      "LIMIT_REACHED",
      `Cannot add member: the group has ${MEMBERS_MAX} members`,
    )
  if (deed.deed !== "add" && !isMember)
    throw new AlliumError("NOT_FOUND", "Cannot change group: they are no member")
  if (deed.deed !== "add" && key === turn.me)
    throw new AlliumError("GROUP_ROLE", "Cannot change group: you are its owner already")
}

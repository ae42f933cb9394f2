/**
 * What we do to a group: change it as its owner, say something as a member.
 *
 * @module
 */
import { AlliumError } from "allium/plugin"
import { type EntryBody, minuteOf, writeEntry } from "./entry.ts"
import { giveLog, grown } from "./history.ts"
import { beginLog, extendLog, LOG_ENTRIES_MAX, MEMBERS_MAX, type Member } from "./log.ts"
import { ERA_BYTES, postHash, writePost } from "./records.ts"
import { type GroupState, type GroupWorld, newState } from "./state.ts"
import type { Turn } from "./turn.ts"

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

/** @throws {AlliumError} `GROUP_ROLE` for who does not belong to the group. */
export function requireMember(turn: Turn): Member {
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

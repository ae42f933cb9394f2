/**
 * The member log of a group: entries in a chain of hashes, each signed by who was the owner then.
 *
 * The owner wins: nobody else's entry counts. Who signs two entries with one number has forked the log: the one that came first stays,
 * the other is refused and told.
 *
 * @see docs/protocol/groups.md
 * @module
 */
import { badRecord, keyText, same } from "./bytes.ts"
import { type Entry, type EntryBody, isLeaveOf } from "./entry.ts"

/** Members of a group, the owner among them: each message goes out once for each. */
export const MEMBERS_MAX = 32
/** Entries of a log: 300 KB at most; then a new group is made. */
export const LOG_ENTRIES_MAX = 1_000

/** Who belongs to a group. */
export interface Member {
  /** Identity key, base64url, 43 characters. */
  readonly key: string
  /** Number of the entry that added them. */
  readonly joined: number
  /** Who added them: the owner then, and a contact of theirs. */
  readonly by: string
  readonly label?: string
}

/** A log, valid from its first entry; a value, never changed. */
export interface GroupLog {
  /** Hash of the first entry, 32 bytes. */
  readonly id: Uint8Array
  /** At least one; entry number n stands at n - 1. */
  readonly entries: readonly Entry[]
  readonly name: string
  /** Identity key of who may sign the next entry. */
  readonly owner: string
  readonly members: ReadonlyMap<string, Member>
}

/** Number and hash of an entry; of the newest one, if nothing else is said. */
export interface Head {
  readonly number: number
  readonly hash: Uint8Array
}

/** How an entry stands to a log. `ahead`: entries before it are missing. */
export type Standing = "next" | "known" | "ahead" | "fork"

/** Begins a log. @throws {AlliumError} `BAD_RECORD` when it is no first entry. */
export function beginLog(entry: Entry): GroupLog {
  if (entry.says.deed !== "create") throw badRecord("group log", "it does not begin with create")
  const owner = { key: entry.author, joined: 1, by: entry.author }
  return {
    ...{ id: entry.hash, entries: [entry], name: entry.says.name, owner: entry.author },
    members: new Map([[entry.author, owner]]),
  }
}

/** @throws {AlliumError} `BAD_RECORD` for an entry of another group, or whose author was not the owner. */
export function standingOf(log: GroupLog, entry: Entry): Standing {
  const { says } = entry
  if (!same(says.deed === "create" ? entry.hash : says.group, log.id))
    throw badRecord("group entry", "it is of another group")
  if (says.number > log.entries.length + 1) return "ahead"
  if (same(hashAt(log, says.number), entry.hash)) return "known"
  if (entry.author !== ownerBefore(log, says.number))
    throw badRecord("group entry", "its author was not the owner")
  const follows = says.deed !== "create" && same(says.parent, hashAt(log, says.number - 1))
  return says.number === log.entries.length + 1 && follows ? "next" : "fork"
}

/** The log with one entry more. @throws {AlliumError} `BAD_RECORD` for an entry that may not follow. */
export function extendLog(log: GroupLog, entry: Entry): GroupLog {
  if (standingOf(log, entry) !== "next") throw badRecord("group entry", "it does not follow")
  if (log.entries.length >= LOG_ENTRIES_MAX) throw badRecord("group log", "it is full")
  return { ...log, entries: [...log.entries, entry], ...changed(log, entry.says) }
}

/** The same for an entry from our disk, which was judged when it came. */
export function restoreLog(log: GroupLog, entry: Entry): GroupLog {
  return { ...log, entries: [...log.entries, entry], ...changed(log, entry.says) }
}

/** Number and hash of the newest entry. */
export function headOf(log: GroupLog): Head {
  return { number: log.entries.length, hash: log.entries[log.entries.length - 1]!.hash }
}

/** Hash of an entry by number; undefined when there is none. */
export function hashAt(log: GroupLog, number: number): Uint8Array | undefined {
  return log.entries[number - 1]?.hash
}

/** The last entry someone may see: the newest for members, that of their going for others, 0 for who never was one. */
export function visibleTo(log: GroupLog, key: string): number {
  if (log.members.has(key)) return log.entries.length
  return (
    log.entries.findLastIndex(({ says }) => "member" in says && keyText(says.member) === key) + 1
  )
}

/** Whose entry with this number counts. */
function ownerBefore(log: GroupLog, number: number): string {
  const before = log.entries.slice(0, number - 1)
  const handed = before.findLast(({ says }) => says.deed === "hand-over")?.says
  return handed?.deed === "hand-over" ? keyText(handed.member) : log.entries[0]!.author
}

function changed(log: GroupLog, says: EntryBody): Partial<GroupLog> {
  switch (says.deed) {
    case "create":
      throw badRecord("group entry", "it would create the group again")
    case "rename":
      return { name: says.name }
    case "add":
      return { members: withMember(log, says) }
    case "hand-over":
      return { owner: requireOther(log, keyText(says.member)) }
    case "leave":
      requireWish(log, says)
      return { members: without(log, keyText(says.member)) }
    case "remove":
      return { members: without(log, keyText(says.member)) }
  }
}

function withMember(log: GroupLog, says: EntryBody & { deed: "add" }): ReadonlyMap<string, Member> {
  const key = keyText(says.member)
  if (log.members.has(key)) throw badRecord("group entry", "it adds a member again")
  if (log.members.size >= MEMBERS_MAX) throw badRecord("group entry", "the group is full")
  const { number: joined, label } = says
  const member = { key, joined, by: keyText(says.author), ...(label !== undefined && { label }) }
  return new Map(log.members).set(key, member)
}

function without(log: GroupLog, key: string): ReadonlyMap<string, Member> {
  const members = new Map(log.members)
  members.delete(requireOther(log, key))
  return members
}

function requireOther(log: GroupLog, key: string): string {
  if (!log.members.has(key)) throw badRecord("group entry", "it names no member")
  if (key === log.owner) throw badRecord("group entry", "it names the owner")
  return key
}

function requireWish(log: GroupLog, says: EntryBody & { deed: "leave" }): void {
  const member = log.members.get(keyText(says.member))
  const of = { group: log.id, joined: says.joined }
  if (member?.joined === says.joined && isLeaveOf(member.key, of, says.wish)) return
  throw badRecord("group entry", "the member did not sign the wish to leave")
}

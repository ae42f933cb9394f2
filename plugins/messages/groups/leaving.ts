/**
 * Leaving a group: a member signs the wish, the owner takes it into the log.
 *
 * @module
 */
import { AlliumError } from "allium/plugin"
import { keyBytes } from "./bytes.ts"
import { act, requireMember } from "./deeds.ts"
import { isLeaveOf, signLeave } from "./entry.ts"
import type { PlainRecord } from "./records.ts"
import type { Turn } from "./turn.ts"

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

/** Tells the owner that we want to leave. */
export function sayLeave(turn: Turn, joined: number): void {
  const wish = signLeave(turn.world.self, { group: turn.state.log.id, joined })
  turn.tell(turn.state.log.owner, { do: "leave", joined, wish })
}

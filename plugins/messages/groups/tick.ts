/**
 * What time brings to a group, and coming back.
 *
 * @module
 */
import { askLogAgain } from "./asking.ts"
import { sayLeave } from "./leaving.ts"
import { runAll } from "./posts.ts"
import { inquire } from "./presence.ts"
import type { Turn } from "./turn.ts"

/** How often members tell each other how far they are, if there is anything new. */
export const HERE_EVERY_MS = 86_400_000

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

/**
 * Entries of the log that others have and we lack.
 *
 * @module
 */
import { same } from "./bytes.ts"
import { ASK_FIRST_MS, ASKS_MAX } from "./chain.ts"
import { type Head, hashAt } from "./log.ts"
import type { Turn } from "./turn.ts"

/** What a question about entries that differ takes from the budget of who differs. */
const DIFFERS_COST = 20

/** Someone has more entries than we: asks for them, not too often. */
export function askLog(turn: Turn, of: string, upto: number): void {
  const { log, logAsked } = turn.state
  const { nowMs } = turn.world
  if (upto <= log.entries.length || of === turn.me) return
  const times = logAsked?.times ?? 0
  if (logAsked !== undefined && nowMs < logAsked.atMs + ASK_FIRST_MS * 4 ** (times - 1)) return
  turn.change({ logAsked: { of, upto, atMs: nowMs, times: Math.min(times + 1, ASKS_MAX) } })
  turn.tell(of, { do: "ask", log: log.entries.length })
}

/** Asks again for what has not come: the owner and who has it, in turns. */
export function askLogAgain(turn: Turn): void {
  const { log, logAsked } = turn.state
  const { nowMs } = turn.world
  if (logAsked === undefined || log.entries.length >= logAsked.upto) return
  const { times, atMs, upto, of } = logAsked
  if (times >= ASKS_MAX || nowMs < atMs + ASK_FIRST_MS * 4 ** (times - 1)) return
  const whom = times % 2 === 1 && log.owner !== turn.me ? log.owner : of
  turn.change({ logAsked: { of, upto, times: times + 1, atMs: nowMs } })
  turn.tell(whom, { do: "ask", log: log.entries.length })
}

/** Compares what another says is the log with ours. */
export function compareHead(turn: Turn, of: string, head: Head): "same" | "ahead" | "differs" {
  const ours = hashAt(turn.state.log, head.number)
  if (ours === undefined) {
    askLog(turn, of, head.number)
    return "ahead"
  }
  if (same(ours, head.hash)) return "same"
  turn.note({ kind: "differs", member: of })
  // Their entry with this number is the proof of who forked the log.
  if (turn.spend(of, DIFFERS_COST)) turn.tell(of, { do: "ask", log: head.number - 1 })
  return "differs"
}

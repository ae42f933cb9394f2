/**
 * How many sessions tunnels and plugins may have together: each keeps several I2P tunnels of the router
 * busy. Who holds how many is known, so that a full budget can say what to end.
 *
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import type { SessionOwner } from "./sessions.ts"

/** One each for twice as many tunnels as may be, or some for tunnels that keep visits apart. */
export const SESSIONS_MAX = 64
/** Who has most is named; the rest is added up. */
const NAMED = 4

/** Places for sessions. */
export interface SessionBudget {
  /**
   * Takes one place; what it returns gives the place back, once.
   * @throws {AlliumError} `SESSION_LIMIT` when there is none.
   */
  take(owner: SessionOwner): () => void
}

/** Who has a session without a place: identities, their mail, names. One for each session. */
export type Uncounted = () => readonly SessionOwner[]

/** A budget of so many places; `uncounted` is only told of. */
export function openSessionBudget(
  sessionsMax: number,
  uncounted: Uncounted = () => [],
): SessionBudget {
  const held = new Map<string, number>()
  let taken = 0
  return {
    take(owner) {
      if (taken >= sessionsMax) throw budgetSpent(sessionsMax, held, uncounted())
      const holder = holderOf(owner)
      add(held, holder, 1)
      taken++
      let isGiven = false
      return () => {
        if (isGiven) return
        isGiven = true
        taken--
        add(held, holder, -1)
      }
    },
  }
}

/** Sessions of one plugin are told of together. */
function holderOf({ kind, name }: SessionOwner): string {
  return `${kind} ${name.split("/")[0]}`
}

function add(counts: Map<string, number>, key: string, change: number): void {
  const count = (counts.get(key) ?? 0) + change
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}

function budgetSpent(
  sessionsMax: number,
  held: ReadonlyMap<string, number>,
  others: readonly SessionOwner[],
): AlliumError {
  const most = [...held].sort(([, left], [, right]) => right - left)
  const named = most.slice(0, NAMED).map(([holder, count]) => `${holder} ${count}`)
  const rest = most.slice(NAMED).reduce((sum, [, count]) => sum + count, 0)
  if (rest > 0) named.push(`others ${rest}`)
  const besides = new Map<string, number>()
  for (const { kind } of others) add(besides, kind, 1)
  const uncounted = [...besides].map(([kind, count]) => `${kind} ${count}`)
  const more = uncounted.length === 0 ? "" : `; not counted: ${uncounted.join(", ")}`
  const found = `tunnels and plugins have ${sessionsMax} already (${named.join(", ")}${more})`
  return new AlliumError("SESSION_LIMIT", `Cannot open session: ${found}, expected fewer`)
}

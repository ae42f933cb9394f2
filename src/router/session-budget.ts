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
  /** How many places are taken, and by whom. */
  report(): BudgetReport
}

/** How a {@linkcode SessionBudget} stands. */
export interface BudgetReport {
  readonly used: number
  readonly max: number
  /** Who has any, most first: `tunnel proxy`. */
  readonly holders: readonly { readonly owner: string; readonly sessions: number }[]
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
  const report = (): BudgetReport => ({ used: taken, max: sessionsMax, holders: mostFirst(held) })
  return {
    report,
    take(owner) {
      if (taken >= sessionsMax) throw budgetSpent(report(), uncounted())
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

function mostFirst(counts: ReadonlyMap<string, number>): BudgetReport["holders"] {
  const all = [...counts].map(([owner, sessions]) => ({ owner, sessions }))
  return all.sort((left, right) => right.sessions - left.sessions)
}

/** `tunnel proxy 5, plugin sites 2, others 3`. */
export function namedHolders({ holders }: Pick<BudgetReport, "holders">): string {
  const named = holders.slice(0, NAMED).map(({ owner, sessions }) => `${owner} ${sessions}`)
  const rest = holders.slice(NAMED).reduce((sum, { sessions }) => sum + sessions, 0)
  return [...named, ...(rest > 0 ? [`others ${rest}`] : [])].join(", ")
}

function budgetSpent(report: BudgetReport, others: readonly SessionOwner[]): AlliumError {
  const besides = new Map<string, number>()
  for (const { kind } of others) add(besides, kind, 1)
  const uncounted = [...besides].map(([kind, count]) => `${kind} ${count}`)
  const more = uncounted.length === 0 ? "" : `; not counted: ${uncounted.join(", ")}`
  const found = `tunnels and plugins have ${report.max} already (${namedHolders(report)}${more})`
  return new AlliumError("SESSION_LIMIT", `Cannot open session: ${found}, expected fewer`)
}

/**
 * What became of a text of ours at each member, and what that says of it as a whole.
 *
 * @module
 */
import { type LetterState, z } from "allium/plugin"
import { bytesOf } from "./bytes.ts"

/**
 * `queued`: on our disk. `relayed`: who passes it on has it. `stored`: a tower has it. `delivered`: they have it on disk.
 * `failed`: it will not be sent to them any more. In order: a fact never goes back.
 */
const MEMBER_STATES = ["queued", "relayed", "stored", "failed", "delivered"] as const
export type MemberState = (typeof MEMBER_STATES)[number]

const factShape = z.object({ state: z.enum(MEMBER_STATES), reason: z.string().optional() })
/** By member. */
export const factsShape = z.object({
  /** Of the message. */
  id: bytesOf(16),
  members: z.record(z.string(), factShape),
})
export type Facts = z.output<typeof factsShape>

/** How many members have it, by what is known. */
export interface Reached {
  readonly members: number
  readonly stored: number
  readonly delivered: number
  readonly failed: number
}

/** A text that has just gone out. */
export function newFacts(id: Uint8Array, members: readonly string[]): Facts {
  return { id, members: Object.fromEntries(members.map((key) => [key, { state: "queued" }])) }
}

/** With one fact more; the same object when it says nothing new. */
export function withFact(
  facts: Facts,
  member: string,
  fact: { state: MemberState; reason?: string },
): Facts {
  const known = facts.members[member]
  if (known === undefined || rank(fact.state) <= rank(known.state)) return facts
  return { ...facts, members: { ...facts.members, [member]: fact } }
}

/** What a report of a letter says of the member it is for. @param direct - Whether it goes to the member itself. */
export function factOf(
  state: LetterState,
  direct: boolean,
): { state: MemberState; reason?: string } {
  if (state.kind === "failed") return { state: "failed", reason: state.reason }
  if (direct) return { state: state.kind }
  return { state: state.kind === "delivered" ? "relayed" : "queued" }
}

/** Nothing more can happen to it. */
export function isSettled(facts: Facts): boolean {
  return Object.values(facts.members).every(({ state }) => state === "delivered")
}

/** Of the whole, the state of the member who is worst off; `failed` only when nobody waits any more. */
export function summaryOf(facts: Facts): {
  state: "queued" | "stored" | "delivered" | "failed"
  reason?: string
  reached: Reached
} {
  const all = Object.values(facts.members)
  const count = (...states: MemberState[]) =>
    all.filter(({ state }) => states.includes(state)).length
  const reached = {
    ...{ members: all.length, stored: count("stored") },
    ...{ delivered: count("delivered"), failed: count("failed") },
  }
  const failure = all.find(({ state }) => state === "failed")
  if (count("queued", "relayed") > 0) return { state: "queued", reached }
  if (reached.stored > 0) return { state: "stored", reached }
  if (failure === undefined) return { state: "delivered", reached }
  return { state: "failed", reason: failure.reason ?? "UNKNOWN", reached }
}

function rank(state: MemberState): number {
  return MEMBER_STATES.indexOf(state)
}

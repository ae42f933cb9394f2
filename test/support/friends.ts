/**
 * Steps that many stories begin with, over the API: they are told in full by `story.ts`.
 */
import type { AlliumProcess } from "./allium-process.ts"
import { eventually } from "./story.ts"

const PATIENCE_MS = 30_000

/** One identity of a router, and what it calls the other. */
export interface Side {
  readonly who: AlliumProcess
  /** Name of the identity; it is there. */
  readonly identity: string
  readonly calls: string
}

/** `left` asks, `right` accepts; resolves when both know. */
export async function befriend(left: Side, right: Side, patienceMs = PATIENCE_MS): Promise<void> {
  const { identity } = right
  const { uri } = await right.who.call<{ uri: string }>("contact card", { identity })
  const words = { identity: left.identity, as: right.calls }
  await left.who.call("contact add", { uri, name: left.calls, ...words })
  await eventually(
    () => stateOf(right),
    (state) => state === "asking",
    patienceMs,
  )
  await right.who.call("contact accept", { contact: right.calls, identity })
  await eventually(
    () => stateOf(left),
    (state) => state === "accepted",
    patienceMs,
  )
}

async function stateOf({ who, identity, calls }: Side): Promise<string | undefined> {
  const list = await who.call<{ name: string; state: string }[]>("contact list", { identity })
  return list.find(({ name }) => name === calls)?.state
}

/** Whether a link to that contact stands. */
export async function isReachable({ who, identity, calls }: Side): Promise<boolean> {
  const list = await who.call<{ name: string; reachable: boolean }[]>("contact list", { identity })
  return list.find(({ name }) => name === calls)?.reachable === true
}

/** Edits, deletions, reactions and receipts through cuts and crashes: both sides come to show the same. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { messages } from "../../../plugins/messages/index.ts"
import type { MessageDocument } from "../../../plugins/messages/offers.ts"
import type { AlliumError } from "../../../src/base/errors.ts"
import { FakePair, type FakePeer } from "../../support/fake-plugin-context.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import { ask, listAll } from "../../support/message-pair.ts"

const DEEDS = ["send", "send", "edit", "delete", "here", "react", "read", "cut", "connect", "crash"]

interface Step {
  readonly deed: string
  readonly side: "left" | "right"
  /** Which of the messages there, and for `crash` how many commits from now. */
  readonly which: number
  readonly moment: "before" | "after"
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    deed: fc.constantFrom(...DEEDS),
    side: fc.constantFrom("left" as const, "right" as const),
    which: fc.nat(5),
    moment: fc.constantFrom("before" as const, "after" as const),
  }),
  { minLength: 10, maxLength: 60 },
)

describe("messages", () => {
  it("come to the same on both sides, whatever was done to them and whatever crashed", async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.boolean(), async (story, tower) => {
        const pair = new FakePair()
        if (tower) pair.tower = new Map()
        const here = new Set<string>()
        for (const [count, step] of story.entries()) await act(pair, step, count, here)
        await heal(pair)
        await expectSame(pair, here)
      }),
      { numRuns: fuzzRuns(4) },
    )
  }, 600_000)
})

async function act(pair: FakePair, step: Step, count: number, here: Set<string>): Promise<void> {
  const peer = pair[step.side]
  for (const each of [pair.left, pair.right]) if (!each.life) await each.start(messages)
  if (!peer.life) return // the plug was pulled while it started
  if (step.deed === "cut") pair.cut()
  else if (step.deed === "connect") pair.connect()
  else if (step.deed === "crash")
    peer.disk.crashAt = { commit: peer.disk.commitCount + step.which + 1, moment: step.moment }
  else await Promise.race([doDeed(peer, step, count, here), ended(peer)])
  for (let turn = 0; turn < step.which * 7; turn++)
    await new Promise((resolve) => setImmediate(resolve))
}

/** A process that crashed never answers. */
async function ended(peer: FakePeer): Promise<void> {
  while (peer.life) await new Promise((resolve) => setImmediate(resolve))
}

async function doDeed(peer: FakePeer, step: Step, count: number, here: Set<string>): Promise<void> {
  const contact = peer.other.name
  const text = `${peer.name} ${count}`
  if (step.deed === "send") return void (await ask(peer, "send", { contact, text }))
  if (step.deed === "read") return void (await ask(peer, "read", { contact }))
  const list = (await listAll(peer)).filter(
    ({ direction }) => direction === "out" || !["edit", "delete"].includes(step.deed),
  )
  const message = list[step.which % Math.max(1, list.length)]?.id
  if (message === undefined) return
  const emoji = ["👍", "❤️", ""][count % 3]
  if (step.deed === "here") here.add(message)
  const [verb, more] =
    step.deed === "edit"
      ? ["edit", { text }]
      : step.deed === "react"
        ? ["react", { emoji }]
        : ["delete", { here: step.deed === "here" }]
  await ask(peer, verb, { contact, message, ...more }).catch(unlessGone)
}

/** The other side may delete a message after it was listed here. */
function unlessGone(error: AlliumError): void {
  if (error.code !== "NOT_FOUND") throw error
}

async function heal(pair: FakePair): Promise<void> {
  await pair.world.settle()
  for (const peer of [pair.left, pair.right]) peer.disk.crashAt = undefined
  for (const peer of [pair.left, pair.right]) {
    if (!peer.life) await peer.start(messages)
    await ask(peer, "settings", { receipts: "on" })
  }
  pair.connect()
  const waits = (peer: FakePeer) =>
    [...peer.disk.values.keys()].some((path) => /\/(?:letters|inbox)\//.test(path))
  await pair.world.until(() => !waits(pair.left) && !waits(pair.right))
  for (const peer of [pair.left, pair.right]) await ask(peer, "send", markOf(peer))
  await pair.world.settle()
  for (const peer of [pair.left, pair.right]) await ask(peer, "read", { contact: peer.other.name })
  await pair.world.until(() => !waits(pair.left) && !waits(pair.right))
}

const markOf = (peer: FakePeer) => ({ contact: peer.other.name, text: "the last" })

/** What one side deleted for itself alone may be missing there. */
async function expectSame({ left, right }: FakePair, here: ReadonlySet<string>): Promise<void> {
  const [lefts, rights] = [await listAll(left), await listAll(right)]
  const shown = (list: readonly MessageDocument[]) =>
    list
      .filter(({ id }) => !here.has(id))
      .map(({ id, text, reactions = [] }) => [id, text, reactions.map(({ emoji }) => emoji).sort()])
      .sort()
  expect(shown(lefts)).toEqual(shown(rights))
  for (const peer of [left, right]) {
    expect(peer.faults).toEqual([])
    for (const message of await listAll(peer)) {
      expect(message.unread).toBe(false)
      expect(message.state).toBe(message.direction === "out" ? "read" : "received")
    }
    expect(await ask(peer, "conversations", {})).toMatchObject([{ unread: 0 }])
  }
}

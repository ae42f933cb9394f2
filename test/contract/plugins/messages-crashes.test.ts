/** Messages through cuts and crashes: each is shown once, in order, and no state is a lie. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { messages } from "../../../plugins/messages/index.ts"
import { listOffer, type MessageDocument, sendOffer } from "../../../plugins/messages/offers.ts"
import { unpackValue } from "../../../src/base/pack.ts"
import { FakePair, type FakePeer } from "../../support/fake-plugin-context.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

/** Texts that `send` said it took, by side. */
type Taken = Record<string, string[]>

interface Step {
  readonly deed: "send" | "cut" | "connect" | "wait" | "crash"
  readonly side: "left" | "right"
  /** For `crash`: so many commits from now, before or after it reached the disk. */
  readonly commits: number
  readonly moment: "before" | "after"
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    deed: fc.constantFrom("send", "send", "send", "cut", "connect", "connect", "wait", "crash"),
    side: fc.constantFrom("left", "right"),
    commits: fc.integer({ min: 1, max: 4 }),
    moment: fc.constantFrom("before", "after"),
  }),
  { minLength: 5, maxLength: 40 },
)

describe("messages", () => {
  it("shows every message once and in order, whatever is cut or crashes", async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.boolean(), async (story, tower) => {
        const pair = new FakePair()
        if (tower) pair.tower = new Map()
        const taken: Taken = { ann: [], bob: [] }
        for (const step of story) await act(pair, step, taken)
        await heal(pair)
        for (const side of [pair.left, pair.right]) await expectWhole(side, taken[side.name]!)
      }),
      { numRuns: fuzzRuns(25) },
    )
  }, 600_000)

  it.each(["before", "after"] as const)(
    "survives a crash %s each single write of either side",
    async (moment) => {
      const writes = await countWrites()
      expect(writes.left).toBeGreaterThan(5)
      expect(writes.right).toBeGreaterThan(2)
      for (const side of ["left", "right"] as const)
        for (let commit = 1; commit <= writes[side]; commit++) {
          const pair = new FakePair()
          pair[side].disk.crashAt = { commit, moment }
          const taken: Taken = { ann: [], bob: [] }
          await tellStory(pair, taken)
          await heal(pair)
          for (const peer of [pair.left, pair.right]) await expectWhole(peer, taken[peer.name]!)
        }
    },
    60_000,
  )
})

async function act(pair: FakePair, { deed, side, ...crash }: Step, taken: Taken): Promise<void> {
  const peer = pair[side]
  for (const each of [pair.left, pair.right]) if (!each.life) await each.start(messages)
  if (deed === "send") send(peer, taken)
  else if (deed === "cut") pair.cut()
  else if (deed === "connect") pair.connect()
  else if (deed === "wait") await pair.world.pass(5_000)
  else peer.disk.crashAt = { commit: peer.disk.commitCount + crash.commits, moment: crash.moment }
  for (let turn = 0; turn < crash.commits * 7; turn++)
    await new Promise((resolve) => setImmediate(resolve))
  expectNoLies(pair)
}

let count = 0
/** Sends without waiting: a process that crashes never answers. */
function send(peer: FakePeer, taken: Taken): void {
  const text = `${peer.name} ${++count}`
  peer.run(sendOffer, { contact: peer.other.name, text }).then(
    () => taken[peer.name]!.push(text),
    (error) => peer.faults.push(error),
  )
}

async function tellStory(pair: FakePair, taken: Taken): Promise<void> {
  await pair.left.start(messages)
  await pair.right.start(messages)
  for (const peer of [pair.left, pair.left, pair.right, pair.left]) {
    if (peer.life) send(peer, taken)
    await pair.world.settle()
  }
  pair.connect()
  await pair.world.pass(100_000)
}

async function countWrites(): Promise<{ left: number; right: number }> {
  const pair = new FakePair()
  await tellStory(pair, { ann: [], bob: [] })
  return { left: pair.left.disk.commitCount, right: pair.right.disk.commitCount }
}

/** Everything runs, the link stands: nothing may wait any more after a while. */
async function heal(pair: FakePair): Promise<void> {
  await pair.world.settle()
  for (const peer of [pair.left, pair.right]) peer.disk.crashAt = undefined
  for (const peer of [pair.left, pair.right]) if (!peer.life) await peer.start(messages)
  pair.connect()
  await pair.world.until(async () =>
    (await Promise.all([pair.left, pair.right].map(isDone))).every(Boolean),
  )
}

async function isDone(peer: FakePeer): Promise<boolean> {
  return (await list(peer)).every(({ state }) => state !== "queued" && state !== "stored")
}

/** What we hold is what they show; what we were told was taken is among it. */
async function expectWhole(peer: FakePeer, taken: readonly string[]): Promise<void> {
  const written = (await list(peer)).filter(({ direction }) => direction === "out")
  const shown = (await list(peer.other)).filter(({ direction }) => direction === "in")
  expect(shown.map(({ id, text }) => [id, text])).toEqual(written.map(({ id, text }) => [id, text]))
  expect(written.map(({ text }) => text)).toEqual(expect.arrayContaining([...taken]))
  expect(new Set(written.map(({ text }) => text)).size).toBe(written.length)
  const left = [...peer.disk.values.keys()].filter((path) => /\/(?:letters|inbox)\//.test(path))
  expect(left).toEqual([])
  expect(peer.faults).toEqual([])
}

/** Whoever was told "delivered" finds the message on the other side's disk. */
function expectNoLies({ left, right }: FakePair): void {
  for (const peer of [left, right])
    for (const { id } of peer.told("delivered")) expect(receivedIds(peer.other)).toContain(id)
}

/** In the history, or in the inbox: on disk. */
function receivedIds({ disk }: FakePeer): string[] {
  return [...disk.values.values()]
    .map(
      (value) => value as { kind?: string; state?: unknown; id: Uint8Array; content: Uint8Array },
    )
    .map((value) => {
      if (value.kind === "letter") return (unpackValue(value.content) as { id: Uint8Array }).id
      return value.state === "received" ? value.id : undefined
    })
    .filter((id) => id !== undefined)
    .map((id) => Buffer.from(id).toString("hex"))
}

function list(peer: FakePeer): Promise<MessageDocument[]> {
  return peer.run(listOffer, { contact: peer.other.name, limit: 1_000 })
}

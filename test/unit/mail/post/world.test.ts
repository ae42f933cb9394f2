/** Whatever happens on the way, the posts keep their promises: a model with all that can go wrong. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { createFakeCrypto } from "../../../support/fake-envelope-crypto.ts"
import { type FakePostPeer, FakePostWorld } from "../../../support/fake-post.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

const side = fc.constantFrom("left" as const, "right" as const)
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("send" as const), side, length: length() }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: time() }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("pull" as const), side, shuffle: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("switch" as const), side }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("tower" as const), side }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("full" as const), side }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("move" as const), side }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("vanish" as const), side }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("fate" as const), side, fate: fate() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wake" as const), side }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("crash" as const),
      side,
      in: fc.nat(6),
      after: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("start" as const), side }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("refuse" as const), side }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const), side }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

function length() {
  return fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 500 }), fc.constant(6_000))
}

function time() {
  return fc.constantFrom(1, 100, 3_000, 60_000, 700_000, 8 * 3_600_000)
}

function fate() {
  return fc.constantFrom("none", "lose", "twice", "corrupt", "mix")
}

/** What went wrong once. */
const EXAMPLES: [number, Step[]][] = [
  [
    0, // an envelope of the lost device comes after the first of the new one
    [
      { do: "send", side: "left", length: 0 },
      { do: "switch", side: "right" },
      { do: "pass", ms: 1 },
      { do: "lose", side: "left" },
      { do: "send", side: "left", length: 0 },
    ],
  ],
  [
    0, // a letter that nobody promised goes out after a crash
    [
      { do: "send", side: "right", length: 6_000 },
      { do: "crash", side: "right", in: 0, after: true },
      { do: "move", side: "left" },
    ],
  ],
]

let counter = 0

async function play(world: FakePostWorld, one: Step): Promise<void> {
  if (one.do === "pass") return world.time.pass(one.ms)
  const peer = world[one.side]
  switch (one.do) {
    case "send": {
      const name = `${one.side} ${++counter}`
      if (peer.lives) peer.send(name, name.padEnd(one.length, ".")).catch(() => {})
      return
    }
    case "pull":
      return peer.pull(one.shuffle ? (ids) => shuffled(world, ids) : undefined)
    case "switch":
      peer.isUp = !peer.isUp
      return
    case "tower":
      peer.queue.isUp = !peer.queue.isUp
      return
    case "full":
      peer.queue.room = peer.queue.room === 256 ? 2 : 256
      return
    case "move":
      return void (await world.time.track(peer.move()))
    case "vanish":
      peer.queue.gone = peer.queue.gone ? undefined : {}
      return
    case "fate":
      peer.fate = fateOf(world, one.fate)
      return
    case "wake":
      return peer.post?.wake(peer.other.peer)
    case "crash":
      peer.disk.crashAt = {
        commit: peer.disk.commitCount + 1 + one.in,
        moment: one.after ? "after" : "before",
      }
      return
    case "start":
      return start(peer)
    case "refuse":
      peer.fault = peer.fault ? undefined : new Error("not now")
      return
    case "lose":
      peer.lose()
      return start(peer)
  }
}

async function start(peer: FakePostPeer): Promise<void> {
  if (peer.lives) return
  peer.disk.crashAt = undefined
  await peer.start()
}

function shuffled(world: FakePostWorld, ids: string[]): string[] {
  return ids
    .map((id): [number, string] => [world.chance(), id])
    .sort(([left], [right]) => left - right)
    .map(([, id]) => id)
}

function fateOf(world: FakePostWorld, kind: string): FakePostPeer["fate"] {
  return (envelope) => {
    const dice = kind === "mix" ? world.chance() : { lose: 0.1, twice: 0.3, corrupt: 0.5 }[kind]
    if (dice === undefined || dice > 0.6) return [envelope]
    if (dice < 0.2) return []
    if (dice < 0.4) return [envelope, envelope]
    const broken = envelope.slice()
    broken[Math.floor(world.chance() * broken.length)]! ^= 1
    return [broken]
  }
}

async function keepsPromises(seed: number, steps: readonly Step[]): Promise<void> {
  counter = 0
  const world = new FakePostWorld({ seed, crypto: (random) => createFakeCrypto({ random }) })
  await world.start()
  for (const one of steps) await play(world, one)
  await world.finish()
  world.verify()
  for (const { post, other } of [world.left, world.right])
    expect(post?.hasWaiting(other.peer)).toBe(false)
}

describe("two posts in a bad world", () => {
  it("lose nothing, show nothing twice, keep the order, say only what is so", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.array(step, { maxLength: 60 }), keepsPromises),
      {
        examples: EXAMPLES,
        numRuns: fuzzRuns(25),
        interruptAfterTimeLimit: 25_000 * Math.max(1, fuzzRuns(1)),
      },
    )
  }, 3_600_000)
})

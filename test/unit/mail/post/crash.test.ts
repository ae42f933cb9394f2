/** A crash at every write of either side: nothing lost, nothing twice, nothing false. */
import { describe, expect, it } from "vitest"
import { FakePostWorld } from "../../../support/fake-post.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

type Side = "left" | "right"
interface Crash {
  readonly side: Side
  readonly commit: number
  readonly moment: "before" | "after"
}

/** Both write, directly and over towers, short and long; gives back how many commits each side made. */
async function story(crash?: Crash): Promise<Record<Side, number>> {
  const world = new FakePostWorld()
  const { left, right } = world
  await world.start()
  const before = { left: left.disk.commitCount, right: right.disk.commitCount }
  if (crash) {
    const { side, commit, moment } = crash
    world[side].disk.crashAt = { commit: before[side] + commit, moment }
  }
  send(world, "left", "a1")
  send(world, "right", "b1")
  send(world, "left", "a2", 5_000)
  await pass(world, 3_000)
  right.isUp = false
  send(world, "left", "a3")
  send(world, "right", "b2")
  await pass(world, 30_000)
  await right.pull()
  send(world, "left", "a4", 2_000)
  await pass(world, 3_000)
  await world.finish()
  world.verify()
  expect(left.taken.length).toBeGreaterThan(0)
  return { left: left.disk.commitCount - before.left, right: right.disk.commitCount - before.right }
}

function send(world: FakePostWorld, side: Side, name: string, length = 0): void {
  const one = world[side]
  if (one.lives) one.send(name, name.padEnd(length, ".")).catch(() => {})
}

/** Lets time pass; whoever died is started again. */
async function pass(world: FakePostWorld, ms: number): Promise<void> {
  await world.time.pass(ms)
  for (const one of [world.left, world.right]) if (!one.lives) await one.start()
}

describe("openPost(), when a process dies", () => {
  it("loses nothing and says nothing false, at whatever write", async () => {
    const counts = await story()
    const crashes = (["left", "right"] as const).flatMap((side) =>
      Array.from({ length: counts[side] }, (_, index) => index + 1).flatMap((commit) =>
        (["before", "after"] as const).map((moment) => ({ side, commit, moment })),
      ),
    )
    expect(crashes.length).toBeGreaterThan(40)
    const step = Math.max(1, Math.round(12 / fuzzRuns(1)))
    for (const [index, crash] of crashes.entries())
      if (index % step === 0 || index < 4)
        await story(crash).catch((error: unknown) => {
          throw new Error(JSON.stringify(crash), { cause: error })
        })
  })
})

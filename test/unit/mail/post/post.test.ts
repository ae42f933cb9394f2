import { describe, expect, it } from "vitest"
import { FakePostWorld } from "../../../support/fake-post.ts"

async function openWorld() {
  const world = new FakePostWorld()
  await world.start()
  return { world, ann: world.left, bob: world.right }
}

describe("openPost()", () => {
  it("carries letters both ways, in order, each once, and says so", async () => {
    const { world, ann, bob } = await openWorld()
    await ann.send("a1")
    await bob.send("b1")
    await ann.send("a2")
    await world.time.until(() => ann.statesOf("a2").length > 0 && bob.statesOf("b1").length > 0)
    expect(bob.taken).toEqual(["a1", "a2"])
    expect(ann.taken).toEqual(["b1"])
    expect(ann.statesOf("a1")).toEqual([{ kind: "delivered" }])
    expect(ann.post?.waitingCount(bob.peer)).toBe(0)
  })

  it("carries letters longer than an envelope", async () => {
    const { world, ann, bob } = await openWorld()
    const text = "x".repeat(100_000)
    await ann.send("long", text)
    await world.time.until(() => ann.statesOf("long").length > 0)
    expect(bob.taken).toEqual([text])
  })

  it("leaves letters at a tower while the other is away", async () => {
    const { world, ann, bob } = await openWorld()
    bob.isUp = false
    await ann.send("a1")
    await world.time.until(() => ann.statesOf("a1").length > 0, 60_000)
    expect(ann.statesOf("a1")).toEqual([{ kind: "stored", place: bob.queue.place.key }])
    await bob.pull()
    await world.time.until(() => ann.statesOf("a1").length > 1, 60_000)
    expect(ann.statesOf("a1").at(-1)).toEqual({ kind: "delivered" })
    expect(bob.taken).toEqual(["a1"])
  })

  it("goes on after a restart", async () => {
    const { world, ann, bob } = await openWorld()
    bob.isUp = false
    bob.queue.isUp = false
    await ann.send("a1")
    await world.time.pass(10_000)
    await ann.stop()
    await ann.start()
    expect(ann.post?.waitingCount(bob.peer)).toBe(1)
    expect(ann.post?.knows(bob.peer)).toBe(true)
    bob.isUp = true
    ann.post?.wake(bob.peer)
    await world.time.until(() => ann.statesOf("a1").length > 0, 60_000)
    expect(bob.taken).toEqual(["a1"])
  })
})

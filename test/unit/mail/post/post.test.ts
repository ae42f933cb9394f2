import { describe, expect, it } from "vitest"
import type { Place } from "../../../../src/mail/post/post.ts"
import { type FakePostPeer, FakePostWorld, FakeQueue } from "../../../support/fake-post.ts"

async function openWorld() {
  const world = new FakePostWorld()
  await world.start()
  return { world, ann: world.left, bob: world.right }
}

const DELIVERED = { kind: "delivered" } as const
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

function last(peer: FakePostPeer, name: string): string | undefined {
  return peer.statesOf(name).at(-1)?.kind
}

/** Until it was delivered. */
function delivery(world: FakePostWorld, from: FakePostPeer, name: string, mostMs = MINUTE_MS) {
  return world.time.until(() => last(from, name) === "delivered", mostMs)
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
    expect(ann.statesOf("a1")).toEqual([DELIVERED])
    expect(ann.post?.hasWaiting(bob.peer)).toBe(false)
  })

  it("carries letters longer than an envelope", async () => {
    const { world, ann, bob } = await openWorld()
    const text = "x".repeat(100_000)
    await ann.send("long", text)
    await delivery(world, ann, "long")
    expect(bob.taken).toEqual([text])
  })

  it("carries hundreds of letters in few envelopes, in order", async () => {
    const { world, ann, bob } = await openWorld()
    bob.isUp = false
    bob.queue.isUp = false
    const names = Array.from({ length: 300 }, (_, index) => `a${index}`)
    await Promise.all(names.map((name) => ann.send(name)))
    bob.isUp = true
    ann.post?.wake(bob.peer)
    await delivery(world, ann, "a299", HOUR_MS)
    expect(bob.taken).toEqual(names)
    expect(ann.putCount).toBeLessThan(20)
  })

  it("rests when everything is delivered: nothing is put, nothing is marked as waiting", async () => {
    const { world, ann, bob } = await openWorld()
    await ann.send("a1")
    await delivery(world, ann, "a1")
    await world.time.pass(MINUTE_MS)
    const puts = ann.putCount + bob.putCount
    await world.time.pass(48 * HOUR_MS)
    expect(ann.putCount + bob.putCount).toBe(puts)
    for (const { disk } of [ann, bob]) {
      expect(disk.below("post/waiting/")).toEqual([])
      expect(
        [...disk.values.keys()].filter((path) => /\/(flight|parts|letters)\//.test(path)),
      ).toEqual([])
    }
  })

  it("writes a letter and its envelope in one commit while a mailbox is open", async () => {
    const { world, ann, bob } = await openWorld()
    await ann.send("a1")
    await delivery(world, ann, "a1")
    const { envelopes, taken } = { envelopes: ann.putCount, taken: ann.disk.commitCount }
    await Promise.all(["a2", "a3", "a4"].map((name) => ann.send(name)))
    await world.time.settle()
    expect(bob.taken).toEqual(["a1", "a2", "a3", "a4"])
    expect(ann.putCount - envelopes).toBe(2) // a2 alone at once, the two others together
    expect(ann.disk.commitCount - taken).toBe(4) // a2 sealed; a3; a4; what is sealed of them
  })

  it("keeps letters in order that are sent at the same moment, whatever is written first", async () => {
    const { world, ann, bob } = await openWorld()
    const names = Array.from({ length: 40 }, (_, number) => `a${number}`)
    for (const name of names) {
      void ann.send(name)
      if (world.chance() < 0.5) await world.time.settle()
    }
    await delivery(world, ann, "a39")
    expect(bob.taken).toEqual(names)
  })

  it("leaves letters at a tower while the other is away", async () => {
    const { world, ann, bob } = await openWorld()
    bob.isUp = false
    await ann.send("a1")
    await world.time.until(() => ann.statesOf("a1").length > 0, MINUTE_MS)
    expect(ann.statesOf("a1")).toEqual([{ kind: "stored", place: bob.queue.place.key }])
    await bob.pull()
    await delivery(world, ann, "a1")
    expect(bob.taken).toEqual(["a1"])
  })

  it("puts nothing once more after a restart that lies well at a tower", async () => {
    const { world, ann, bob } = await openWorld()
    bob.isUp = false
    await ann.send("a1", "x".repeat(5_000))
    await world.time.until(() => last(ann, "a1") === "stored", MINUTE_MS)
    await world.time.pass(MINUTE_MS)
    await ann.stop()
    const puts = ann.putCount
    await ann.start()
    await world.time.pass(5 * MINUTE_MS)
    expect(ann.putCount).toBe(puts)
    await world.time.pass(5 * MINUTE_MS)
    expect(ann.putCount).toBeGreaterThan(puts)
  })

  it("goes on after a restart", async () => {
    const { world, ann, bob } = await openWorld()
    bob.isUp = false
    bob.queue.isUp = false
    await ann.send("a1")
    await world.time.pass(10_000)
    await ann.stop()
    await ann.start()
    expect(ann.post?.hasWaiting(bob.peer)).toBe(true)
    expect(ann.post?.knows(bob.peer)).toBe(true)
    bob.isUp = true
    ann.post?.wake(bob.peer)
    await delivery(world, ann, "a1")
    expect(bob.taken).toEqual(["a1"])
  })

  it("needs no more than what the other's mailbox says of it", async () => {
    const world = new FakePostWorld()
    await world.left.start()
    await world.right.start()
    await world.left.send("a1")
    await delivery(world, world.left, "a1")
    expect(world.right.taken).toEqual(["a1"])
  })

  it("agrees on one session when both begin at once", async () => {
    const { world, ann, bob } = await openWorld()
    await Promise.all([ann.send("a1"), bob.send("b1")])
    await delivery(world, ann, "a1")
    await delivery(world, bob, "b1")
    const begun = [...ann.disk.values.keys()].filter((path) => path.includes("/sessions/")).length
    expect(begun).toBeLessThanOrEqual(2)
    const puts = ann.putCount + bob.putCount
    await world.time.pass(HOUR_MS)
    expect(ann.putCount + bob.putCount - puts).toBeLessThan(3)
  })

  it("gives up what waits when asked, and goes on with the next letter", async () => {
    const { world, ann, bob } = await openWorld()
    bob.isUp = false
    await ann.send("a1", "x".repeat(4_000))
    await world.time.pass(MINUTE_MS)
    bob.queue.envelopes.delete([...bob.queue.envelopes.keys()][1]!)
    await ann.post?.cancel(bob.peer, "BLOCKED")
    expect(ann.statesOf("a1").at(-1)).toEqual({ kind: "failed", reason: "BLOCKED" })
    expect(ann.post?.hasWaiting(bob.peer)).toBe(false)
    await ann.send("a2")
    bob.isUp = true
    ann.post?.wake(bob.peer)
    await bob.pull()
    await delivery(world, ann, "a2")
    expect(bob.taken).toEqual(["a2"])
  })

  it("hands a letter over again after a fault, and drops what is malformed", async () => {
    const { world, ann, bob } = await openWorld()
    bob.fault = new Error("not now")
    await ann.send("a1")
    await world.time.pass(HOUR_MS)
    expect(last(ann, "a1")).not.toBe("delivered")
    bob.fault = undefined
    await delivery(world, ann, "a1", HOUR_MS)
    expect(bob.taken).toEqual(["a1"])
    const { AlliumError } = await import("../../../../src/base/errors.ts")
    bob.fault = new AlliumError("BAD_RECORD", "Cannot read: test")
    await ann.send("a2")
    await delivery(world, ann, "a2")
    expect(bob.taken).toEqual(["a1"])
  })

  it("keeps everything when the disk is full, and goes on", async () => {
    const { world, ann, bob } = await openWorld()
    await ann.send("a1")
    bob.disk.full = true
    await world.time.pass(HOUR_MS)
    expect(last(ann, "a1")).not.toBe("delivered")
    bob.disk.full = false
    await delivery(world, ann, "a1", 24 * HOUR_MS)
    ann.disk.full = true
    await expect(ann.send("a2")).rejects.toMatchObject({ code: "STORE_FULL" })
    expect(ann.post?.hasWaiting(bob.peer)).toBe(false)
    ann.disk.full = false
    await ann.send("a3")
    await delivery(world, ann, "a3")
    expect(bob.taken).toEqual(["a1", "a3"])
  })

  it("refuses what it cannot hold", async () => {
    const { ann, bob } = await openWorld()
    bob.isUp = false
    bob.queue.isUp = false
    const content = new Uint8Array(4 * 1_048_576)
    const letter = { topic: "test", content, name: "x" }
    const tooLong = { ...letter, content: new Uint8Array(content.length + 1) }
    await expect(ann.post?.send(bob.peer, tooLong)).rejects.toMatchObject({
      code: "LETTER_TOO_LONG",
    })
    await expect(ann.post?.send(bob.peer, { ...letter, topic: "" })).rejects.toThrow(RangeError)
    await expect(ann.post?.send(bob.peer, { ...letter, name: "x".repeat(65) })).rejects.toThrow(
      RangeError,
    )
    for (let index = 0; index < 15; index++) await ann.post?.send(bob.peer, letter)
    await expect(ann.post?.send(bob.peer, letter)).rejects.toMatchObject({ code: "OUTBOX_FULL" })
  })

  it("forgets a correspondent altogether", async () => {
    const { world, ann, bob } = await openWorld()
    await ann.send("a1")
    await delivery(world, ann, "a1")
    bob.isUp = false
    await ann.send("a2")
    await world.time.pass(MINUTE_MS)
    await ann.post?.forget(bob.peer)
    expect(ann.post?.knows(bob.peer)).toBe(false)
    expect(ann.disk.below("post/")).toEqual([])
  })

  it("refuses an introduction of somebody else", async () => {
    const { world, ann, bob } = await openWorld()
    const others = world.crypto.makePrekeys(world.makeSelf()).bundle
    await expect(
      ann.post?.meet(bob.peer, { bundle: others, places: [{ kind: "self" }] }),
    ).rejects.toMatchObject({ code: "BAD_BUNDLE" })
    const tooMany = Array<Place>(5).fill({ kind: "self" })
    const { bundle } = await bob.post!.introduce(ann.peer)
    await expect(ann.post?.meet(bob.peer, { bundle, places: tooMany })).rejects.toMatchObject({
      code: "BAD_BUNDLE",
    })
  })
})

describe("places", () => {
  it("waits while a tower is full, and says so", async () => {
    const { world, ann, bob } = await openWorld()
    Object.assign(bob, { isUp: false })
    bob.queue.room = 1
    await ann.send("a1", "x".repeat(10_000))
    await world.time.pass(10 * MINUTE_MS)
    expect(ann.statesOf("a1")).toEqual([])
    expect(ann.news).toContain("full")
    expect(bob.queue.envelopes.size).toBe(1)
    bob.queue.room = 256
    await world.time.until(() => last(ann, "a1") === "stored", 6 * MINUTE_MS)
    await bob.pull()
    await delivery(world, ann, "a1")
    expect(bob.taken).toHaveLength(1)
  })

  it("follows a queue that moved", async () => {
    const { world, ann, bob } = await openWorld()
    bob.isUp = false
    bob.places = [bob.queue.place]
    await ann.post?.meet(bob.peer, await bob.post!.introduce(ann.peer))
    const old = bob.queue
    await bob.move()
    await ann.send("a1")
    await world.time.until(() => last(ann, "a1") === "stored", MINUTE_MS)
    expect(old.envelopes.size).toBe(0)
    expect(ann.news).toContain("moved")
    await bob.pull()
    expect(bob.taken).toEqual(["a1"])
  })

  it("learns of new places by letter", async () => {
    const { world, ann, bob } = await openWorld()
    await ann.send("a1")
    await delivery(world, ann, "a1")
    const next = new FakeQueue(world.random)
    world.queues.push(next)
    bob.queue.isUp = false
    bob.queue = next
    bob.places = [{ kind: "self" }, next.place]
    await bob.post?.placesChanged()
    await world.time.pass(MINUTE_MS)
    bob.isUp = false
    await ann.send("a2")
    await world.time.until(() => last(ann, "a2") === "stored", MINUTE_MS)
    expect(next.envelopes.size).toBeGreaterThan(0)
  })

  it("tries the next tower when nothing is acknowledged for long", async () => {
    const { world, ann, bob } = await openWorld()
    const second = new FakeQueue(world.random)
    world.queues.push(second)
    bob.isUp = false
    bob.places = [bob.queue.place, second.place]
    await ann.post?.meet(bob.peer, await bob.post!.introduce(ann.peer))
    await ann.send("a1")
    await world.time.pass(9 * MINUTE_MS)
    expect([bob.queue.envelopes.size, second.envelopes.size]).toEqual([1, 0])
    await world.time.pass(2 * MINUTE_MS)
    expect(second.envelopes.size).toBe(1)
    expect([...second.envelopes.values()]).toEqual([...bob.queue.envelopes.values()])
  })

  it("puts directly what lies at a tower when the other comes back", async () => {
    const { world, ann, bob } = await openWorld()
    bob.isUp = false
    await ann.send("a1")
    await world.time.pass(5 * MINUTE_MS)
    bob.queue.isUp = false
    bob.isUp = true
    ann.post?.wake(bob.peer)
    await delivery(world, ann, "a1")
    expect(ann.statesOf("a1").map(({ kind }) => kind)).toEqual(["stored", "delivered"])
  })
})

describe("take()", () => {
  it("knows what it took, and calls the rest unreadable", async () => {
    const { world, ann, bob } = await openWorld()
    bob.isUp = false
    await ann.send("a1")
    await world.time.pass(MINUTE_MS)
    const [envelope] = [...bob.queue.envelopes.values()]
    expect(await bob.take(envelope!)).toBe("taken")
    expect(await bob.take(envelope!)).toBe("known")
    expect(await bob.take(world.random(4_096))).toBe("unreadable")
    expect(await bob.take(new Uint8Array())).toBe("unreadable")
    await bob.stop()
    await bob.start()
    expect(await bob.take(envelope!)).toBe("known")
    expect(bob.taken).toEqual(["a1"])
  })

  it("begins anew after what nothing opens, at most three times an hour", async () => {
    const { world, ann, bob } = await openWorld()
    await ann.send("a1")
    await delivery(world, ann, "a1")
    for (let index = 0; index < 20; index++) {
      await bob.take(world.random(4_096))
      await world.time.pass(MINUTE_MS)
    }
    expect(bob.news).toEqual(["anew", "anew", "anew"])
    await ann.send("a2")
    await bob.send("b1")
    await delivery(world, ann, "a2")
    await delivery(world, bob, "b1")
  })

  it("takes up with somebody who lost everything", async () => {
    const { world, ann, bob } = await openWorld()
    await ann.send("a1")
    await delivery(world, ann, "a1")
    bob.lose()
    await ann.send("a2")
    await world.time.pass(MINUTE_MS)
    await bob.start()
    ann.post?.wake(bob.peer)
    await delivery(world, ann, "a2", HOUR_MS)
    expect(bob.taken).toEqual(["a2"])
    expect(ann.news).toContain("restored")
    await bob.send("b1")
    await delivery(world, bob, "b1")
    expect(ann.taken).toEqual(["b1"])
  })

  it("takes up with a disk that was set back to an earlier day", async () => {
    const { world, ann, bob } = await openWorld()
    await ann.send("a1")
    await delivery(world, ann, "a1")
    await ann.stop()
    const earlier = structuredClone([...ann.disk.values])
    await ann.start()
    await ann.send("a2", "x".repeat(3_000))
    await delivery(world, ann, "a2")
    await ann.stop()
    ann.disk.values.clear()
    for (const [path, value] of earlier) ann.disk.values.set(path, value)
    await ann.start()
    await ann.send("a3")
    await delivery(world, ann, "a3", 24 * HOUR_MS)
    expect(bob.taken.at(-1)).toBe("a3")
  })
})

describe("flash()", () => {
  it("reaches who is there, and is kept for nobody", async () => {
    const { world, ann, bob } = await openWorld()
    const flash = (text: string) =>
      ann.post!.flash(bob.peer, { topic: "test", content: new Uint8Array(Buffer.from(text)) })
    await flash("too early")
    await ann.send("a1")
    await delivery(world, ann, "a1")
    await flash("typing")
    await world.time.pass(HOUR_MS)
    await flash("again")
    await flash("x".repeat(5_000))
    bob.isUp = false
    await flash("away")
    await world.time.pass(HOUR_MS)
    bob.isUp = true
    await world.time.pass(HOUR_MS)
    expect(bob.flashes).toEqual(["typing", "again"])
    expect(bob.queue.envelopes.size).toBe(0)
  })
})

describe("introduce()", () => {
  it("gives the same prekeys until they are old, then others; both open what comes", async () => {
    const { world, ann, bob } = await openWorld()
    const first = await ann.post!.introduce(bob.peer)
    expect(await ann.post!.introduce(bob.peer)).toEqual(first)
    await world.time.pass(31 * 24 * HOUR_MS)
    expect((await ann.post!.introduce(bob.peer)).bundle).not.toEqual(first.bundle)
    await bob.send("b1")
    await delivery(world, bob, "b1")
    expect(ann.taken).toEqual(["b1"])
  })
})

describe("a thousand correspondents", () => {
  it("are opened without being read, but for those with something waiting", async () => {
    const { world, ann, bob } = await openWorld()
    for (let index = 0; index < 1_000; index++) {
      const peer = `${Buffer.from(world.random(32)).toString("base64url")}.0`
      ann.disk.values.set(`post/known/${peer}`, true)
    }
    bob.isUp = false
    bob.queue.isUp = false
    await ann.send("a1")
    await ann.stop()
    const startMs = performance.now()
    await ann.start()
    expect(performance.now() - startMs).toBeLessThan(500)
    expect(ann.post?.hasWaiting(bob.peer)).toBe(true)
  })

  it("are not even read while something waits that only a link lets go", async () => {
    const { world, ann, bob } = await openWorld()
    bob.places = [{ kind: "self" }]
    await bob.ask((post) => post.placesChanged())
    await bob.send("b1") // it says where to put now
    await delivery(world, bob, "b1")
    bob.isUp = false
    await ann.send("a1")
    await ann.stop()
    const asked: string[] = []
    const isLinked = (peer: string) => asked.push(peer) === 0
    await ann.start({ isLinked, reach: () => Promise.reject(new Error("nobody may ask")) })
    await world.time.pass(600_000)
    expect(asked).toEqual([bob.peer])
    expect(ann.post?.hasWaiting(bob.peer)).toBe(true)
    await ann.stop()
    await ann.start({ isLinked: () => false })
    bob.isUp = true
    await world.time.pass(600_000)
    expect(bob.taken).toEqual([])
    ann.post?.wake(bob.peer)
    await delivery(world, ann, "a1")
    expect(bob.taken).toEqual(["a1"])
  })

  it("go on by themselves when they have a tower, or a link stands", async () => {
    const { world, ann, bob } = await openWorld()
    bob.isUp = false
    bob.queue.isUp = false
    await ann.send("a1")
    await ann.stop()
    await ann.start({ isLinked: () => false })
    bob.queue.isUp = true
    bob.isUp = true
    await delivery(world, ann, "a1")
    bob.places = [{ kind: "self" }]
    await bob.ask((post) => post.placesChanged())
    await bob.send("b1")
    await delivery(world, bob, "b1")
    bob.isUp = false
    await ann.send("a2")
    await ann.stop()
    bob.isUp = true
    await ann.start({ isLinked: () => true })
    await delivery(world, ann, "a2")
    expect(bob.taken).toEqual(["a1", "a2"])
  })
})

/** The same promises with the real ratchet: slower, so fewer stories. */
import { describe, expect, it } from "vitest"
import { unlockIdentity } from "../../../../src/identity/unlocked.ts"
import { createEnvelopeCrypto } from "../../../../src/mail/envelope/envelope-crypto.ts"
import { FakePostWorld } from "../../../support/fake-post.ts"

function openWorld(seed: number): FakePostWorld {
  let index = 0
  return new FakePostWorld({
    seed,
    crypto: (random) => createEnvelopeCrypto({ random }),
    makeSelf: (random) => unlockIdentity(random(64), { name: "x", index: index++ }),
  })
}

describe("openPost() with real envelopes", () => {
  it("carries letters, survives a crash, garbage and a lost memory", async () => {
    const world = openWorld(3)
    const { left: ann, right: bob } = world
    await world.start()
    await Promise.all([ann.send("a1"), bob.send("b1")])
    await world.time.pass(5_000)
    bob.isUp = false
    await ann.send("a2", "x".repeat(5_000))
    await world.time.pass(60_000)
    ann.disk.crashAt = { commit: ann.disk.commitCount + 2, moment: "after" }
    await bob.pull((ids) => ids.reverse())
    await bob.take(world.random(4_096))
    await world.time.pass(60_000)
    await world.finish()
    world.verify()
    expect(bob.taken).toHaveLength(2)
    bob.lose()
    await bob.start()
    await ann.send("a3")
    await world.finish()
    world.verify()
    expect(bob.taken).toEqual(["a3"])
  })
})

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

  it("seals again what they never opened, once they know the newer key", async () => {
    const world = openWorld(5)
    const { left: ann, right: bob } = world
    const newer = world.makeSelf()
    const knows = { ann: false, bob: false }
    const keysOfAnn = () =>
      knows.ann
        ? { own: newer, older: [ann.self], their: bob.self.publicKey }
        : { own: ann.self, older: [], their: bob.self.publicKey }
    const keysOfBob = () => {
      const { publicKey } = knows.bob ? newer : ann.self
      return { own: bob.self, older: [], their: publicKey }
    }
    await world.start()
    await Promise.all([ann.stop(), bob.stop()])
    await ann.start({ keysFor: keysOfAnn })
    await bob.start({ keysFor: keysOfBob })
    // A notice over the link was faster than the first envelope, and what they begin does not arrive.
    knows.bob = true
    ann.fate = () => []
    await ann.send("a1")
    await world.time.pass(5_000)
    expect(bob.taken).toEqual([])
    knows.ann = true
    ann.post?.wake(ann.other.peer)
    await world.time.pass(30_000)
    expect(bob.taken).toEqual(["a1"])
  })
})

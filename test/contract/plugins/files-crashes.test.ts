/** Files through crashes at every write: none lost, none doubled, and no state is a lie. */
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Transfer } from "../../../plugins/files/contact/transfer.ts"
import { FakeFiles, sha256Of } from "../../support/fake-files.ts"
import type { FakePeer } from "../../support/fake-plugin-context.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

const BYTES = 40_000
/** Of the many operations of a disk each third is tried, and each where there is time (`FUZZ=2` or more). */
const STEP = fuzzRuns(1) > 1 ? 1 : 3

describe("a file to a contact", () => {
  let story: FakeFiles
  /** Its folder holds what is sent; it outlives the stories of one test. */
  let source: FakeFiles
  beforeEach(() => {
    source = new FakeFiles()
    story = new FakeFiles()
  })
  afterEach(async () => {
    await story[Symbol.asyncDispose]()
    await source[Symbol.asyncDispose]()
  })

  it.each([
    ["ann", "before"],
    ["ann", "after"],
    ["bob", "before"],
    ["bob", "after"],
  ] as const)(
    "survives that %s crashes %s each commit",
    { timeout: 120_000 },
    async (side, moment) => {
      const path = source.file("small", BYTES)
      await tell(path)
      await story.until(story.ann, "done")
      const commits = story[side].disk.commitCount
      expect(commits).toBeGreaterThan(4)
      for (let commit = 1; commit <= commits; commit++) {
        await renew()
        story[side].disk.crashAt = { commit, moment }
        await tell(path)
        await heal(path)
      }
    },
  )

  it("survives that the receiver crashes before an operation of its disk", {
    timeout: 120_000,
  }, async () => {
    const path = source.file("small", BYTES)
    let operations = 0
    watchBob(() => operations++)
    await tell(path)
    await story.until(story.ann, "done")
    expect(operations).toBeGreaterThan(10)
    for (let operation = 1; operation <= operations; operation += STEP) {
      await renew()
      let left = operation
      watchBob(() => {
        if (--left === 0) story.bob.crash()
      })
      await tell(path)
      await heal(path)
    }
  })

  function watchBob(told: () => void): void {
    story.prepare = (disk, peer) => {
      if (peer === story.bob) disk.watch = told
    }
  }

  /** The same story each time; whoever crashes on the way stays down. */
  async function tell(path: string): Promise<void> {
    await story.start()
    if (story.bob.life) void story.welcome().catch(() => {})
    await story.world.settle()
    story.pair.connect()
    if (story.ann.life) void story.send(path).catch(() => {})
    await story.eventually(
      () => !story.ann.life || !story.bob.life || stagesOf(story.ann).includes("done"),
    )
  }

  /** Everything runs again, and nothing was sent in vain. */
  async function heal(path: string): Promise<void> {
    for (const peer of [story.ann, story.bob]) peer.disk.crashAt = undefined
    story.prepare = () => {}
    await story.world.settle()
    for (const peer of [story.ann, story.bob]) if (!peer.life) await story.start(peer)
    story.pair.connect()
    await story.welcome()
    if (stagesOf(story.ann).length === 0) await story.send(path)
    await story.eventually(async () => {
      for (const { id, stage } of transfersOf(story.bob))
        if (stage === "offered") await story.accept(id)
      return stagesOf(story.ann).every((stage) => stage === "done")
    })
    await expectWhole(path)
    expect([...story.ann.faults, ...story.bob.faults]).toEqual([])
  }

  async function renew(): Promise<void> {
    await story[Symbol.asyncDispose]()
    story = new FakeFiles()
  }

  /** One file, under its name, with the right bytes, and nothing else. */
  async function expectWhole(path: string): Promise<void> {
    await story.eventually(() => story.received().length === 1)
    const [got, ...more] = await story.list(story.bob)
    expect(more).toEqual([])
    expect(got).toMatchObject({ state: "done", sha256: sha256Of(path) })
    expect(sha256Of(got!.path!)).toBe(sha256Of(path))
    expect(stagesOf(story.ann)).toEqual(["done"])
  }
})

/** What is on disk, whether the process lives or not. */
function transfersOf(peer: FakePeer): Transfer[] {
  return peer.disk.below("/contact-transfers/").map(([, value]) => value as Transfer)
}

function stagesOf(peer: FakePeer): string[] {
  return transfersOf(peer).map(({ stage }) => stage)
}

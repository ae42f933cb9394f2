/** Files through cuts and crashes: whole or not there, and no state is a lie. */
import * as fc from "fast-check"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Transfer } from "../../../plugins/files/transfer.ts"
import { FakeFiles, sha256Of } from "../../support/fake-files.ts"
import type { FakePeer } from "../../support/fake-plugin-context.ts"

const MIB = 1_048_576

let story: FakeFiles
/** Its folder holds what is sent; it outlives the stories told within one test. */
let source: FakeFiles
beforeEach(() => {
  source = new FakeFiles()
  story = new FakeFiles()
})
afterEach(() => {
  story[Symbol.dispose]()
  source[Symbol.dispose]()
})

describe("files", () => {
  it("brings 64 MiB over ten cuts and six crashes of either side", async () => {
    const path = story.file("big", 64 * MIB)
    await story.start()
    await story.welcome()
    await story.send(path)
    await story.until(story.ann, "waiting")
    story.pair.connect()
    let written = 0
    for (let part = 1; part <= 16; part++) {
      await story.world.moment(
        () => written + story.disks.get(story.bob)!.written >= part * 3 * MIB,
      )
      const peer = part % 4 === 0 ? story.ann : story.bob
      if (part % 3 === 0 || part === 16) {
        if (peer === story.bob) written += story.disks.get(story.bob)!.written
        peer.crash()
        await story.world.settle()
        await story.start(peer)
      } else story.pair.cut()
      await story.world.settle()
      story.pair.connect()
    }
    await story.until(story.ann, "done")
    await expectWhole(path)
    written += story.disks.get(story.bob)!.written
    // A cut costs what is under way of one part; a crash what was not synced, at most 4 MiB and what is under way.
    expect(written).toBeLessThanOrEqual((64 + 10 * 1 + 6 * 5) * MIB)
  }, 60_000)

  it.each(["before", "after"] as const)(
    "survives a crash %s each commit of either side",
    async (moment) => {
      const path = source.file("small", MIB + 5)
      const commits = await count(path)
      expect(commits.ann).toBeGreaterThan(5)
      expect(commits.bob).toBeGreaterThan(6)
      for (const side of ["ann", "bob"] as const)
        for (let commit = 1; commit <= commits[side]; commit++) {
          await renew()
          story[side].disk.crashAt = { commit, moment }
          await tell(path)
          await heal(path)
        }
    },
    60_000,
  )

  it("survives a crash before each operation of the receiver's disk", async () => {
    const path = source.file("small", MIB + 5)
    const { operations } = await count(path)
    expect(operations).toBeGreaterThan(30)
    for (let operation = 1; operation <= operations; operation++) {
      await renew()
      let left = operation
      story.prepare = (disk, peer) => {
        if (peer !== story.bob) return
        disk.watch = () => {
          if (--left === 0) peer.crash()
        }
      }
      await tell(path)
      await heal(path)
    }
  }, 60_000)

  it("brings every file over once, whatever is cut or crashes", async () => {
    const deed = fc.record({
      deed: fc.constantFrom("send", "send", "cut", "crash", "connect", "connect", "wait"),
      side: fc.constantFrom("ann", "bob"),
      size: fc.integer({ min: 0, max: 3 * MIB }),
      turns: fc.integer({ min: 0, max: 400 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(deed, { minLength: 3, maxLength: 12 }), async (deeds) => {
        await renew()
        await story.start()
        await story.welcome()
        const paths: string[] = []
        let fileCount = 0
        for (const { deed, side, size, turns } of deeds) {
          const peer = story[side as "ann" | "bob"]
          for (const each of [story.ann, story.bob]) if (!each.life) await story.start(each)
          if (deed === "send") {
            const path = story.file(`file ${++fileCount}`, size, size)
            story.send(path).then(
              () => paths.push(path),
              (error) => story.ann.faults.push(error),
            )
          } else if (deed === "cut") story.pair.cut()
          else if (deed === "crash") peer.crash()
          else if (deed === "connect") story.pair.connect()
          else await story.world.pass(2_000)
          for (let turn = 0; turn < turns; turn++)
            await new Promise((resolve) => setImmediate(resolve))
          expectNoLies()
        }
        await recover()
        await story.world.until(async () =>
          (await story.list(story.ann)).every(({ state }) => state === "done"),
        )
        await story.world.settle()
        const sent = await story.list(story.ann)
        const got = await story.list(story.bob)
        expect(got.map(({ id, state }) => [id, state])).toEqual(
          expect.arrayContaining(sent.map(({ id }) => [id, "done"])),
        )
        expect(got).toHaveLength(sent.length)
        for (const one of got) expect(sha256Of(one.path!)).toBe(one.sha256)
        expect(sent.map((one) => one.path)).toEqual(expect.arrayContaining(paths))
        expect(story.received()).toHaveLength(got.length)
        expect([...story.ann.faults, ...story.bob.faults]).toEqual([])
      }),
      { numRuns: 12 },
    )
  }, 120_000)
})

/** The same story each time: it must make the same writes. */
async function tell(path: string): Promise<void> {
  await story.start()
  if (story.bob.life) void story.welcome()
  await story.world.settle()
  if (story.ann.life) void story.send(path)
  await story.world.settle()
  story.pair.connect()
  await story.world.pass(5_000)
}

/** Everything runs again, and nothing was sent in vain. */
async function heal(path: string): Promise<void> {
  for (const peer of [story.ann, story.bob]) peer.disk.crashAt = undefined
  story.prepare = () => {}
  await recover()
  await story.welcome()
  if ((await story.list(story.ann)).length === 0) await story.send(path)
  await story.world.pass(2_000)
  const undecided = (await story.list(story.bob)).filter(({ state }) => state === "offered")
  for (const { id } of undecided) await story.accept(id)
  await story.until(story.ann, "done")
  expectNoLies()
  await expectWhole(path)
  expect([...story.ann.faults, ...story.bob.faults]).toEqual([])
}

async function recover(): Promise<void> {
  await story.world.settle()
  for (const peer of [story.ann, story.bob]) if (!peer.life) await story.start(peer)
  story.pair.connect()
}

async function renew(): Promise<void> {
  await story.world.settle()
  story[Symbol.dispose]()
  story = new FakeFiles()
}

async function count(path: string) {
  let operations = 0
  story.prepare = (disk, peer) => {
    if (peer === story.bob) disk.watch = () => operations++
  }
  await tell(path)
  await story.until(story.ann, "done")
  return { ann: story.ann.disk.commitCount, bob: story.bob.disk.commitCount, operations }
}

/** One file, under its name, with the right bytes, and nothing else. */
async function expectWhole(path: string): Promise<void> {
  await story.world.settle()
  const [got, ...more] = await story.list(story.bob)
  expect(more).toEqual([])
  expect(got).toMatchObject({ state: "done", sha256: sha256Of(path) })
  expect(sha256Of(got!.path!)).toBe(sha256Of(path))
  expect(story.received()).toEqual([got!.name])
}

/** Who says `done` is right: the file is there, whole. */
function expectNoLies(): void {
  for (const peer of [story.ann, story.bob])
    for (const { id, stage } of transfersOf(peer)) {
      if (stage !== "done") continue
      const there = transfersOf(story.bob).find((one) => one.id === id)
      expect(there?.stage).toBe("done")
      expect(sha256Of(there!.path!)).toBe(Buffer.from(there!.sha256!).toString("hex"))
    }
}

/** What is on disk, whether the process lives or not. */
function transfersOf(peer: FakePeer): Transfer[] {
  return peer.disk.below("/transfers/").map(([, value]) => value as Transfer)
}

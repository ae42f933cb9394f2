import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type TransferDocument, verifyOffer } from "../../../../../plugins/files/offers.ts"
import { FakeFiles } from "../../../../support/fake-files.ts"

describe("file verify, of what came from a contact", () => {
  let story: FakeFiles
  let folder: string
  beforeEach(async () => {
    story = new FakeFiles()
    await story.start()
    folder = join(story.folder, "Holidays")
    mkdirSync(folder)
    for (const name of ["a.bin", "b.bin", "empty"])
      writeFileSync(join(folder, name), name === "empty" ? "" : name.repeat(50_000))
    story.pair.connect()
  })
  afterEach(() => story[Symbol.asyncDispose]())
  const verify = (peer: "ann" | "bob", id: string): Promise<TransferDocument> =>
    story[peer].run(verifyOffer, { id })

  it("says that all is right, and which file is not when one was changed, and fetches it again", async () => {
    const { id } = await story.send(folder)
    await story.until(story.bob, "offered")
    await expect(verify("bob", id)).rejects.toMatchObject({ code: "FILE_STATE" })
    await story.accept(id, { wait: true })
    for (const peer of ["ann", "bob"] as const)
      expect(await verify(peer, id)).toMatchObject({ isRight: true, wrong: [] })
    const [{ path }] = (await story.list(story.bob)) as unknown as [{ path: string }]
    await story.bob.stop()
    await story.start(story.bob)
    writeFileSync(join(path, "b.bin"), `${"b.bin".repeat(49_999)}b.txt`)
    const found = await verify("bob", id)
    expect(found).toMatchObject({ isRight: false, wrong: [join(path, "b.bin")], path })
    expect(found.details?.slice(0, 2)).toEqual([
      "It is not as it was offered:",
      `  ${join(path, "b.bin")}`,
    ])
    expect(found.state).toBe("waiting")
    story.pair.connect()
    await expectMended(id, path)
    expect(await verify("ann", id)).toMatchObject({ isRight: true })
  })

  it("brings back what was deleted, also when both were killed meanwhile, and nothing else is there", async () => {
    const { id } = await story.send(folder)
    await story.until(story.bob, "offered")
    const { path } = await story.accept(id, { wait: true })
    story.pair.cut()
    rmSync(path!, { recursive: true })
    const { wrong } = await verify("bob", id)
    expect(wrong).toEqual(["a.bin", "b.bin"].map((name) => join(path!, name)))
    story.areKilled = true
    for (const peer of [story.bob, story.ann]) {
      await peer.crash()
      await story.start(peer)
    }
    story.pair.connect()
    await expectMended(id, path!)
  })

  it("says why it cannot be fetched again, and leaves what is there", async () => {
    const { id } = await story.send(folder)
    await story.until(story.bob, "offered")
    const { path } = await story.accept(id, { wait: true })
    rmSync(folder, { recursive: true })
    const damaged = "x".repeat(250_000)
    writeFileSync(join(path!, "b.bin"), damaged)
    await verify("bob", id)
    const failed = await story.until(story.bob, "failed")
    expect(failed).toMatchObject({ path })
    expect(["FILE_GONE", "FILE_CHANGED"]).toContain(failed.reason)
    expect(readFileSync(join(path!, "b.bin"), "utf8")).toBe(damaged)
    await story.eventually(() => story.received().length === 1)
    // It may still be looked at; nobody is asked in vain.
    expect(await verify("bob", id)).toMatchObject({ isRight: false, state: "failed" })
  })

  async function expectMended(id: string, path: string): Promise<void> {
    for (const peer of [story.bob, story.ann]) await story.until(peer, "done", id)
    for (const name of ["a.bin", "b.bin", "empty"])
      expect(readFileSync(join(path, name))).toEqual(readFileSync(join(folder, name)))
    expect(await verify("bob", id)).toMatchObject({ isRight: true, path })
    await story.eventually(() => story.received().length === 1)
  }
})

import { mkdirSync, rmSync, writeFileSync } from "node:fs"
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

  it("says that all is right, and which file is not when one was changed or is gone", async () => {
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
    expect(await verify("bob", id)).toMatchObject({
      ...{ isRight: false, wrong: [join(path, "b.bin")], state: "done" },
      details: ["It is not as it was offered:", `  ${join(path, "b.bin")}`],
    })
    rmSync(join(path, "a.bin"))
    const { wrong } = await verify("bob", id)
    expect(wrong).toEqual([join(path, "a.bin"), join(path, "b.bin")])
    expect(await verify("ann", id)).toMatchObject({ isRight: true })
  })
})

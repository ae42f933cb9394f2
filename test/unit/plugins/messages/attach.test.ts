import { describe, expect, it } from "vitest"
import { AlliumError } from "../../../../src/base/errors.ts"
import { FakeFiles, sha256Of } from "../../../support/fake-files.ts"
import { ask, listAll, openMessagePair, say } from "../../../support/message-pair.ts"

/** A files plugin that takes everything whose name does not begin with "no". */
async function openWithFiles() {
  const story = await openMessagePair()
  const asked: string[] = []
  story.ann.ask = async (verb, { path: given = "", id }) => {
    const path = String(given)
    asked.push(`${verb} ${path.split("/").at(-1) || id}`)
    if (path.includes("/no")) throw new AlliumError("FILE_GONE", "Cannot send file: it is gone")
    return { id: `${asked.length}`.padStart(32, "0"), name: path.split("/").at(-1), size: 3 }
  }
  return { ...story, asked }
}

describe("message send --attach", () => {
  it("names the transfers on both sides, with kind and hash", async () => {
    await using place = new FakeFiles()
    const { ann, bob, asked } = await openWithFiles()
    const paths = ["cat.PNG", "voice.opus", "plan.pdf"].map((name) => place.file(name, 3))
    await say(ann, "look", { attach: paths })
    expect(asked).toEqual(["file send cat.PNG", "file send voice.opus", "file send plan.pdf"])
    const [there] = await listAll(bob)
    expect(there?.attachments).toMatchObject([
      { transfer: "1".padStart(32, "0"), name: "cat.PNG", kind: "picture", size: 3 },
      { transfer: "2".padStart(32, "0"), name: "voice.opus", kind: "voice" },
      { transfer: "3".padStart(32, "0"), name: "plan.pdf", kind: "file" },
    ])
    expect(there?.attachments?.map(({ sha256 }) => sha256)).toEqual(paths.map(sha256Of))
  })

  it("needs no text, and a message needs one of both", async () => {
    await using place = new FakeFiles()
    const { ann } = await openWithFiles()
    await say(ann, "", { attach: [place.file("a.txt", 1)] })
    const nothing = ask(ann, "send", { contact: "bob" })
    await expect(nothing).rejects.toMatchObject({ code: "BAD_INPUT" })
  })

  it("cancels what was begun when a file or the message cannot be sent", async () => {
    await using place = new FakeFiles()
    const { ann, asked } = await openWithFiles()
    const good = place.file("a.txt", 1)
    const attach = [good, place.file("no.txt", 1)]
    const failing = ask(ann, "send", { contact: "bob", text: "x", attach })
    await expect(failing).rejects.toMatchObject({ code: "FILE_GONE" })
    const first = "1".padStart(32, "0")
    expect(asked).toEqual(["file send a.txt", "file send no.txt", `file cancel ${first}`])
    ann.disk.full = true
    const full = ask(ann, "send", { contact: "bob", text: "x", attach: [good] })
    await expect(full).rejects.toMatchObject({ code: "STORE_FULL" })
    expect(asked.slice(3)).toEqual(["file send a.txt", `file cancel ${"4".padStart(32, "0")}`])
    expect(await listAll(ann)).toEqual([])
  })
})

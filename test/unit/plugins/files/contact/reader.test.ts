import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { z } from "zod"
import { type PlainLetter, writeLetter } from "../../../../../plugins/files/contact/letters.ts"
import { TRANSFER_PROTOCOL, writeOpening } from "../../../../../plugins/files/contact/line-keys.ts"
import { forgetOldTransfers } from "../../../../../plugins/files/contact/old-transfers.ts"
import { FakeFiles } from "../../../../support/fake-files.ts"
import { FakeWorld } from "../../../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../../../support/memory-store.ts"

const id = new Uint8Array(16).fill(5)
const offer = {
  ...{ kind: "offer" as const, id, name: "../../\u202eexe.txt", isFolder: false, size: 10 },
  ...{ fileCount: 1, files: [{ path: "../a\u0007/b", size: 10 }], note: "\u001b[2Jhello" },
  infohash: new Uint8Array(20).fill(1),
  info: new Uint8Array(32).fill(2),
  sha256: new Uint8Array(32).fill(3),
  key: new Uint8Array(32).fill(4),
}

describe("forgetOldTransfers()", () => {
  it("forgets what earlier builds kept, and nothing else", async () => {
    const store = new MemoryLife(new MemoryDisk(), new FakeWorld(), () => {}).room("/")
    const table = (name: string) => store.table(name, z.unknown())
    const names = ["transfers", "manifest", "auto"]
    for (let row = 0; row < 300; row++)
      await store.commit(names.map((name) => table(name).put(`${row}`, { row })))
    await forgetOldTransfers(store)
    const left = names.map(async (name) => {
      let count = 0
      for await (const _ of table(name).entries()) count++
      return count
    })
    expect(await Promise.all(left)).toEqual([0, 0, 300])
  })
})

describe("letters about files, read", () => {
  let story: FakeFiles
  beforeEach(async () => {
    story = new FakeFiles()
    await story.start()
  })
  afterEach(() => story[Symbol.asyncDispose]())

  /** Bob reads a letter of Ann's. */
  const read = (letter: PlainLetter, from: "contact" | "own device" = "contact") =>
    story.bob.life!.mail.arrive(writeLetter(letter), from)
  const list = () => story.list(story.bob)

  it("make one transfer, however often they come, with names that do no harm", async () => {
    for (let time = 0; time < 3; time++) await read(offer)
    const all = await list()
    expect(all).toMatchObject([
      { state: "offered", name: "_.._exe.txt", size: 10, direction: "in" },
    ])
    const text = JSON.stringify(story.bob.events)
    expect(text).not.toMatch(/\\u202e|\\u001b|\\u0007|\.\.\//i)
  })
  it("from the wrong side, of unknown transfers and after the end change nothing", async () => {
    await read({ kind: "withdraw", id, reason: "CANCELLED" })
    expect(await list()).toEqual([])
    await read(offer)
    const words: PlainLetter[] = [
      { kind: "accept", id },
      { kind: "done", id },
      { kind: "decline", id, reason: "REFUSED" },
    ]
    for (const word of words) await read(word)
    expect(await list()).toMatchObject([{ state: "offered" }])
    await read({ kind: "withdraw", id, reason: "FILE_GONE" })
    await read({ kind: "withdraw", id, reason: "CANCELLED" })
    await read(offer)
    expect(await list()).toMatchObject([{ state: "failed", reason: "FILE_GONE" }])
  })
  it("that accept what the sender has forgotten are answered, so that nobody waits for it", async () => {
    story.pair.connect()
    await read(offer)
    await story.ann.life!.mail.arrive(writeLetter({ kind: "accept", id }), "contact")
    expect(await story.until(story.bob, "failed")).toMatchObject({ reason: "UNKNOWN" })
    expect(await story.list(story.ann)).toEqual([])
  })
  it("of another device of ours are left to it", async () => {
    await read(offer, "own device")
    expect(await list()).toEqual([])
  })
  it("that are none are dropped for good", async () => {
    const noise = story.bob.life!.mail.arrive(new Uint8Array([1, 2, 3]), "contact")
    await expect(noise).rejects.toMatchObject({ code: "BAD_RECORD" })
  })
  it("beyond a hundred undecided offers are declined", async () => {
    for (let number = 0; number < 102; number++)
      await read({ ...offer, id: new Uint8Array(16).fill(number + 1) })
    const states = (await list()).map(({ state }) => state)
    expect(states.filter((state) => state === "offered")).toHaveLength(100)
    expect(states.filter((state) => state === "cancelled")).toHaveLength(2)
  })
  it("an accepted offer that nobody gives waits, and disturbs no other", async () => {
    await story.welcome()
    story.pair.connect()
    await story.send(story.file("a", 1_000))
    await story.until(story.ann, "done")
    await read(offer)
    expect(await list()).toHaveLength(2)
    expect((await list())[1]?.state).toBe("waiting")
  })
  it.each([
    ["an id nobody knows", writeOpening({ purpose: "pieces", id, nonce: new Uint8Array(32) })],
    ["another version", Buffer.concat([Buffer.from([2, 1]), new Uint8Array(48)])],
    ["noise", Buffer.alloc(100, 7)],
  ])("a line with %s is closed without a word", async (_name, bytes) => {
    story.pair.connect()
    const channel = story.pair.open(story.ann, TRANSFER_PROTOCOL)
    const heard: Buffer[] = []
    channel.on("data", (chunk: Buffer) => heard.push(chunk))
    const closed = new Promise((resolve) => channel.once("close", resolve))
    channel.write(bytes)
    await closed
    expect(heard).toEqual([])
    expect(story.bob.faults).toEqual([])
  })
})

import { describe, expect, it } from "vitest"
import { messages } from "../../../../plugins/messages/index.ts"
import { packRecord } from "../../../../plugins/messages/wire.ts"
import { MemoryDisk } from "../../../support/memory-store.ts"
import { ask, listAll, openMessagePair, say } from "../../../support/message-pair.ts"

/** Whether a text stands anywhere on a disk. */
function holds(disk: MemoryDisk, text: string): boolean {
  return [...disk.values.values()].some((value) =>
    Buffer.from(JSON.stringify(value) ?? "").includes(text),
  )
}
const withoutMail = (disk: MemoryDisk): MemoryDisk => {
  const copy = new MemoryDisk()
  for (const [path, value] of disk.values)
    if (!path.includes("/fake-mail/")) copy.values.set(path, value)
  return copy
}

describe("message edit", () => {
  it("changes the text on both sides, and tells both", async () => {
    const { ann, bob, settle } = await openMessagePair()
    const { number } = await say(ann, "at eight")
    const edited = await ask(ann, "edit", { contact: "bob", message: `${number}`, text: "at nine" })
    expect(edited).toMatchObject({ text: "at nine", editedAt: "2026-01-01T00:00:00.000Z" })
    await settle()
    for (const who of [ann, bob]) {
      expect(await listAll(who)).toMatchObject([{ text: "at nine" }])
      expect(who.told("edited")).toMatchObject([{ text: "at nine" }])
      expect(holds(who.disk, "at eight")).toBe(false)
    }
  })

  it("is for the author alone", async () => {
    const { ann, bob, settle } = await openMessagePair()
    const { id } = await say(ann, "mine")
    const changing = ask(bob, "edit", { contact: "ann", message: id, text: "yours" })
    await expect(changing).rejects.toMatchObject({ code: "MESSAGE_STATE" })
    const target = new Uint8Array(Buffer.from(id, "hex"))
    const forged = [
      packRecord({ kind: "edit", target, text: "forged" }),
      packRecord({ kind: "delete", target }),
    ]
    for (const content of forged) await ann.life?.mail.arrive(content, "contact")
    await settle()
    expect(await listAll(ann)).toMatchObject([{ text: "mine" }])
  })

  it("waits for a message that comes later", async () => {
    const { ann, settle } = await openMessagePair()
    const id = new Uint8Array(16).fill(9)
    const letters = [
      packRecord({ kind: "edit", target: id, text: "second" }),
      packRecord({ kind: "react", target: id, emoji: "👍" }),
      packRecord({ kind: "text", id, sentAt: 0, text: "first" }),
    ]
    for (const content of letters) await ann.life?.mail.arrive(content, "contact")
    await settle()
    const reactions = [{ by: "bob", emoji: "👍" }]
    expect(await listAll(ann)).toMatchObject([{ text: "second", reactions }])
    expect([...ann.disk.values.keys()].filter((path) => path.includes("/early/"))).toEqual([])
  })
})

describe("message delete", () => {
  it("takes a message from both disks, and nothing brings it back", async () => {
    const { ann, bob, settle } = await openMessagePair()
    const { id } = await say(ann, "FORGET")
    await ask(ann, "delete", { contact: "bob", message: id })
    await settle()
    for (const who of [ann, bob]) {
      expect(await listAll(who)).toEqual([])
      expect(holds(withoutMail(who.disk), "FORGET")).toBe(false)
      expect(who.told("deleted")).toMatchObject([{ id, text: "" }])
    }
    const again = { kind: "text", sentAt: 0, text: "FORGET" } as const
    const content = packRecord({ ...again, id: new Uint8Array(Buffer.from(id, "hex")) })
    await bob.life?.mail.arrive(content, "contact")
    await settle()
    expect(await listAll(bob)).toEqual([])
    expect(await ask(bob, "conversations", {})).toMatchObject([{ unread: 0 }])
  })

  it("with --here leaves the other side as it is, and takes any message", async () => {
    const { ann, bob, settle } = await openMessagePair()
    const { id } = await say(ann, "hi")
    const both = ask(bob, "delete", { contact: "ann", message: id })
    await expect(both).rejects.toMatchObject({ code: "MESSAGE_STATE" })
    await ask(bob, "delete", { contact: "ann", message: id, here: true })
    await settle()
    expect([await listAll(ann), await listAll(bob)]).toMatchObject([[{ text: "hi" }], []])
    const gone = ask(bob, "delete", { contact: "ann", message: id, here: true })
    await expect(gone).rejects.toMatchObject({ code: "NOT_FOUND" })
  })
})

describe("message react", () => {
  it("shows one reaction of each side, until it is taken back", async () => {
    const { ann, bob, settle } = await openMessagePair()
    const { id } = await say(ann, "news")
    await ask(bob, "react", { contact: "ann", message: id, emoji: "👍" })
    await ask(bob, "react", { contact: "ann", message: id, emoji: "❤️" })
    await ask(ann, "react", { contact: "bob", message: id, emoji: "🎉" })
    await settle()
    const both = [{ emoji: "❤️" }, { emoji: "🎉" }]
    for (const who of [ann, bob])
      expect(await listAll(who)).toMatchObject([
        { reactions: expect.arrayContaining(both.map((one) => expect.objectContaining(one))) },
      ])
    await ask(bob, "react", { contact: "ann", message: id })
    await settle()
    expect(await listAll(ann)).toMatchObject([{ reactions: [{ by: "ann-self", emoji: "🎉" }] }])
  })
})

describe("message send --reply-to", () => {
  it("names the message it answers, by number or id", async () => {
    const { ann, bob } = await openMessagePair()
    const { id } = await say(ann, "when?")
    const [question] = await listAll(bob)
    await say(bob, "now", { replyTo: `${question?.number}` })
    await say(bob, "really", { replyTo: id })
    expect((await listAll(ann)).map(({ replyTo }) => replyTo)).toEqual([undefined, id, id])
    const nothing = ask(bob, "send", { contact: "ann", text: "?", replyTo: "99" })
    await expect(nothing).rejects.toMatchObject({ code: "NOT_FOUND" })
  })
})

describe("a letter of another device of ours", () => {
  it("is shown as sent by us", async () => {
    const { ann, settle } = await openMessagePair()
    const content = packRecord({ kind: "text", id: new Uint8Array(16), sentAt: 0, text: "x" })
    await ann.life?.mail.arrive(content, "own device")
    await settle()
    expect(await listAll(ann)).toMatchObject([{ direction: "out", state: "queued", unread: false }])
    expect(ann.told("received")).toEqual([])
  })
})

describe("a tower", () => {
  it("makes a message stored, and then delivered", async () => {
    const { pair, ann, bob, settle } = await openMessagePair()
    pair.tower = new Map()
    await bob.stop()
    const { id } = await ask(ann, "send", { contact: "bob", text: "later" })
    await settle()
    expect(await listAll(ann)).toMatchObject([{ id, state: "stored" }])
    await ann.stop()
    await bob.start(messages)
    await settle()
    expect(await listAll(bob)).toMatchObject([{ id, state: "received" }])
    await ann.start(messages)
    pair.connect()
    await settle()
    expect(await listAll(ann)).toMatchObject([{ id, state: "delivered" }])
    expect(ann.told("stored")).toHaveLength(1)
  })
})

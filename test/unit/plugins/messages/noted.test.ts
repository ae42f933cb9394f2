import { describe, expect, it } from "vitest"
import { messages } from "../../../../plugins/messages/index.ts"
import { ask, listAll, openMessagePair, say } from "../../../support/message-pair.ts"

describe("a contact who was restored", () => {
  it("is noted in the conversation, over restarts, and is not unread", async () => {
    const { ann, bob, settle } = await openMessagePair()
    await say(bob, "hi")
    await ask(ann, "read", { contact: "bob" })
    ann.learn("restored")
    await settle()
    await ann.stop()
    await ann.start(messages)
    const note = { direction: "note", state: "note", note: "restored", unread: false }
    expect(await listAll(ann)).toMatchObject([
      { text: "hi" },
      { ...note, number: 2, text: "restored on a new device" },
    ])
    expect(ann.told("note")).toMatchObject([{ event: "note", contact: "bob" }])
    expect(await ask(ann, "conversations", {})).toMatchObject([
      { unread: 0, last: "restored on a new device" },
    ])
    expect(await listAll(bob)).toHaveLength(1)
  })

  it("is told of reading all the same", async () => {
    const { ann, bob, settle } = await openMessagePair()
    await ask(ann, "settings", { receipts: "on" })
    await say(bob, "hi")
    ann.learn("restored")
    await settle()
    expect(await ask(ann, "read", { contact: "bob" })).toMatchObject({ unread: 0, told: true })
    await settle()
    expect(await listAll(bob)).toMatchObject([{ state: "read" }])
  })

  it("is nothing to react to, answer or edit; it can be deleted here", async () => {
    const { ann, settle } = await openMessagePair()
    ann.learn("restored")
    await settle()
    const about = { contact: "bob", message: "1" }
    for (const trying of [
      () => ask(ann, "react", { ...about, emoji: "👍" }),
      () => ask(ann, "edit", { ...about, text: "x" }),
      () => ask(ann, "delete", about),
      () => ask(ann, "send", { contact: "bob", text: "x", replyTo: "1" }),
    ])
      await expect(trying()).rejects.toMatchObject({ code: "MESSAGE_STATE" })
    await ask(ann, "delete", { ...about, here: true })
    expect(await listAll(ann)).toEqual([])
    expect(await ask(ann, "conversations", {})).toMatchObject([{ unread: 0 }])
  })

  it("leaves no trace in a backup", async () => {
    const { ann, settle } = await openMessagePair()
    await say(ann, "hi")
    const before = await ann.backup?.save(ann.identity)
    ann.learn("restored")
    await settle()
    expect(await ann.backup?.save(ann.identity)).toEqual(before)
  })
})

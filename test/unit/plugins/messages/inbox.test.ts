import { describe, expect, it } from "vitest"
import { messages } from "../../../../plugins/messages/index.ts"
import { packRecord } from "../../../../plugins/messages/wire.ts"
import { packValue } from "../../../../src/base/pack.ts"
import { ask, listAll, openMessagePair, say } from "../../../support/message-pair.ts"

const letter = (byte: number, text: string) =>
  packRecord({ kind: "text", id: new Uint8Array(16).fill(byte), sentAt: 0, text })
const texts = async (who: Parameters<typeof listAll>[0]) =>
  (await listAll(who)).map(({ text }) => text)

describe("what came by mail", () => {
  it("waits while the disk is full, and is shown once afterwards, in order", async () => {
    const { pair, ann, settle } = await openMessagePair()
    await ann.life?.mail.arrive(letter(1, "1"), "contact")
    ann.disk.full = true // the receipt is written, the conversation is not
    await settle()
    expect(await texts(ann)).toEqual([])
    await pair.world.pass(10_000)
    ann.disk.full = false
    await ann.life?.mail.arrive(letter(2, "2"), "contact")
    await pair.world.pass(2_000)
    expect(await texts(ann)).toEqual(["1", "2"])
    expect(ann.told("received")).toHaveLength(2)
  })

  it("is found by the next start, also when it is long, and when a newer version left it", async () => {
    const { ann, bob, settle } = await openMessagePair()
    const long = "€".repeat(300_000)
    await say(bob, "0")
    const commits = ann.disk.commitCount
    ann.disk.crashAt = { commit: commits + 2, moment: "before" }
    await ann.life?.mail.arrive(letter(1, long), "contact")
    await settle()
    expect(ann.life).toBeUndefined()
    const newer = { kind: "letter", identity: ann.identity.key, contact: bob.identity.key }
    const content = packValue({ v: 2, kind: "text" })
    ann.disk.values.set("/inbox/900", { ...newer, own: false, content, more: 0 })
    ann.disk.crashAt = undefined
    await ann.start(messages)
    await settle()
    expect(await texts(ann)).toEqual(["0", long])
    expect([...ann.disk.values.keys()].filter((path) => path.startsWith("/inbox/"))).toEqual([])
  })
})

describe("a send that fails although it was written", () => {
  it("leaves a conversation that goes on with what is on disk", async () => {
    const { ann, bob, settle } = await openMessagePair()
    await say(bob, "hi")
    const { mail } = ann.life!
    const send = mail.send.bind(mail)
    mail.send = async (...all) => {
      await send(...all)
      throw new Error("a second device's letter could not be queued")
    }
    await expect(ask(ann, "timer", { contact: "bob", after: "1h" })).rejects.toThrow()
    mail.send = send
    await ask(ann, "read", { contact: "bob" })
    await settle()
    expect(await ask(ann, "timer", { contact: "bob" })).toMatchObject({ timer: 3_600 })
    expect(await ask(ann, "conversations", {})).toMatchObject([{ unread: 0, timer: 3_600 }])
  })
})

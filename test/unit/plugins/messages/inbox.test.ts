import { describe, expect, it } from "vitest"
import { messages } from "../../../../plugins/messages/index.ts"
import { packRecord } from "../../../../plugins/messages/wire.ts"
import { packValue } from "../../../../src/base/pack.ts"
import type { FakePeer } from "../../../support/fake-plugin-context.ts"
import { ask, listAll, openMessagePair, say } from "../../../support/message-pair.ts"

const letter = (byte: number, text: string) =>
  packRecord({ kind: "text", id: new Uint8Array(16).fill(byte), sentAt: 0, text })
const texts = async (who: Parameters<typeof listAll>[0]) =>
  (await listAll(who)).map(({ text }) => text)

/** Somebody writes in the conversation until the answer is called. */
function write(who: FakePeer): { end(): Promise<unknown> } {
  const { mail } = who.life!
  const send = mail.send.bind(mail)
  let end = () => {}
  const ended = new Promise<void>((resolve) => (end = resolve))
  mail.send = async (...all) => {
    mail.send = send
    await ended
    return send(...all)
  }
  const sent = ask(who, "send", { contact: who.other.name, text: "ours" })
  return {
    end: () => {
      end()
      return sent
    },
  }
}

describe("what came by mail", () => {
  it("is in its conversation with the commit of its receipt, and told then", async () => {
    const { ann, bob, settle } = await openMessagePair()
    await say(bob, "0")
    const commits = ann.disk.commitCount
    await ann.life?.mail.arrive(letter(1, "1"), "contact")
    expect(ann.disk.commitCount).toBe(commits + 1)
    await settle()
    expect(ann.disk.commitCount).toBe(commits + 1)
    expect(await texts(ann)).toEqual(["0", "1"])
    expect(ann.told("received")).toHaveLength(2)
  })

  it.each(["before", "after"] as const)(
    "is there as a whole or not at all, when the machine dies %s that commit",
    async (moment) => {
      const { pair, ann, bob, settle } = await openMessagePair()
      await say(bob, "0")
      ann.disk.crashAt = { commit: ann.disk.commitCount + 1, moment }
      await ask(bob, "send", { contact: "ann", text: "1" })
      await settle()
      expect(ann.life).toBeUndefined()
      ann.disk.crashAt = undefined
      await ann.start(messages)
      pair.connect()
      await settle()
      expect(await texts(ann)).toEqual(["0", "1"])
      expect(await texts(bob)).toEqual(["0", "1"])
    },
  )

  it("leaves a conversation that goes on, when that commit failed", async () => {
    const { ann, bob, settle } = await openMessagePair()
    await say(bob, "0")
    ann.disk.full = true
    await expect(ann.life?.mail.arrive(letter(1, "1"), "contact")).rejects.toThrow("full")
    ann.disk.full = false
    await say(ann, "ours")
    await ann.life?.mail.arrive(letter(1, "1"), "contact")
    await settle()
    expect(await texts(ann)).toEqual(["0", "ours", "1"])
    expect(await ask(ann, "conversations", {})).toMatchObject([{ unread: 2 }])
  })

  it("waits for nobody who writes there, and comes behind what they wrote, in order", async () => {
    const { ann, settle } = await openMessagePair()
    const writing = write(ann)
    await settle()
    await ann.life?.mail.arrive(letter(1, "1"), "contact")
    await ann.life?.mail.arrive(letter(2, "2"), "contact")
    await settle()
    expect(await texts(ann)).toEqual([])
    await writing.end()
    await settle()
    expect(await texts(ann)).toEqual(["ours", "1", "2"])
  })

  it("waits while the disk is full, and is shown once afterwards, in order", async () => {
    const { pair, ann, settle } = await openMessagePair()
    const writing = write(ann)
    await settle()
    await ann.life?.mail.arrive(letter(1, "1"), "contact")
    ann.disk.full = true // the receipt is written, the conversation is not
    await expect(writing.end()).rejects.toThrow("full")
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
    write(ann)
    await settle()
    const commits = ann.disk.commitCount
    ann.disk.crashAt = { commit: commits + 1, moment: "after" }
    void ann.life?.mail.arrive(letter(1, long), "contact")
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

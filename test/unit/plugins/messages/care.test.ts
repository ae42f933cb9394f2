import { describe, expect, it } from "vitest"
import { messages } from "../../../../plugins/messages/index.ts"
import { ask, listAll, openMessagePair, say } from "../../../support/message-pair.ts"

const DAY_MS = 86_400_000

describe("message read", () => {
  it("counts down what is unread, and keeps it to itself", async () => {
    const { ann, bob, settle } = await openMessagePair()
    for (const text of ["1", "2", "3"]) await say(ann, text)
    expect(await ask(bob, "conversations", {})).toMatchObject([
      { contact: "ann", unread: 3, last: "3" },
    ])
    const numbers = (await listAll(bob)).map(({ number }) => number)
    const read = await ask(bob, "read", { contact: "ann", upTo: numbers[1] })
    expect(read).toMatchObject({ unread: 1, told: false })
    expect((await listAll(bob)).map(({ unread }) => unread)).toEqual([false, false, true])
    await ask(bob, "read", { contact: "ann" })
    expect(await ask(bob, "conversations", { unread: true })).toEqual([])
    await settle()
    expect((await listAll(ann)).map(({ state }) => state)).toEqual(Array(3).fill("delivered"))
  })

  it("tells who wrote, when that was chosen", async () => {
    const { ann, bob, settle } = await openMessagePair()
    await ask(bob, "settings", { receipts: "on" })
    for (const text of ["1", "2"]) await say(ann, text)
    expect(await ask(bob, "read", { contact: "ann" })).toMatchObject({ told: true })
    await say(ann, "3")
    await settle()
    expect((await listAll(ann)).map(({ state }) => state)).toEqual(["read", "read", "delivered"])
    expect(ann.told("read").map(({ text }) => text)).toEqual(["1", "2"])
  })

  it("goes by the contact before the identity", async () => {
    const { bob } = await openMessagePair()
    await ask(bob, "settings", { receipts: "on", typing: "on" })
    await ask(bob, "settings", { contact: "ann", receipts: "off" })
    expect(await ask(bob, "settings", {})).toEqual({ receipts: "on", typing: "on" })
    expect(await ask(bob, "settings", { contact: "ann" })).toEqual({
      receipts: "off",
      typing: "on",
    })
  })
})

describe("message draft", () => {
  it("is kept over a restart, and until it is sent", async () => {
    const { ann } = await openMessagePair()
    await ask(ann, "draft", { contact: "bob", text: "dear bob," })
    await ann.stop()
    await ann.start(messages)
    expect(await ask(ann, "draft", { contact: "bob" })).toMatchObject({ draft: "dear bob," })
    expect(await ask(ann, "conversations", {})).toMatchObject([{ draft: "dear bob," }])
    await ask(ann, "send", { contact: "bob", text: "wait, something else first" })
    expect(await ask(ann, "draft", { contact: "bob" })).toMatchObject({ draft: "dear bob," })
    await ask(ann, "send", { contact: "bob", text: "dear bob," })
    expect(await ask(ann, "draft", { contact: "bob" })).toMatchObject({ draft: "" })
    await ask(ann, "draft", { contact: "bob", text: "again" })
    await ask(ann, "send", { contact: "bob", text: "again" })
    expect(await ask(ann, "draft", { contact: "bob" })).toMatchObject({ draft: "" })
  })
})

describe("message mute", () => {
  it("marks what comes, until it ends or is taken back", async () => {
    const { pair, ann, bob } = await openMessagePair()
    await ask(bob, "mute", { contact: "ann", for: "1h" })
    await say(ann, "1")
    await pair.world.pass(3_600_001)
    await say(ann, "2")
    await ask(bob, "mute", { contact: "ann" })
    await pair.world.pass(DAY_MS)
    await say(ann, "3")
    await ask(bob, "unmute", { contact: "ann" })
    await say(ann, "4")
    expect(bob.told("received").map(({ muted }) => muted)).toEqual([true, false, true, false])
  })
})

describe("message typing", () => {
  it("tells only who chose to, and nothing is kept of it", async () => {
    const { ann, bob, settle } = await openMessagePair()
    expect(await ask(ann, "typing", { contact: "bob" })).toMatchObject({ told: false })
    await ask(ann, "settings", { typing: "on" })
    const before = bob.disk.values.size
    expect(await ask(ann, "typing", { contact: "bob" })).toMatchObject({ told: true })
    await settle()
    expect(bob.told("typing")).toEqual([{ identity: "bob-self", contact: "ann" }])
    expect(bob.disk.values.size).toBe(before)
  })
})

describe("a message that disappears", () => {
  const texts = async (who: Parameters<typeof listAll>[0]) =>
    (await listAll(who)).map(({ text }) => text)

  it("goes an hour after it was delivered there, and after it was read here", async () => {
    const { pair, ann, bob } = await openMessagePair()
    await say(ann, "SECRET", { expire: "1h" })
    await pair.world.pass(3_599_000)
    expect(await texts(ann)).toEqual(["SECRET"])
    await pair.world.pass(2_000)
    expect(await texts(ann)).toEqual([])
    expect(await texts(bob)).toEqual(["SECRET"]) // nobody has read it
    await ask(bob, "read", { contact: "ann" })
    await pair.world.pass(3_601_000)
    expect(await texts(bob)).toEqual([])
    for (const who of [ann, bob]) {
      expect(who.told("expired")).toMatchObject([{ text: "" }])
      expect([...who.disk.values.keys()].filter((path) => path.includes("expiries"))).toEqual([])
    }
  })

  it("goes also when the router was off at that time, or crashed", async () => {
    const { pair, ann, settle } = await openMessagePair()
    await say(ann, "1", { expire: "2d" })
    await say(ann, "2", { expire: "3d" })
    await say(ann, "3")
    await ann.stop()
    await pair.world.pass(2 * DAY_MS)
    ann.disk.crashAt = { commit: ann.disk.commitCount + 1, moment: "before" }
    await ann.start(messages)
    await settle()
    ann.disk.crashAt = undefined
    await ann.start(messages)
    await settle()
    expect(await texts(ann)).toEqual(["2", "3"])
    await pair.world.pass(DAY_MS)
    expect(await texts(ann)).toEqual(["3"])
  })

  it("goes late rather than never when the clock is set back", async () => {
    const { pair, ann } = await openMessagePair()
    await say(ann, "1", { expire: "1h" })
    pair.world.jump(-DAY_MS)
    await pair.world.pass(DAY_MS + 3_700_000)
    expect(await texts(ann)).toEqual([])
    await say(ann, "2", { expire: "1d" })
    pair.world.jump(2 * DAY_MS)
    await pair.world.pass(3_700_000)
    expect(await texts(ann)).toEqual([])
  })

  it("is every new one, on both sides, while the timer of the conversation is set", async () => {
    const { pair, ann, bob, settle } = await openMessagePair()
    await ask(ann, "timer", { contact: "bob", after: "1d" })
    await settle()
    expect(await ask(bob, "timer", { contact: "ann" })).toMatchObject({ timer: 86_400 })
    expect(await say(bob, "1")).toMatchObject({ expiresS: 86_400 })
    await ask(bob, "timer", { contact: "ann", after: "off" })
    await say(bob, "2")
    await ask(ann, "read", { contact: "bob" })
    await pair.world.pass(DAY_MS + 1_000)
    for (const who of [ann, bob]) expect(await texts(who)).toEqual(["2"])
  })
})

describe("the backup part", () => {
  it("brings settings and last texts to a new machine, and claims nothing it cannot know", async () => {
    const old = await openMessagePair()
    await ask(old.ann, "settings", { receipts: "on" })
    await ask(old.ann, "settings", { contact: "bob", typing: "on" })
    await ask(old.ann, "mute", { contact: "bob" })
    await say(old.bob, "from bob")
    await say(old.ann, "gone soon", { expire: "1h" })
    await say(old.ann, "to bob")
    await ask(old.ann, "timer", { contact: "bob", after: "1d" })
    await old.bob.stop()
    await ask(old.ann, "send", { contact: "bob", text: "waits", expire: "1h" })
    await ask(old.ann, "timer", { contact: "bob", after: "off" })
    await ask(old.ann, "send", { contact: "bob", text: "waits too" })
    const bytes = await old.ann.backup!.save(old.ann.identity)

    const { ann } = await openMessagePair()
    await ann.backup!.load(ann.identity, bytes)
    await ann.backup!.load(ann.identity, bytes) // also twice
    expect(await listAll(ann)).toMatchObject([
      { text: "from bob", state: "received", unread: false, muted: true },
      { text: "to bob", state: "delivered" },
      { text: "waits too", state: "failed", reason: "RESTORED" },
    ])
    expect(await ask(ann, "settings", { contact: "bob" })).toEqual({ receipts: "on", typing: "on" })
  })

  it("stays under 1 MiB, and refuses what is no backup without quoting it", async () => {
    const { ann } = await openMessagePair()
    for (let count = 0; count < 9; count++)
      await ask(ann, "send", { contact: "bob", text: "x".repeat(2_048) })
    expect((await ann.backup!.save(ann.identity)).length).toBeLessThan(12_000)
    const junk = new TextEncoder().encode("secret")
    await expect(ann.backup!.load(ann.identity, junk)).rejects.toMatchObject({
      code: "BAD_BACKUP",
      message: expect.not.stringContaining("secret"),
    })
  })
})

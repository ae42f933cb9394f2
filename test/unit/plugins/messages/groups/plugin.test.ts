import { describe, expect, it } from "vitest"
import type { GroupDocument } from "../../../../../plugins/messages/groups/offers.ts"
import type { MessageDocument } from "../../../../../plugins/messages/offers.ts"
import { listOffer } from "../../../../../plugins/messages/offers.ts"
import { writeDocument } from "../../../../../src/cli/print.ts"
import { openTown } from "./houses.ts"

describe("group create", () => {
  it("adds contacts, who find the group under its name", async () => {
    const { bob, dan } = await openTown()
    for (const house of [bob, dan]) {
      const [group] = await house.run<GroupDocument[]>("group list", {})
      expect(group).toMatchObject({ name: "friends", role: "member", owner: "ann", memberCount: 4 })
    }
    expect(bob.events.map(({ name }) => name)).toContain("group-joined")
  })

  it("refuses a name that is taken", async () => {
    const { ann, bob } = await openTown()
    await expect(ann.run("group create", { name: "friends" })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    })
    await expect(bob.run("group create", { name: "ann" })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    })
  })
})

describe("message send to a group", () => {
  it("brings a text to all, and says delivered only when all have it", async () => {
    const { town, ann, bob, cy, dan } = await openTown()
    dan.crash()
    await bob.run("message send", { contact: "friends", text: "hello" })
    await town.settle()
    const state = async () =>
      (await bob.run<MessageDocument[]>("message list", { contact: "friends" }))[0]
    expect(await state()).toMatchObject({
      state: "queued",
      reached: { members: 3, delivered: 2, stored: 0, failed: 0 },
    })
    await town.store()
    expect(await state()).toMatchObject({ state: "stored", reached: { delivered: 2, stored: 1 } })
    await dan.start()
    await town.settle()
    expect(await state()).toMatchObject({ state: "delivered", reached: { delivered: 3 } })
    for (const house of [ann, cy, dan]) expect(await house.texts()).toEqual(["bob: hello"])
  })

  it("goes through the owner where members are no contacts, and is delivered when they say so", async () => {
    const { town, bob, cy } = await openTown({ star: true })
    await bob.run("message send", { contact: "friends", text: "hello" })
    await town.settle()
    const [sent] = await bob.run<MessageDocument[]>("message list", { contact: "friends" })
    expect(sent).toMatchObject({ state: "delivered", reached: { delivered: 3 } })
    const [got] = await cy.texts()
    expect(got).toBe(`${bob.identity.key.slice(0, 8)}: hello`)
  })

  it("edits, reacts to and deletes", async () => {
    const { town, ann, bob, cy } = await openTown()
    await ann.run("message send", { contact: "friends", text: "one" })
    await ann.run("message send", { contact: "friends", text: "two" })
    await town.settle()
    await ann.run("message edit", { contact: "friends", message: "1", text: "uno" })
    await bob.run("message react", { contact: "friends", message: "1", emoji: "👍" })
    await ann.run("message delete", { contact: "friends", message: "2" })
    await expect(
      bob.run("message edit", { contact: "friends", message: "1", text: "mine" }),
    ).rejects.toMatchObject({ code: "MESSAGE_STATE" })
    await town.settle()
    const list = await cy.run<MessageDocument[]>("message list", { contact: "friends" })
    expect(list).toEqual([
      expect.objectContaining({ text: "uno", reactions: [{ by: "bob", emoji: "👍" }] }),
    ])
  })

  it("shows and exports who wrote", async () => {
    const { town, ann, bob } = await openTown()
    await bob.run("message send", { contact: "friends", text: "hello" })
    await town.settle()
    const list = await ann.run("message list", { contact: "friends" })
    const [head, line] = writeDocument(list, listOffer.display)
    expect(head?.split(/ +/)).toEqual(["number", "sentAt", "contact", "author", "state", "text"])
    expect(line).toMatch(/^1 .* friends {2}bob +received {2}hello$/)
    const lines: string[] = []
    const stream = ann.run("message export", { contact: "friends" })
    for await (const one of stream as unknown as AsyncIterable<{ line: string }>)
      lines.push(one.line)
    expect(lines).toEqual([expect.stringMatching(/ {2}bob > friends: hello$/)])
  })

  it("has nothing to choose in its settings", async () => {
    const { ann } = await openTown()
    await expect(
      ann.run("message settings", { contact: "friends", receipts: "on" }),
    ).rejects.toMatchObject({ code: "BAD_INPUT" })
  })

  it("sets the timer for all", async () => {
    const { town, ann, bob } = await openTown()
    await bob.run("message timer", { contact: "friends", after: "1h" })
    await town.settle()
    await ann.run("message send", { contact: "friends", text: "short" })
    await town.settle()
    const [got] = await bob.run<MessageDocument[]>("message list", { contact: "friends" })
    expect(got).toMatchObject({ expiresS: 3_600 })
  })

  it("is not shown to who has blocked its author", async () => {
    const { town, ann, bob, cy } = await openTown()
    const at = cy.contacts.findIndex(({ name }) => name === "bob")
    cy.contacts[at] = { ...cy.contacts[at]!, state: "blocked" }
    await bob.run("message send", { contact: "friends", text: "hello" })
    await town.settle()
    expect(await ann.texts()).toEqual(["bob: hello"])
    expect(await cy.texts()).toEqual([])
  })

  it("refuses files and what is too long for a group", async () => {
    const { ann } = await openTown()
    const send = (more: object) => ann.run("message send", { contact: "friends", ...more })
    await expect(send({ attach: ["/a"] })).rejects.toMatchObject({ code: "BAD_INPUT" })
    await expect(send({ text: "x".repeat(70_000) })).rejects.toMatchObject({ code: "TOO_LARGE" })
    expect(await ann.texts()).toEqual([])
  })

  it("loses nothing and shows nothing twice when homes crash", async () => {
    const { town, ann, bob, cy } = await openTown()
    for (let number = 0; number < 10; number++) {
      await ann.run("message send", { contact: "friends", text: `${number}` })
      if (number % 3 === 0) {
        bob.crash()
        ann.crash()
        await ann.start()
        await bob.start()
      }
      await town.settle()
    }
    const want = Array.from({ length: 10 }, (_, number) => `ann: ${number}`)
    expect(await bob.texts()).toEqual(want)
    expect(await cy.texts()).toEqual(want)
  })
})

describe("group remove, leave, rename and hand-over", () => {
  it("are known to all", async () => {
    const { town, ann, bob, cy, dan } = await openTown()
    await ann.run("group rename", { group: "friends", name: "old friends" })
    await ann.run("group hand-over", { group: "old friends", member: "bob" })
    await town.settle()
    await bob.run("group remove", { group: "old friends", member: "cy" })
    await dan.run("group leave", { group: "old friends" })
    await town.settle()
    const show = (house: typeof ann) =>
      house.run<GroupDocument>("group show", { group: "old friends" })
    expect((await show(ann)).members.map(({ name }) => name).sort()).toEqual(["ann-self", "bob"])
    expect(await show(ann)).toMatchObject({ owner: "bob", role: "member" })
    expect(await show(cy)).toMatchObject({ role: "gone" })
    expect(await show(dan)).toMatchObject({ role: "gone" })
    await expect(
      dan.run("message send", { contact: "old friends", text: "?" }),
    ).rejects.toMatchObject({ code: "GROUP_ROLE" })
    expect(cy.events.map(({ name }) => name)).toContain("group-gone")
  })

  it("are told to who watches messages", async () => {
    const { town, ann, bob, cy } = await openTown()
    const seen: { event: string; contact: string; text: string }[] = []
    const stream = cy.run("message watch", {}) as unknown as AsyncIterable<(typeof seen)[number]>
    void (async () => {
      for await (const one of stream) seen.push(one)
    })()
    await ann.run("group rename", { group: "friends", name: "us" })
    await bob.run("message send", { contact: "friends", text: "hello" }).catch(() => {})
    await ann.run("group remove", { group: "us", member: "cy" })
    await town.settle()
    expect(seen.map(({ event }) => event)).toEqual(
      expect.arrayContaining(["group-changed", "group-gone"]),
    )
    expect(seen.find(({ event }) => event === "group-gone")).toMatchObject({
      identity: cy.identity.name,
      group: expect.stringMatching(/^[0-9a-f]{64}$/),
      text: "you do not belong to it any more",
    })
  })

  it("leave a group that can be forgotten, with its messages, until one is added again", async () => {
    const { town, ann, bob } = await openTown()
    await ann.run("message send", { contact: "friends", text: "hello" })
    await town.settle()
    await expect(bob.run("group forget", { group: "friends" })).rejects.toMatchObject({
      code: "GROUP_ROLE",
    })
    await bob.run("group leave", { group: "friends" })
    await town.settle()
    expect(await bob.run("group forget", { group: "friends" })).toMatchObject({ messages: 1 })
    expect(await bob.run("group list", {})).toEqual([])
    expect(await bob.run("message conversations", {})).toEqual([])
    await expect(bob.run("group show", { group: "friends" })).rejects.toMatchObject({
      code: "NO_GROUP",
    })
    await bob.run("group create", { name: "friends" })
    bob.crash()
    await bob.start()
    await ann.run("group add", { group: "friends", contact: "bob" })
    await ann.run("message send", { contact: "friends", text: "again" })
    await town.settle()
    const names = (await bob.run<GroupDocument[]>("group list", {})).map(({ name }) => name)
    expect(names).toEqual(["friends", "friends 2"])
    expect(await bob.texts("friends 2")).toEqual(["ann: again"])
  })

  it("survive a restart", async () => {
    const { town, ann, bob } = await openTown()
    bob.crash()
    await ann.run("group rename", { group: "friends", name: "us" })
    await bob.start()
    await town.settle()
    expect(await bob.run("group show", { group: "us" })).toMatchObject({ memberCount: 4 })
  })
})

describe("a group in which nothing happens", () => {
  it("writes nothing and sends nothing", async () => {
    const { town, ann, bob } = await openTown()
    await ann.run("message send", { contact: "friends", text: "good night" })
    await town.settle()
    for (let hour = 0; hour < 26; hour++) {
      await town.world.pass(3_600_000) // within a day everybody says how far they are
      await town.settle()
    }
    const before = { commits: bob.disk.commitCount, sent: town.sent.length }
    await town.world.pass(48 * 3_600_000)
    await town.settle()
    expect({ commits: bob.disk.commitCount, sent: town.sent.length }).toEqual(before)
  })
})

describe("another device of a member", () => {
  it("sees what the member says, and changes nothing by what it does not", async () => {
    const { town, ann, bob } = await openTown()
    const sentBefore = town.sent.length
    await ann.run("message send", { contact: "friends", text: "hello" })
    await town.settle()
    const copies = town.sent.slice(sentBefore).filter(({ from }) => from === ann)
    await ann.loseAndRestore() // the same identity on another machine
    await town.settle()
    for (const { content } of copies)
      await ann.receive!({
        ...{ identity: ann.identity, contact: ann.contact("bob"), content },
        from: "own device",
      })
    await town.settle()
    expect(await ann.texts()).toEqual(["me: hello"])
    expect(await bob.texts()).toEqual(["ann: hello"])
  })
})

describe("letters of groups", () => {
  it("fit one envelope: a change, a short text, a question", async () => {
    const { town, ann } = await openTown({ star: true })
    await ann.run("message send", { contact: "friends", text: "x".repeat(500) })
    await ann.run("group rename", { group: "friends", name: "n".repeat(64) })
    await town.settle()
    expect(Math.max(...town.sent.map(({ content }) => content.length))).toBeLessThan(1_700)
  })
})

describe("a backup", () => {
  it("brings groups back: the members give the log, and nothing forks", async () => {
    const { town, ann, bob, cy } = await openTown()
    await ann.run("group rename", { group: "friends", name: "us" })
    await ann.run("message send", { contact: "us", text: "before" })
    await town.settle()
    await ann.loseAndRestore()
    await town.settle()
    expect(await ann.run("group show", { group: "us" })).toMatchObject({
      ...{ role: "owner", memberCount: 4, unsure: false },
    })
    await ann.run("group remove", { group: "us", member: "dan" })
    await ann.run("message send", { contact: "us", text: "after" })
    await bob.run("message send", { contact: "us", text: "welcome back" })
    await town.settle()
    expect((await cy.texts("us")).sort()).toEqual([
      "ann: after",
      "ann: before",
      "bob: welcome back",
    ])
    expect((await ann.texts("us")).sort()).toEqual(["bob: welcome back", "me: after"])
    expect(await bob.run("group show", { group: "us" })).toMatchObject({ memberCount: 3 })
  })

  it("lets a restored owner change nothing before a member has answered", async () => {
    const { town, ann, bob, cy, dan } = await openTown()
    for (const house of [bob, cy, dan]) house.crash()
    await ann.loseAndRestore()
    await town.settle()
    await expect(ann.run("group show", { group: "friends" })).rejects.toMatchObject({
      code: "NO_GROUP",
    })
    await bob.start()
    await town.settle()
    await ann.run("group remove", { group: "friends", member: "dan" })
    expect(await ann.run("group show", { group: "friends" })).toMatchObject({ memberCount: 3 })
  })
})

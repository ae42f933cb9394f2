import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type MailRouter, type MailWorld, openMailWorld } from "../../support/mail-routers.ts"

interface Contact {
  readonly name: string
  readonly state: string
  readonly request?: string
  readonly greeting: string
  readonly card?: string
}

describe("asking at a tower", () => {
  let world: MailWorld
  let a: MailRouter
  let b: MailRouter
  let t: MailRouter
  let t2: MailRouter
  let uri = ""

  beforeAll(async () => {
    world = await openMailWorld()
    a = world.router("a")
    b = world.router("b")
    t = world.router("t")
    t2 = world.router("t2")
    await Promise.all([a, b, t, t2].map((one) => one.start()))
    await a.ask("identity create", { name: "ann" })
    await b.ask("identity create", { name: "bob" })
    const first = await t.ask<{ uri: string }>("tower run")
    const second = await t2.ask<{ uri: string }>("tower run")
    await a.ask("tower use", { uri: first.uri })
    await b.ask("tower use", { uri: second.uri })
  }, 60_000)
  afterAll(() => world?.[Symbol.asyncDispose](), 30_000)

  const contacts = (who: MailRouter, wanted: (all: Contact[]) => boolean) =>
    who.until<Contact[]>("contact list", {}, wanted)
  const becomes = (who: MailRouter, id: string, wanted: string) =>
    who.until<{ state: string }>("note state", { id }, ({ state }) => state === wanted)
  const send = async (who: MailRouter, to: string, text: string) =>
    (await who.ask<{ id: string }>("note send", { to, text })).id

  it("who is pull-only shows a card that leads to the tower", async () => {
    await a.ask("identity reach", { name: "ann", reach: "pull-only" })
    const card = await a.ask<{ uri: string; tower: string; state: string }>("contact card")
    expect(card.state).toBe("good")
    expect(card.uri).toHaveLength(196)
    uri = card.uri
    expect(await a.ask("contact cards")).toEqual([
      expect.objectContaining({ card: "plain", uri, tower: card.tower, state: "good" }),
    ])
    const { sessions } = await a.ask<{ sessions: { owner: string }[] }>("status")
    expect(sessions.map(({ owner }) => owner)).not.toContain("identity ann")
  }, 60_000)

  it("a request waits at the door while its owner is off", async () => {
    await a.stop()
    const asked = await b.ask<Contact>("contact add", {
      uri,
      name: "ann",
      as: "bob",
      greeting: "We met at the fair",
    })
    expect(asked.state).toBe("requested")
    await contacts(b, ([one]) => one?.request === "left")
    expect(await t.ask("tower status")).toMatchObject({ envelopes: 1 })
  }, 60_000)

  it("the owner sees who asks, and says yes: both are contacts, though both were off in between", async () => {
    await b.stop()
    await a.start()
    const [asking] = await contacts(a, (all) => all.length === 1)
    expect(asking).toMatchObject({ name: "bob", state: "asking", greeting: "We met at the fair" })
    await a.ask("contact accept", { contact: "bob" })
    await b.start()
    await contacts(b, ([one]) => one?.state === "accepted")
    const [ann] = await b.ask<Contact[]>("contact list")
    expect(ann?.request).toBeUndefined()
  }, 60_000)

  it("letters go both ways through towers", async () => {
    await becomes(b, await send(b, "ann", "hello ann"), "delivered")
    await becomes(a, await send(a, "bob", "hello bob"), "delivered")
    expect(await a.ask("note list")).toEqual(["hello ann"])
    expect(await b.ask("note list")).toEqual(["hello bob"])
  }, 60_000)

  it("no is told, too, and the asker becomes a stranger again", async () => {
    const c = world.router("c")
    await c.start()
    await c.ask("identity create", { name: "carl" })
    const invited = await t2.ask<{ uri: string }>("tower invite", { count: 5 })
    await c.ask("tower use", { uri: invited.uri })
    await c.ask("contact add", { uri, name: "ann", as: "carl" })
    await contacts(a, (all) => all.some(({ state }) => state === "asking"))
    await a.ask("contact refuse", { contact: "carl" })
    await contacts(c, ([one]) => one?.state === "refused")
    expect(await a.ask<Contact[]>("contact list")).toHaveLength(1)
    await c.stop()
  }, 60_000)

  it("a card that was withdrawn leads nowhere, and says so; contacts stay", async () => {
    const fair = await a.ask<{ uri: string }>("contact card", { new: "fair" })
    await b.ask("identity create", { name: "bea" })
    const { uri: more } = await t2.ask<{ uri: string }>("tower invite", { count: 5 })
    await b.ask("tower use", { uri: more, identity: "bea" })
    await b.ask("contact add", { uri: fair.uri, name: "ann", identity: "bea" })
    const asking = await contacts(a, (all) => all.some(({ state }) => state === "asking"))
    expect(asking.find(({ state }) => state === "asking")?.card).toBe("fair")
    await a.ask("contact card", { withdraw: "plain" })
    await b.ask("identity create", { name: "ben" })
    await b.ask("tower use", { uri: more, identity: "ben" })
    await a.until<{ card: string }[]>("contact cards", {}, (all) => all.length === 1)
    await t.until<{ queues: number }>("tower status", {}, ({ queues }) => queues === 2)
    await b.ask("contact add", { uri, name: "ann", identity: "ben" })
    await b.until<Contact[]>(
      "contact list",
      { identity: "ben" },
      ([one]) => one?.request === "gone",
    )
    await becomes(b, await send(b, "ann", "still here?"), "delivered")
  }, 60_000)

  it("who forgot a contact asks again at the door, and both write again", async () => {
    const card = await a.ask<{ uri: string }>("contact card", { label: "fair" })
    await b.ask("contact remove", { contact: "ann" })
    await b.ask("contact add", { uri: card.uri, name: "ann", as: "bob" })
    await contacts(b, ([one]) => one?.state === "accepted")
    await becomes(a, await send(a, "bob", "once more"), "delivered")
    await becomes(b, await send(b, "ann", "and back"), "delivered")
  }, 60_000)

  it("who is reachable can have a card at the tower, too, and be asked while off", async () => {
    const bob = await b.ask<{ uri: string }>("contact card", { tower: true })
    expect(bob.uri).toHaveLength(196)
    expect(await b.ask("contact cards")).toMatchObject([
      { card: "plain", state: "good" },
      { card: "plain", state: "good", uri: bob.uri },
    ])
    await b.stop()
    const d = world.router("d")
    await d.start()
    await d.ask("identity create", { name: "dora" })
    // Without a tower: the answer comes by a link.
    await d.ask("contact add", { uri: bob.uri, name: "bob", as: "dora" })
    await contacts(d, ([one]) => one?.request === "left")
    await b.start()
    await contacts(b, (all) => all.some(({ name, state }) => name === "dora" && state === "asking"))
    await b.ask("contact accept", { contact: "dora" })
    await contacts(d, ([one]) => one?.state === "accepted")
    await becomes(d, await send(d, "bob", "hello bob, at last"), "delivered")
    await d.stop()
  }, 60_000)

  it("who was introduced asks there, though nobody gave them a card", async () => {
    const [fay, gus] = [world.router("f"), world.router("g")]
    const towers = [t, t2]
    for (const [at, one] of [fay, gus].entries()) {
      const name = ["fay", "gus"][at]!
      await one.start()
      await one.ask("identity create", { name })
      const { uri } = await towers[at]!.ask<{ uri: string }>("tower invite")
      await one.ask("tower use", { uri })
      await one.ask("identity reach", { name, reach: "pull-only" })
      const card = await one.ask<{ uri: string }>("contact card")
      await b.ask("contact add", { uri: card.uri, name, as: "bob" })
      await contacts(one, (all) => all.some(({ state }) => state === "asking"))
      await one.ask("contact accept", { contact: "bob" })
      await contacts(b, (all) =>
        all.some((they) => they.name === name && they.state === "accepted"),
      )
      await one.ask("identity backup")
      // Letters come in order: what a contact is given has come before this.
      await becomes(one, await send(one, "bob", "given?"), "delivered")
    }
    await b.ask("contact introduce", { contact: "fay", other: "gus" })
    for (const one of [fay, gus])
      await contacts(one, (all) => all.some(({ state }) => state === "introduced"))
    await gus.ask("contact accept", { contact: "fay" })
    await contacts(fay, (all) => all.some((they) => they.name === "gus" && they.state === "asking"))
    await fay.ask("contact accept", { contact: "gus" })
    await contacts(gus, (all) =>
      all.some((they) => they.name === "fay" && they.state === "accepted"),
    )
    await becomes(gus, await send(gus, "fay", "hello"), "delivered")
  }, 120_000)
})

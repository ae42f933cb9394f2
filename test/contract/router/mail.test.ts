import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  type MailRouter,
  type MailWorld,
  makeContacts,
  openMailWorld,
} from "../../support/mail-routers.ts"

describe("mail between routers", () => {
  let world: MailWorld
  let a: MailRouter
  let b: MailRouter
  let t: MailRouter
  let t2: MailRouter

  beforeAll(async () => {
    world = await openMailWorld()
    a = world.router("a")
    b = world.router("b")
    t = world.router("t")
    t2 = world.router("t2")
    await Promise.all([a.start(), b.start(), t.start()])
    await a.ask("identity create", { name: "ann" })
    await b.ask("identity create", { name: "bob" })
    await makeContacts(a, b, { left: "ann", right: "bob" })
  }, 60_000)
  afterAll(() => world?.[Symbol.asyncDispose](), 30_000)

  const send = async (who: MailRouter, to: string, text: string) =>
    (await who.ask<{ id: string }>("note send", { to, text })).id
  const becomes = (who: MailRouter, id: string, wanted: string) =>
    who.until<{ state: string }>("note state", { id }, ({ state }) => state === wanted)
  const has = (who: MailRouter, text: string) =>
    who.until<string[]>("note list", {}, (list) => list.includes(text))

  it("letters go both ways over a link, and are delivered when it says so", async () => {
    const id = await send(a, "bob", "hello bob")
    await becomes(a, id, "delivered")
    expect(await b.ask("note list")).toEqual(["hello bob"])
    const back = await send(b, "ann", "hello ann")
    await becomes(b, back, "delivered")
    expect(await a.ask("note list")).toEqual(["hello ann"])
  }, 60_000)

  it("a tower is used by its address alone, and holds a queue for each contact", async () => {
    const { uri } = await t.ask<{ uri: string }>("tower run")
    for (const who of [a, b]) await who.ask("tower use", { uri: uri })
    for (const who of [a, b])
      await who.until<{ state: string; queues: number }[]>("tower list", {}, (list) =>
        list.every(({ state, queues }) => state === "up" && queues === 1),
      )
    expect(await t.ask("tower status")).toMatchObject({ state: "up", queues: 2 })
  }, 60_000)

  it("A writes while B is off, then goes off: B has it from the tower, and A hears of it", async () => {
    await becomes(a, await send(a, "bob", "places are told"), "delivered")
    await becomes(b, await send(b, "ann", "and ours"), "delivered")
    await b.stop()
    const id = await send(a, "bob", "while you were away")
    await becomes(a, id, "stored")
    await a.stop()
    await b.start()
    await has(b, "while you were away")
    await b.until<{ state: string }[]>("tower list", {}, ([one]) => one?.state === "up")
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    await b.stop()
    await a.start()
    await becomes(a, id, "delivered")
  }, 120_000)

  it("B moves to another tower while letters come: none is lost, and the old one is empty", async () => {
    await b.start()
    await t2.start()
    const { uri } = await t2.ask<{ uri: string }>("tower run")
    const texts = Array.from({ length: 20 }, (_, number) => `under way ${number}`)
    const moving = b.ask("tower move", { uri })
    for (const text of texts) await send(a, "bob", text)
    await moving
    await b.until<{ use: string; state: string; queues: number }[]>(
      "tower list",
      {},
      (list) => list.length === 1 && list[0]?.state === "up" && list[0].queues === 1,
    )
    await has(b, texts.at(-1)!)
    const list = await b.ask<string[]>("note list")
    expect(list.filter((text) => text.startsWith("under way"))).toEqual(texts)
    await becomes(a, await send(a, "bob", "have you moved?"), "delivered")
    await t.stop() // for ever
    await b.stop()
    const late = await send(a, "bob", "at your new tower")
    await becomes(a, late, "stored")
    await b.start()
    await has(b, "at your new tower")
    await becomes(a, late, "delivered")
  }, 120_000)

  it("A moves away from a tower that is dead, and its contacts know", async () => {
    const { uri } = await t2.ask<{ uri: string }>("tower invite", { count: 5 })
    await a.ask("tower move", { uri, name: "second" })
    await a.until<{ name: string; use: string; queues: number }[]>("tower list", {}, (list) =>
      list.some(({ name, queues }) => name === "second" && queues === 1),
    )
    expect(await a.ask("tower list")).toContainEqual(
      expect.objectContaining({ name: "tower", use: "leaving", state: "away" }),
    )
    await becomes(a, await send(a, "bob", "my tower died"), "delivered")
    await a.stop()
    const id = await send(b, "ann", "by your new one")
    await becomes(b, id, "stored")
    await a.start()
    await has(a, "by your new one")
    await becomes(b, id, "delivered")
  }, 120_000)

  it("an identity that is pull-only has no session, and letters come by its tower", async () => {
    await b.ask("identity reach", { name: "bob", reach: "pull-only" })
    const { sessions } = await b.ask<{ sessions: { owner: string }[] }>("status")
    expect(sessions.map(({ owner }) => owner)).not.toContain("identity bob")
    const id = await send(a, "bob", "are you there?")
    await becomes(a, id, "delivered")
    const back = await send(b, "ann", "nobody can see it")
    await becomes(b, back, "delivered")
    await b.stop()
    await b.start()
    const owners = async () => {
      const { sessions } = await b.ask<{ sessions: { owner: string }[] }>("status")
      return sessions.map(({ owner }) => owner)
    }
    expect(await owners()).not.toContain("identity bob")
    expect(await owners()).toContain("mail pull of bob")
    await becomes(a, await send(a, "bob", "still there?"), "delivered")
    await b.ask("identity reach", { name: "bob", reach: "reachable" })
    await a.until<{ name: string; reachable: boolean }[]>(
      "contact list",
      {},
      ([bob]) => bob?.reachable === true,
    )
  }, 120_000)

  it("letters to somebody who was blocked are given up", async () => {
    await b.stop()
    const id = await send(a, "bob", "never mind")
    await a.ask("contact block", { contact: "bob" })
    await becomes(a, id, "failed")
    await expect(send(a, "bob", "nor this")).rejects.toMatchObject({ code: "CONTACT_STATE" })
    await a.ask("contact unblock", { contact: "bob" })
    await b.start()
    const later = await send(a, "bob", "friends again")
    await becomes(a, later, "delivered")
  }, 120_000)

  it("letters for a plugin that does not run wait for it, and are delivered", async () => {
    await b.stop()
    const { plugins } = b
    b.plugins = []
    await b.start()
    const ids = [await send(a, "bob", "kept one"), await send(a, "bob", "kept two")]
    for (const id of ids) await becomes(a, id, "delivered")
    await b.stop()
    b.plugins = plugins
    await b.start()
    await has(b, "kept two")
    const list = await b.ask<string[]>("note list")
    expect(list.filter((text) => text.startsWith("kept"))).toEqual(["kept one", "kept two"])
  }, 120_000)
})

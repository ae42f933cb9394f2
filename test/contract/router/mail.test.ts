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

  beforeAll(async () => {
    world = await openMailWorld()
    a = world.router("a")
    b = world.router("b")
    t = world.router("t")
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
})

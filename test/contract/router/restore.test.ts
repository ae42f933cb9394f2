import { rm } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { messages } from "../../../plugins/messages/index.ts"
import {
  type MailRouter,
  type MailWorld,
  makeContacts,
  openMailWorld,
} from "../../support/mail-routers.ts"
import { eventually } from "../../support/story.ts"

const PATIENCE_MS = 60_000

interface Contact {
  readonly name: string
  readonly state: string
  readonly verified: boolean
}

describe("24 words after the loss of everything", () => {
  let world: MailWorld
  let a: MailRouter
  let b: MailRouter
  let c: MailRouter
  let t: MailRouter
  let again: MailRouter
  let words = ""
  let file = ""
  let lateId = ""
  let news: Promise<IteratorResult<{ data: unknown }>>

  const send = async (who: MailRouter, to: string, text: string) =>
    (await who.ask<{ id: string }>("note send", { to, text })).id
  const becomes = (who: MailRouter, id: string, wanted: string) =>
    eventually(
      () => who.ask<{ state: string }>("note state", { id }),
      ({ state }) => state === wanted,
      PATIENCE_MS,
    )
  const notes = (who: MailRouter) => who.ask<string[]>("note list")
  const contacts = (who: MailRouter) => who.ask<Contact[]>("contact list")

  beforeAll(async () => {
    world = await openMailWorld()
    ;[a, b, c, t] = ["a", "b", "c", "t"].map((name) => world.router(name)) as [
      MailRouter,
      MailRouter,
      MailRouter,
      MailRouter,
    ]
    b.plugins = [...b.plugins, messages]
    await Promise.all([a, b, c, t].map((one) => one.start()))
    await a.ask("identity create", { name: "ann" })
    await a.ask("identity create", { name: "work" })
    await b.ask("identity create", { name: "bob" })
    await c.ask("identity create", { name: "carl" })
    await makeContacts(a, b, { left: "ann", right: "bob" })
    await makeContacts(a, c, { left: "ann", right: "carl" })
    await a.ask("contact verify", { contact: "bob", confirm: true })
    await a.ask("contact card", { new: "fair" })
    const { uri } = await t.ask<{ uri: string }>("tower run")
    for (const who of [a, b, c]) {
      await who.ask("tower use", { uri })
      await who.until<{ state: string; missing: number }[]>("tower list", {}, (list) =>
        list.every(({ state, missing }) => state === "up" && missing === 0),
      )
    }
    await a.ask("tower use", { uri, identity: "work" })
    await a.ask("identity reach", { name: "work", reach: "pull-only" })
    words = (await a.ask<{ words: string }>("identity phrase")).words
  }, PATIENCE_MS)
  afterAll(() => world?.[Symbol.asyncDispose](), 30_000)

  it(
    "are prepared for: a backup lies at the tower, and keepsakes with contacts",
    async () => {
      for (const name of ["bob", "carl"])
        await becomes(a, await send(a, name, "hello"), "delivered")
      await a.ask("identity backup", { identity: "work" })
      const written = await a.ask<{ towers: string[]; bytes: number }>("identity backup")
      expect(written).toMatchObject({ towers: [expect.any(String)], bytes: 65_536 })
      file = join(world.folder, "ann.backup")
      await a.ask("identity backup", { to: file })
      await expect(a.ask("identity backup", { to: file })).rejects.toMatchObject({
        code: "ALREADY_EXISTS",
      })
      // What was sent before a letter that is delivered has been delivered too.
      for (const name of ["bob", "carl"])
        await becomes(a, await send(a, name, "kept?"), "delivered")
    },
    PATIENCE_MS,
  )

  it(
    "bring back contacts, cards, towers and the other identities",
    async () => {
      await c.stop()
      await a.stop()
      await rm(a.home, { recursive: true })
      lateId = await send(b, "ann", "while you were lost")
      again = world.router("again")
      await again.start()
      const heard = b.router.events
        .subscribe(
          { names: ["contact.restored"] },
          { signal: AbortSignal.timeout(2 * PATIENCE_MS) },
        )
        [Symbol.asyncIterator]()
      news = heard.next()
      const began = Date.now()
      await again.ask("identity restore", { words })
      await eventually(
        () => contacts(again),
        (list) => list.length === 2 && list.every(({ state }) => state === "accepted"),
        PATIENCE_MS,
      )
      console.log(`contacts were back after ${((Date.now() - began) / 1_000).toFixed(1)} s`)
      await again.until<{ name: string }[]>(
        "identity list",
        {},
        (all) => all.map(({ name }) => name).join() === "me,work",
      )
      expect(await contacts(again)).toEqual([
        expect.objectContaining({ name: "bob", verified: true }),
        expect.objectContaining({ name: "carl", verified: false }),
      ])
      expect(await again.ask("tower list", { identity: "me" })).toMatchObject([{ use: "used" }])
      expect(await again.ask("contact cards")).toMatchObject([{ card: "plain" }, { card: "fair" }])
      await eventually(
        () => again.ask<unknown[]>("tower list", { identity: "work" }).catch(() => []),
        ({ length }) => length === 1,
        PATIENCE_MS,
      )
      const { sessions } = await again.ask<{ sessions: { owner: string }[] }>("status")
      expect(sessions.map(({ owner }) => owner)).toContain("identity me")
      expect(sessions.map(({ owner }) => owner)).not.toContain("identity work")
    },
    2 * PATIENCE_MS,
  )

  it(
    "let what waited arrive, and letters go both ways again",
    async () => {
      await becomes(b, lateId, "delivered")
      expect(await notes(again)).toContain("while you were lost")
      await becomes(again, await send(again, "bob", "it is me again"), "delivered")
      await becomes(b, await send(b, "ann", "welcome back"), "delivered")
      expect((await news).value.data).toEqual({ identity: "bob", contact: "ann" })
    },
    2 * PATIENCE_MS,
  )

  it(
    "reach a contact who was away all the time, by the tower",
    async () => {
      const id = await send(again, "carl", "are you there?")
      await becomes(again, id, "stored")
      await c.start()
      await becomes(again, id, "delivered")
      expect(await notes(c)).toContain("are you there?")
    },
    2 * PATIENCE_MS,
  )

  it(
    "are noted in the conversation by who is a contact",
    async () => {
      const about = { direction: "note", note: "restored", text: "restored on a new device" }
      const noted = (list: unknown[]) => list.length > 0
      expect(await b.until("message list", { contact: "ann" }, noted)).toMatchObject([about])
    },
    PATIENCE_MS,
  )

  it(
    "do the same from a file, for all names at once",
    async () => {
      await again.stop()
      const third = world.router("third")
      await third.start()
      const restored = await third.ask("identity restore", { words, from: file })
      expect(restored).toMatchObject([
        { name: "ann", contacts: 2, backup: "found" },
        { name: "work", contacts: 0, backup: "looking" },
      ])
      await third.stop()
    },
    PATIENCE_MS,
  )
})

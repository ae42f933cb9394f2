import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  type MailRouter,
  type MailWorld,
  makeContacts,
  openMailWorld,
} from "../../support/mail-routers.ts"

interface Contact {
  readonly name: string
  readonly state: string
  readonly trust: string
  readonly introducedBy?: string
}

describe("an introduction between routers", () => {
  let world: MailWorld
  let ann: MailRouter
  let bob: MailRouter
  let carl: MailRouter

  beforeAll(async () => {
    world = await openMailWorld()
    const open = async (name: string) => {
      const router = world.router(name)
      await router.start()
      await router.ask("identity create", { name })
      return router
    }
    ;[ann, bob, carl] = [await open("ann"), await open("bob"), await open("carl")]
    await makeContacts(carl, ann, { left: "carl", right: "ann" })
    await makeContacts(carl, bob, { left: "carl", right: "bob" })
    for (const name of ["ann", "bob"]) await sees(carl, name, "accepted")
  }, 60_000)
  afterAll(() => world?.[Symbol.asyncDispose](), 30_000)

  const sees = (who: MailRouter, name: string, state: string) =>
    who.until<Contact[]>("contact list", {}, (list) =>
      list.some((one) => one.name === name && one.state === state),
    )

  it("goes to both by letter, and each sees by whom it is", async () => {
    await bob.ask("contact card", { withdraw: "plain" })
    await carl.ask("contact introduce", { contact: "ann", other: "bob", words: "you both dive" })
    await sees(bob, "ann", "introduced")
    const list = await sees(ann, "bob", "introduced")
    const found = list.find(({ name }) => name === "bob")
    expect(found).toMatchObject({ trust: "introduced", introducedBy: "carl" })
  }, 60_000)

  it("leads to each other when both say yes, though every card is withdrawn", async () => {
    await ann.ask("contact accept", { contact: "bob" })
    await sees(bob, "ann", "asking")
    await bob.ask("contact accept", { contact: "ann" })
    await sees(ann, "bob", "accepted")
    await sees(bob, "ann", "accepted")
  }, 60_000)

  it("can be verified afterwards, by what the other screen shows", async () => {
    const { text } = await bob.ask<{ text: string }>("contact verify", { contact: "ann", qr: true })
    const verified = await ann.ask("contact verify", { contact: "bob", scan: text })
    expect(verified).toMatchObject({ trust: "verified", verified: true })
    await expect(bob.ask("contact verify", { contact: "ann", scan: text })).rejects.toMatchObject({
      code: "BAD_INPUT",
    })
  })
})

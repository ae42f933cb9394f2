import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { messages } from "../../../plugins/messages/index.ts"
import { tower } from "../../../plugins/tower/index.ts"
import {
  type MailRouter,
  type MailWorld,
  makeContacts,
  openMailWorld,
} from "../../support/mail-routers.ts"
import { notes } from "../../support/notes.ts"

interface Message {
  readonly id: string
  readonly direction: "in" | "out"
  readonly state: string
  readonly text: string
}
interface Status {
  readonly sessions: readonly { readonly owner: string; readonly reason?: string }[]
}
interface Device {
  readonly device: number
  readonly here: boolean
  readonly reachable: boolean
}

describe("one identity on two devices", () => {
  let world: MailWorld
  let desktop: MailRouter
  let phone: MailRouter
  let bob: MailRouter
  let code = ""

  beforeAll(async () => {
    world = await openMailWorld()
    const open = async (name: string) => {
      const router = world.router(name)
      router.plugins = [notes, tower, messages]
      await router.start()
      return router
    }
    ;[desktop, phone, bob] = [await open("desktop"), await open("phone"), await open("bob")]
    await desktop.ask("identity create", { name: "ann" })
    await bob.ask("identity create", { name: "bob" })
    await makeContacts(desktop, bob, { left: "ann", right: "bob" })
  }, 60_000)
  afterAll(() => world?.[Symbol.asyncDispose](), 30_000)

  const list = (who: MailRouter, contact: string) => ({
    until: (wanted: (all: Message[]) => boolean) =>
      who.until<Message[]>("message list", { contact }, wanted),
  })
  const texts = (all: readonly Message[], direction: string) =>
    all.filter((one) => one.direction === direction).map(({ text }) => text)

  it("begin with a code; a wrong one is refused, and leaves the right one good", async () => {
    ;({ code } = await desktop.ask<{ code: string }>("identity link"))
    const other = await bob.ask<{ code: string }>("identity link")
    const wrong = `${code.slice(0, 110)}`
    await expect(phone.ask("identity join", { code: wrong })).rejects.toMatchObject({
      code: "BAD_DEVICE_CODE",
    })
    expect(other.code).not.toBe(code)
    const joined = await phone.ask("identity join", { code })
    expect(joined).toMatchObject({ name: "ann", device: 1, contacts: 1 })
  }, 60_000)

  it("refuse a code that was used", async () => {
    const late = world.router("late")
    await late.start()
    await expect(late.ask("identity join", { code })).rejects.toMatchObject({
      code: "DEVICE_REFUSED",
    })
    await late.stop()
  }, 60_000)

  it("know of each other", async () => {
    for (const who of [desktop, phone])
      await who.until<Device[]>(
        "identity devices",
        {},
        (all) => all.length === 2 && all.every(({ reachable }) => reachable),
      )
  }, 60_000)

  it("both have what a contact writes, once", async () => {
    await bob.ask("message send", { contact: "ann", text: "to both" })
    for (const who of [desktop, phone])
      await list(who, "bob").until((all) => texts(all, "in").includes("to both"))
    for (const who of [desktop, phone])
      expect(texts(await who.ask("message list", { contact: "bob" }), "in")).toEqual(["to both"])
    await list(bob, "ann").until((all) => all.some(({ state }) => state === "delivered"))
  }, 60_000)

  it("write as one: the contact has it once, the other device shows it as sent", async () => {
    await phone.ask("message send", { contact: "bob", text: "from the phone" })
    await list(bob, "ann").until((all) => texts(all, "in").includes("from the phone"))
    const shown = await list(desktop, "bob").until((all) =>
      all.some(({ text, state }) => text === "from the phone" && state === "delivered"),
    )
    expect(texts(shown, "out")).toEqual(["from the phone"])
    expect(texts(await bob.ask("message list", { contact: "ann" }), "in")).toEqual([
      "from the phone",
    ])
  }, 60_000)

  it("a device that was off catches up", async () => {
    await phone.stop()
    const sent = await bob.ask<Message>("message send", { contact: "ann", text: "while off" })
    await list(bob, "ann").until((all) =>
      all.some(({ id, state }) => id === sent.id && state === "delivered"),
    )
    await desktop.ask("message send", { contact: "bob", text: "own, while off" })
    await phone.start()
    await list(phone, "bob").until((all) => texts(all, "in").includes("while off"))
    await list(phone, "bob").until((all) => texts(all, "out").includes("own, while off"))
    const all = await phone.ask<Message[]>("message list", { contact: "bob" })
    expect(texts(all, "in").toSorted()).toEqual(["to both", "while off"])
  }, 60_000)

  it("know the same contacts: one that the phone renames, blocks and lets in again", async () => {
    await phone.ask("contact rename", { contact: "bob", name: "robert" })
    type Contacts = { name: string; state: string }[]
    await desktop.until<Contacts>("contact list", {}, ([one]) => one?.name === "robert")
    await phone.ask("contact block", { contact: "robert" })
    await desktop.until<Contacts>("contact list", {}, ([one]) => one?.state === "blocked")
    await desktop.ask("contact unblock", { contact: "robert" })
    await phone.until<Contacts>("contact list", {}, ([one]) => one?.state === "accepted")
    await phone.ask("contact rename", { contact: "robert", name: "bob" })
    await desktop.until<Contacts>("contact list", {}, ([one]) => one?.name === "bob")
  }, 60_000)

  it("the phone asks and answers through the first device", async () => {
    const carl = world.router("carl")
    await carl.start()
    await carl.ask("identity create", { name: "carl" })
    const { uri } = await carl.ask<{ uri: string }>("contact card", { identity: "carl" })
    await phone.ask("contact add", { uri, name: "carl", as: "ann" })
    type Contacts = { name: string; state: string }[]
    await carl.until<Contacts>("contact list", {}, ([one]) => one?.state === "asking")
    await carl.ask("contact accept", { contact: "ann" })
    for (const who of [desktop, phone])
      await who.until<Contacts>("contact list", {}, (all) =>
        all.some(({ name, state }) => name === "carl" && state === "accepted"),
      )
    await carl.stop()
  }, 60_000)

  it("only the first device links and unlinks", async () => {
    await expect(phone.ask("identity link")).rejects.toMatchObject({ code: "LINKED_DEVICE" })
    await expect(phone.ask("identity unlink", { device: 1 })).rejects.toMatchObject({
      code: "LINKED_DEVICE",
    })
    await expect(phone.ask("identity backup")).rejects.toBeDefined()
  })

  it("no key is rotated while two have it", async () => {
    const name = "ann"
    await expect(phone.ask("identity rotate", { name })).rejects.toMatchObject({
      code: "LINKED_DEVICE",
    })
    await expect(desktop.ask("identity rotate", { name })).rejects.toMatchObject({
      code: "HAS_LINKED_DEVICES",
    })
  })

  it("nothing more goes to a device that was unlinked", async () => {
    await desktop.ask("identity unlink", { device: 1 })
    await desktop.until<Device[]>("identity devices", {}, (all) => all.length === 1)
    const contact = () =>
      bob.router.identities.contacts(bob.router.identities.find("bob")).find("ann")
    await bob.until("contact list", {}, () => contact().devices?.devices.length === 1)
    const sent = await bob.ask<Message>("message send", { contact: "ann", text: "not for it" })
    await list(bob, "ann").until((all) =>
      all.some(({ id, state }) => id === sent.id && state === "delivered"),
    )
    const all = await phone.ask<Message[]>("message list", { contact: "bob" })
    expect(texts(all, "in")).not.toContain("not for it")
  }, 60_000)

  it("it learns that it was unlinked, says so, and keeps what it has", async () => {
    const says = { reason: expect.stringContaining("DEVICE_UNLINKED") }
    const { name } = phone.router.identities.find()
    const saysSo = async () => {
      await phone.until<Status>("status", {}, ({ sessions }) =>
        sessions.some(({ reason }) => reason?.includes("DEVICE_UNLINKED") ?? false),
      )
      expect(await phone.ask("identity show")).toMatchObject({ name, ...says })
      await expect(
        phone.ask("message send", { contact: "bob", text: "by nobody" }),
      ).rejects.toMatchObject({ code: "DEVICE_UNLINKED" })
      const all = await phone.ask<Message[]>("message list", { contact: "bob" })
      expect(texts(all, "in")).not.toContain("not for it")
      expect(all.length).toBeGreaterThan(0)
    }
    for (let starts = 0; starts < 2; starts++) {
      await phone.stop()
      await phone.start()
      await saysSo()
    }
    await phone.stop()
  }, 120_000)

  it("a rotated key casts it out, and a device that is linked then has the new one", async () => {
    await desktop.ask("identity rotate", { name: "ann" })
    await bob.until<{ reachable: boolean }[]>(
      "contact list",
      {},
      ([ann]) => ann?.reachable ?? false,
    )
    const tablet = world.router("tablet")
    tablet.plugins = [notes, tower, messages]
    await tablet.start()
    const linked = await desktop.ask<{ code: string }>("identity link")
    await tablet.ask("identity join", { code: linked.code })
    for (const who of [desktop, tablet])
      await who.until<Device[]>(
        "identity devices",
        {},
        (all) => all.length === 2 && all.every(({ reachable }) => reachable),
      )
    const contact = () =>
      bob.router.identities.contacts(bob.router.identities.find("bob")).find("ann")
    await bob.until("contact list", {}, () => contact().devices?.devices.length === 2)
    await bob.ask("message send", { contact: "ann", text: "to the new key" })
    for (const who of [desktop, tablet])
      await list(who, "bob").until((all) => texts(all, "in").includes("to the new key"))
    await tablet.ask("message send", { contact: "bob", text: "by the new key" })
    await list(bob, "ann").until((all) => texts(all, "in").includes("by the new key"))
    await list(desktop, "bob").until((all) => texts(all, "out").includes("by the new key"))
    await tablet.stop()
  }, 120_000)
})

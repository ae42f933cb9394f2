import { rm } from "node:fs/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { systemClock } from "../../../src/base/clock.ts"
import { silentLog } from "../../../src/base/log.ts"
import { systemRandom } from "../../../src/base/random.ts"
import type { Signer } from "../../../src/link/handshake.ts"
import type { Link } from "../../../src/link/link.ts"
import { openLink } from "../../../src/link/open-link.ts"
import { deriveDestinationKeys, openSupervisedSession } from "../../../src/sam/index.ts"
import {
  type MailRouter,
  type MailWorld,
  makeContacts,
  openMailWorld,
} from "../../support/mail-routers.ts"
import { eventually } from "../../support/story.ts"

interface Contact {
  readonly name: string
  readonly state: string
  readonly trust: string
  readonly reachable: boolean
}
const PATIENCE_MS = 180_000

describe("a key that is rotated", () => {
  let world: MailWorld
  let ann: MailRouter
  let bob: MailRouter
  let carl: MailRouter

  const open = async (name: string) => {
    const router = world.router(name)
    await router.start()
    await router.ask("identity create", { name })
    return router
  }
  const send = async (who: MailRouter, to: string, text: string) =>
    (await who.ask<{ id: string }>("note send", { to, text })).id
  const becomes = (who: MailRouter, id: string, wanted: string) =>
    who.until<{ state: string }>("note state", { id }, ({ state }) => state === wanted)
  const notes = (who: MailRouter) => who.ask<string[]>("note list")
  const trusts = (who: MailRouter, name: string, trust: string) =>
    who.until<Contact[]>("contact list", {}, (list) =>
      list.some((one) => one.name === name && one.trust === trust && one.reachable),
    )
  const keyOf = async (who: MailRouter) => (await who.ask<{ key: string }>("identity show")).key
  const digits = async (who: MailRouter, contact: string) =>
    (await who.ask<{ digits: string }>("contact verify", { contact })).digits

  beforeAll(async () => {
    world = await openMailWorld()
    ;[ann, bob, carl] = [await open("ann"), await open("bob"), await open("carl")]
    await makeContacts(ann, bob, { left: "ann", right: "bob" })
    for (const [who, contact] of [
      [ann, "bob"],
      [bob, "ann"],
    ] as const)
      await who.ask("contact verify", { contact, confirm: true })
  }, PATIENCE_MS)
  afterAll(() => world?.[Symbol.asyncDispose](), 30_000)

  it(
    "is told under traffic: texts before, meanwhile and after come once and in order",
    async () => {
      const before = { key: await keyOf(ann), digits: await digits(ann, "bob") }
      const told = bob.router.events.subscribe({ names: ["contact.rotated"] }, { signal })
      const news = told[Symbol.asyncIterator]().next()
      for (let number = 0; number < 5; number++) await send(ann, "bob", `before ${number}`)
      await send(bob, "ann", "to the old key")
      await ann.ask("identity rotate", { name: "ann" })
      for (let number = 0; number < 5; number++) await send(ann, "bob", `after ${number}`)
      await send(bob, "ann", "to whichever")
      await trusts(bob, "ann", "was verified")
      expect((await news).value).toMatchObject({ data: { contact: "ann", wasVerified: true } })
      const last = await send(ann, "bob", "last")
      const back = await send(bob, "ann", "to the new key")
      await becomes(ann, last, "delivered")
      await becomes(bob, back, "delivered")
      const five = [0, 1, 2, 3, 4]
      const texts = ["before", "after"].flatMap((word) => five.map((one) => `${word} ${one}`))
      expect(await notes(bob)).toEqual([...texts, "last"])
      expect(await notes(ann)).toEqual(["to the old key", "to whichever", "to the new key"])
      expect(await keyOf(ann)).not.toBe(before.key)
      expect(await digits(bob, "ann")).toBe(await digits(ann, "bob"))
      expect(await digits(ann, "bob")).not.toBe(before.digits)
    },
    PATIENCE_MS,
  )

  it("is compared anew, by what the other screen shows", async () => {
    const { text } = await ann.ask<{ text: string }>("contact verify", { contact: "bob" })
    await bob.ask("contact verify", { contact: "ann", scan: text })
    await trusts(bob, "ann", "verified")
  })

  it(
    "holds after both were away",
    async () => {
      await ann.stop()
      await bob.stop()
      await Promise.all([ann.start(), bob.start()])
      await trusts(bob, "ann", "verified")
      await becomes(ann, await send(ann, "bob", "here again"), "delivered")
      await becomes(bob, await send(bob, "ann", "me too"), "delivered")
    },
    PATIENCE_MS,
  )

  it(
    "twice while a contact is away, reaches them when they come back",
    async () => {
      await bob.stop()
      await send(ann, "bob", "between")
      await ann.ask("identity rotate", { name: "ann" })
      await ann.ask("identity rotate", { name: "ann" })
      const id = await send(ann, "bob", "both are over")
      await ann.stop()
      await ann.start()
      await bob.start()
      await trusts(bob, "ann", "was verified")
      await becomes(ann, id, "delivered")
      await becomes(bob, await send(bob, "ann", "found you"), "delivered")
      expect((await notes(bob)).slice(-3)).toEqual(["here again", "between", "both are over"])
      expect((await notes(ann)).slice(-2)).toEqual(["me too", "found you"])
      expect(await digits(bob, "ann")).toBe(await digits(ann, "bob"))
    },
    PATIENCE_MS,
  )

  it(
    "is told by a letter at a tower, too, and the old one opens no link any more",
    async () => {
      const tower = world.router("tower")
      await tower.start()
      const { uri } = await tower.ask<{ uri: string }>("tower run")
      await bob.ask("tower use", { uri })
      await bob.until<{ state: string; queues: number }[]>("tower list", {}, (list) =>
        list.every(({ state, queues }) => state === "up" && queues === 1),
      )
      await becomes(bob, await send(bob, "ann", "my tower"), "delivered")
      const stolen = ann.router.identities.find().present
      await bob.stop()
      await ann.ask("identity rotate", { name: "ann" })
      await becomes(ann, await send(ann, "bob", "at the tower"), "stored")
      await ann.stop()
      await using thief = openThief(world, stolen)
      await bob.start()
      await bob.until<string[]>("note list", {}, (list) => list.includes("at the tower"))
      const list = await bob.ask<Contact[]>("contact list")
      expect(list).toMatchObject([{ name: "ann", trust: "was verified" }])
      await expect(thief.call(bob)).rejects.toMatchObject({ code: "LINK_REFUSED" })
      await ann.start()
      await becomes(bob, await send(bob, "ann", "from there"), "delivered")
    },
    PATIENCE_MS,
  )

  it(
    "is the one that new contacts get, and when those rotate, too",
    async () => {
      await makeContacts(carl, ann, { left: "carl", right: "ann" })
      await becomes(carl, await send(carl, "ann", "hello"), "delivered")
      await Promise.all([
        carl.ask("identity rotate", { name: "carl" }),
        ann.ask("identity rotate", { name: "ann" }),
      ])
      await becomes(carl, await send(carl, "ann", "both changed"), "delivered")
      await becomes(ann, await send(ann, "carl", "so we did"), "delivered")
      await carl.until<string>("contact verify", { contact: "ann" }, () => true)
      await expect
        .poll(async () => (await digits(carl, "ann")) === (await digits(ann, "carl")), {
          timeout: 30_000,
        })
        .toBe(true)
      expect(await notes(carl)).toEqual(["so we did"])
      expect((await notes(ann)).slice(-2)).toEqual(["hello", "both changed"])
    },
    PATIENCE_MS,
  )

  it(
    "comes back from the words alone: contacts say which one it is",
    async () => {
      const key = await keyOf(ann)
      const { words } = await ann.ask<{ words: string }>("identity phrase")
      // Keepsakes are given some seconds after something changed.
      await new Promise((resolve) => setTimeout(resolve, 6_000))
      for (const name of ["bob", "carl"])
        await becomes(ann, await send(ann, name, "keepsakes are before this"), "delivered")
      await ann.stop()
      await rm(ann.home, { recursive: true })
      const again = world.router("again")
      await again.start()
      await again.ask("identity restore", { words })
      for (const name of ["bob", "carl"])
        await eventually(
          () => again.ask<Contact[]>("contact list"),
          (list) => list.some((one) => one.name === name && one.reachable),
          PATIENCE_MS,
        )
      expect(await keyOf(again)).toBe(key)
      await becomes(again, await send(again, "carl", "back"), "delivered")
      await becomes(bob, await send(bob, "ann", "welcome"), "delivered")
      expect(await notes(again)).toContain("welcome")
    },
    2 * PATIENCE_MS,
  )
})

const { signal } = new AbortController()

/** Somebody with an older key of an identity, at an address of their own. */
function openThief(world: MailWorld, stolen: Signer) {
  const { host, port } = world.bridge.address
  const { privateKeyFile: keys } = deriveDestinationKeys(systemRandom(32))
  const session = openSupervisedSession({ bridge: { host, port }, keys, coolDownMs: 0 })
  return {
    /** Opens a link to an identity. */
    async call(victim: MailRouter): Promise<Link> {
      const { destination, present } = victim.router.identities.find()
      const stream = await session.connect(destination.b32, { signal })
      const self = { identity: stolen, destination: session.destination, clock: systemClock }
      const more = { random: systemRandom, log: silentLog, stream, signal }
      return openLink({ ...self, ...more, role: "out", expectedPeer: present.publicKey })
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  }
}

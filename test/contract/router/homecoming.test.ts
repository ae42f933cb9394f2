import { once } from "node:events"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { systemClock } from "../../../src/base/clock.ts"
import { silentLog } from "../../../src/base/log.ts"
import { systemRandom } from "../../../src/base/random.ts"
import type { Identity } from "../../../src/identity/identity.ts"
import { openLink } from "../../../src/link/open-link.ts"
import { homecomingKeys } from "../../../src/router/homecoming.ts"
import { makeLinkSigner } from "../../../src/router/link-signer.ts"
import { deriveDestinationKeys, openSupervisedSession } from "../../../src/sam/index.ts"
import {
  type MailRouter,
  type MailWorld,
  makeContacts,
  openMailWorld,
} from "../../support/mail-routers.ts"

const PATIENCE_MS = 180_000

describe("who comes back where nobody finds anybody at home", () => {
  let world: MailWorld
  let bob: MailRouter
  let again: MailRouter
  let lateId = ""
  let ofAnn = ""
  let ofBob = ""

  const send = async (who: MailRouter, to: string, text: string) =>
    (await who.ask<{ id: string }>("note send", { to, text })).id
  const becomes = (who: MailRouter, id: string, wanted: string) =>
    who.until<{ state: string }>("note state", { id }, ({ state }) => state === wanted)
  const reaches = (who: MailRouter, name: string) =>
    who.until<{ name: string; reachable: boolean }[]>("contact list", {}, (list) =>
      list.some((one) => one.name === name && one.reachable),
    )
  const addressOf = async (who: MailRouter) =>
    (await who.ask<{ address: string }>("identity show")).address
  /** Streams between the addresses both are known by, since the loss. */
  const meetingsAtHome = () =>
    world.bridge.trace
      .slice(world.bridge.trace.findLastIndex(({ what }) => what === "session over"))
      .filter(({ what }) => what === "dial OK")
      .filter(({ who }) => who.includes(ofAnn) && who.includes(ofBob))

  beforeAll(async () => {
    world = await openMailWorld()
    const ann = world.router("ann")
    bob = world.router("bob")
    await Promise.all([ann.start(), bob.start()])
    await ann.ask("identity create", { name: "ann" })
    await bob.ask("identity create", { name: "bob" })
    await makeContacts(ann, bob, { left: "ann", right: "bob" })
    // Gives keepsakes; what is delivered after them says that they were.
    await ann.ask("identity backup", { to: join(world.folder, "unused") })
    await becomes(ann, await send(ann, "bob", "hello"), "delivered")
    ;[ofAnn, ofBob] = [await addressOf(ann), await addressOf(bob)]
    const { words } = await ann.ask<{ words: string }>("identity phrase")
    await ann.stop()
    await rm(ann.home, { recursive: true })
    for (const address of [ofAnn, ofBob]) world.bridge.knobs.unpublished.add(address)
    lateId = await send(bob, "ann", "while you were lost")
    again = world.router("again")
    await again.start()
    await again.ask("identity restore", { words, names: ["ann"] })
  }, PATIENCE_MS)
  afterAll(() => world?.[Symbol.asyncDispose](), 30_000)

  it(
    "is met at the homecoming: letters go both ways there",
    async () => {
      await becomes(bob, lateId, "delivered")
      expect(await again.ask<string[]>("note list")).toEqual(["while you were lost"])
      await becomes(again, await send(again, "bob", "I am back"), "delivered")
      await becomes(bob, await send(bob, "ann", "welcome"), "delivered")
      await reaches(again, "bob")
      await reaches(bob, "ann")
      expect(meetingsAtHome()).toEqual([])
    },
    PATIENCE_MS,
  )

  it(
    "takes no letters there from somebody who is no contact",
    async () => {
      await using stranger = openStranger(world)
      const channel = await stranger.open(again.router.identities.find(), "/mailbox/1")
      await expect(once(channel, "close")).rejects.toMatchObject({ code: "CHANNEL_RESET" })
    },
    PATIENCE_MS,
  )

  it(
    "is at home again once it is found, and letters go there",
    async () => {
      world.bridge.knobs.unpublished.clear()
      const isOver = ({ what, who }: { what: string; who: readonly string[] }) =>
        what === "stream over" && who[0] === ofBob && who[1] !== ofAnn
      await expect
        .poll(() => meetingsAtHome().length > 0 && world.bridge.trace.some(isOver), {
          timeout: PATIENCE_MS,
        })
        .toBe(true)
      await becomes(again, await send(again, "bob", "found"), "delivered")
      await becomes(bob, await send(bob, "ann", "found, too"), "delivered")
    },
    PATIENCE_MS,
  )
})

/** Somebody with an identity and an address that nobody knows. */
function openStranger({ bridge }: MailWorld) {
  const { privateKeyFile: keys } = deriveDestinationKeys(systemRandom(32))
  const session = openSupervisedSession({ bridge: bridge.address, keys, coolDownMs: 0 })
  const { signal } = new AbortController()
  return {
    /** Opens a channel where somebody is met. */
    async open(whom: Identity, protocol: string) {
      const stream = await session.connect(homecomingKeys(whom).destination.b32, { signal })
      const self = { identity: makeLinkSigner(systemRandom(32)), destination: session.destination }
      const tools = { clock: systemClock, random: systemRandom, log: silentLog, signal }
      const expectedPeer = whom.present.publicKey
      const link = await openLink({ ...self, ...tools, stream, role: "out", expectedPeer })
      return link.open(protocol, { signal })
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  }
}

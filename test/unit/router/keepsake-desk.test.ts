import { beforeEach, describe, expect, it } from "vitest"
import { silentLog } from "../../../src/base/log.ts"
import { systemRandom } from "../../../src/base/random.ts"
import type { Contact } from "../../../src/identity/contacts.ts"
import type { Reception } from "../../../src/mail/post/post.ts"
import { GIVEN_BYTES } from "../../../src/router/given.ts"
import { homecomingKeys } from "../../../src/router/homecoming.ts"
import type { ChannelHandler } from "../../../src/router/identity-links.ts"
import { KEEPSAKE_BYTES } from "../../../src/router/keepsake.ts"
import { type KeepsakeDesk, openKeepsakeDesk } from "../../../src/router/keepsake-desk.ts"
import type { ArrivedLetter, PeerChannel } from "../../../src/router/plugin.ts"
import { joinChannels } from "../../support/fake-channel.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import { FakeWorld } from "../../support/fake-world.ts"
import vectors from "../../vectors/identity/identities.json" with { type: "json" }
import { openHome } from "../identity/home.ts"

const tower = { key: vectors.identities[1]!.key, address: vectors.identities[1]!.b32 }

const door = { ...tower, sendId: Buffer.alloc(32, 7).toString("base64url") }

/** One side: what it sends is caught; what it serves and receives can be called. */
async function openSide(answers?: (channel: PeerChannel["channel"]) => void) {
  const { book: identities, store } = await openHome()
  const identity = await identities.create("me")
  const sent: Uint8Array[] = []
  let receive!: (letter: ArrivedLetter) => Promise<Reception>
  let serve!: ChannelHandler
  const world = new FakeWorld()
  const links = {
    serveAnyone: (_: string, handle: ChannelHandler) => {
      serve = handle
      return () => {}
    },
  }
  const open = () => {
    const [ours, theirs] = joinChannels("/keepsake/1", world)
    for (const side of [ours, theirs]) side.on("error", () => {})
    answers?.(theirs)
    return ours
  }
  const clock = new FakeClock()
  const desk = openKeepsakeDesk({
    identities,
    links,
    letters: {
      send: async (_, { content }, also = []) => {
        sent.push(content)
        await store.commit(also)
      },
      receive: (handler) => {
        receive = handler
      },
    },
    towers: () => [tower],
    door: () => door,
    store,
    clock,
    random: systemRandom,
    log: silentLog,
  })
  return { identity, identities, desk, sent, receive, serve, store, world, clock, open }
}
type Side = Awaited<ReturnType<typeof openSide>>

const asArrival = ({ identity }: Side) => ({
  peerKey: identity.key,
  peerAddress: identity.destination.b32,
})
const asContact = ({ identity }: Side, name: string) => ({
  key: identity.key,
  address: identity.destination.b32,
  name,
})
async function meet(one: Side, other: Side): Promise<Contact> {
  const book = one.identities.contacts(one.identity)
  await book.receiveRequest(asContact(other, "other"))
  return book.accept("other")
}

let ann: Side
let bob: Side
let annAtBob: Contact
beforeEach(async () => {
  ann = await openSide()
  bob = await openSide()
  await meet(ann, bob)
  annAtBob = await meet(bob, ann)
})
const letter = (content: Uint8Array, from: ArrivedLetter["from"] = "contact"): ArrivedLetter => ({
  identity: bob.identity,
  contact: annAtBob,
  content,
  from,
})
const give = async (content: Uint8Array) =>
  bob.store.commit((await bob.receive(letter(content))).changes)
/** A fresh machine of ann's, at whose links bob's router answers. */
async function annAgain(answer?: (channel: PeerChannel["channel"]) => void) {
  const theirs = (channel: PeerChannel["channel"]) =>
    void bob
      .serve({ ...asArrival(ann), identity: bob.identity, contact: annAtBob, channel })
      .catch(() => channel.destroy())
  return openSide(answer ?? theirs)
}
const ask = (side: Side, desk: KeepsakeDesk = side.desk) =>
  desk.ask(
    ann.identity,
    { key: bob.identity.key, open: side.open },
    { signal: new AbortController().signal },
  )

describe("KeepsakeDesk", () => {
  it("gives each contact one, and another one when something changed", async () => {
    await ann.desk.refresh(ann.identity)
    await ann.desk.refresh(ann.identity)
    expect(ann.sent.map(({ length }) => length)).toEqual([GIVEN_BYTES])
    await ann.identities.contacts(ann.identity).rename("other", "bob")
    await ann.desk.refresh(ann.identity)
    expect(ann.sent).toHaveLength(2)
    await ann.identities.contacts(ann.identity).block("bob")
    await ann.identities.contacts(ann.identity).rename("bob", "bob again")
    await ann.desk.refresh(ann.identity)
    expect(ann.sent).toHaveLength(2)
  })

  it("hands back the newest to who comes again with nothing but the words", async () => {
    await ann.desk.refresh(ann.identity)
    await ann.identities.contacts(ann.identity).rename("other", "bob")
    await ann.desk.refresh(ann.identity)
    for (const content of ann.sent) await give(content)
    expect(await ask(await annAgain())).toMatchObject({ name: "bob", towers: [tower] })
  })

  it("says where who gave one is met on a new machine: at an address that only the words make", async () => {
    expect(await bob.desk.homecomingOf(bob.identity, annAtBob.key)).toBeUndefined()
    await ann.desk.refresh(ann.identity)
    await give(ann.sent[0]!)
    const address = await bob.desk.homecomingOf(bob.identity, annAtBob.key)
    expect(address).toBe(homecomingKeys(ann.identity).destination.b32)
    expect(address).not.toBe(ann.identity.destination.b32)
    expect(await bob.desk.doorOf(bob.identity, annAtBob.key)).toEqual(door)
  })

  it("answers nobody who is no contact", async () => {
    const [channel] = joinChannels("/keepsake/1", bob.world)
    const stranger = { ...asArrival(ann), identity: bob.identity, contact: undefined, channel }
    await expect(bob.serve(stranger)).rejects.toMatchObject({ code: "NOT_ACCEPTED" })
  })

  it("says so when it keeps nothing", async () => {
    expect(await ask(await annAgain())).toBeUndefined()
  })

  it("answers 20 times an hour", async () => {
    const again = await annAgain()
    for (let times = 0; times < 20; times++) expect(await ask(again)).toBeUndefined()
    await expect(ask(again)).rejects.toThrow()
    await bob.clock.pass(3_600_000)
    expect(await ask(again)).toBeUndefined()
  })

  it.each([
    [
      "a forged one",
      (channel: PeerChannel["channel"]) => channel.end(new Uint8Array(KEEPSAKE_BYTES)),
    ],
    ["a short one", (channel: PeerChannel["channel"]) => channel.end(new Uint8Array(5))],
    ["a long one", (channel: PeerChannel["channel"]) => channel.end(new Uint8Array(5_000))],
  ])("refuses %s", async (_, answer) => {
    await expect(ask(await annAgain(answer))).rejects.toMatchObject({ code: "BAD_BACKUP" })
  })

  it("keeps what has one of two lengths, and nothing of our own devices", async () => {
    for (const length of [0, 1_023, 1_025, 1_056, GIVEN_BYTES + 1])
      await expect(bob.receive(letter(new Uint8Array(length)))).rejects.toMatchObject({
        code: "BAD_RECORD",
      })
    expect(await bob.receive(letter(new Uint8Array(1_024), "own device"))).toEqual({ changes: [] })
  })
})

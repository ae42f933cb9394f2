import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { packValue } from "../../../src/base/pack.ts"
import { makeIntroduction } from "../../../src/identity/introduction.ts"
import { trustIn } from "../../../src/router/core/verify-offers.ts"
import { befriend, FakePeople, type Person, until } from "../../support/fake-people.ts"

let ann: Person
let bob: Person
let carl: Person
beforeEach(async () => {
  const people = new FakePeople()
  ann = await people.join("ann")
  bob = await people.join("bob")
  carl = await people.join("carl")
  await befriend([carl, "ann"], [ann, "carl"])
  await befriend([carl, "bob"], [bob, "carl"])
})
afterEach(async () => {
  await Promise.all([ann, bob, carl].map(({ desk }) => desk[Symbol.asyncDispose]()))
})

const introduced = () => carl.desk.introduce(carl.identity, ["ann", "bob"], "both keep bees")
const letterOf = (members: object) =>
  packValue({ v: 1, kind: "introduction", name: "bob", words: "", ...members })
const about = ({ identity }: Person) => ({ key: identity.key, address: identity.destination.b32 })

describe("an introduction", () => {
  it("shows each who the other is, and by whose word; nobody is a contact by it", async () => {
    await introduced()
    const bobAtAnn = ann.contacts.find("bob")
    expect(bobAtAnn).toMatchObject({ state: "introduced", greeting: "both keep bees" })
    expect(trustIn(ann.contacts, bobAtAnn)).toEqual({ trust: "introduced", introducedBy: "carl" })
    expect(bob.contacts.find("ann")).toMatchObject({ state: "introduced", ...about(ann) })
  })

  it("makes them contacts when both say yes, whoever says it first", async () => {
    await introduced()
    expect(await ann.desk.accept(ann.identity, "bob")).toMatchObject({ state: "requested" })
    const asking = await until(() => {
      const contact = bob.contacts.find("ann")
      return contact.state === "asking" ? contact : undefined
    })
    expect(asking.introducer).toBe(carl.identity.key)
    await bob.desk.accept(bob.identity, "ann")
    await until(() => ann.contacts.find("bob").state === "accepted" || undefined)
    expect(trustIn(ann.contacts, ann.contacts.find("bob")).trust).toBe("introduced")
  })

  it("makes them contacts when both say yes at once", async () => {
    await introduced()
    await Promise.all([ann.desk.accept(ann.identity, "bob"), bob.desk.accept(bob.identity, "ann")])
    await until(() => ann.contacts.find("bob").state === "accepted" || undefined)
    await until(() => bob.contacts.find("ann").state === "accepted" || undefined)
  })

  it("opens the door of somebody whose every card is withdrawn", async () => {
    await bob.identities.doors(bob.identity).withdraw("plain")
    await introduced()
    await bob.contacts.remove("ann")
    await ann.desk.accept(ann.identity, "bob")
    const asking = await until(() => bob.contacts.byKey(ann.identity.key))
    expect(asking).toMatchObject({ state: "asking", introducer: carl.identity.key })
  })

  it("is worth nothing to who does not know the introducer any more", async () => {
    await bob.identities.doors(bob.identity).withdraw("plain")
    await introduced()
    await bob.contacts.remove("ann")
    await bob.contacts.remove("carl")
    await ann.desk.accept(ann.identity, "bob")
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(bob.contacts.list()).toEqual([])
  })

  it("marks who is known already and changes nothing else", async () => {
    await befriend([ann, "bobby"], [bob, "annie"])
    await introduced()
    expect(ann.contacts.find("bobby")).toMatchObject({ state: "accepted", greeting: "" })
    expect(trustIn(ann.contacts, ann.contacts.find("bobby")).introducedBy).toBe("carl")
  })

  it("is refused without a word, and who was blocked stays unheard", async () => {
    await introduced()
    await ann.desk.refuse(ann.identity, "bob")
    expect(ann.contacts.list().map(({ name }) => name)).toEqual(["carl"])
    await introduced()
    await ann.desk.block(ann.identity, "bob")
    await introduced()
    expect(ann.contacts.find("bob").state).toBe("blocked")
  })

  it.each([
    ["nothing", () => new Uint8Array(0)],
    ["another shape", () => packValue({ v: 2 })],
    ["a member too many", () => letterOf({ introduction: new Uint8Array(233), extra: 1 })],
    ["zeros", () => letterOf({ introduction: new Uint8Array(233) })],
    [
      "one that somebody else signed",
      () =>
        letterOf({
          introduction: makeIntroduction(bob.identity, [about(ann), about(bob)], Date.now()),
        }),
    ],
    [
      "one about two others",
      () => {
        const people = [about(bob), { ...about(bob), key: carl.identity.key }] as const
        return letterOf({ introduction: makeIntroduction(carl.identity, people, Date.now()) })
      },
    ],
  ])("is dropped when it is %s", async (_, letter) => {
    await expect(ann.deliver(carl, letter())).rejects.toMatchObject({ code: "BAD_RECORD" })
    expect(ann.contacts.list()).toHaveLength(1)
  })

  it("is dropped in silence when it is over", async () => {
    const monthAgo = Date.now() - 31 * 86_400_000
    const people = [about(ann), about(bob)] as const
    const introduction = makeIntroduction(carl.identity, people, monthAgo)
    await ann.deliver(carl, letterOf({ introduction }))
    expect(ann.contacts.list()).toHaveLength(1)
  })

  it("needs two accepted contacts", async () => {
    await carl.contacts.block("bob")
    await expect(introduced()).rejects.toMatchObject({ code: "CONTACT_STATE" })
    await expect(carl.desk.introduce(carl.identity, ["ann", "ann"], "")).rejects.toMatchObject({
      code: "CONTACT_STATE",
    })
  })
})

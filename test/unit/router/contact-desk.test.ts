import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { formatContactUri } from "../../../src/identity/contact-uri.ts"
import { befriend, FakePeople, type Person, until } from "../../support/fake-people.ts"

let people: FakePeople
let ann: Person
let bob: Person
beforeEach(async () => {
  people = new FakePeople()
  ann = await people.join("ann")
  bob = await people.join("bob")
})
afterEach(async () => {
  await Promise.all([ann, bob].map(({ desk }) => desk[Symbol.asyncDispose]()))
})

const words = { name: "ann", greeting: "hello", ownName: "bob" }
const cardOf = async (person: Person, label: string) => {
  const door = (await person.identities.doors(person.identity).make(label)).id
  const { key, destination } = person.identity
  return formatContactUri({ key, address: destination.b32, ...(door !== undefined && { door }) })
}
/** Bob's notice has been answered: nothing of it waits any more. */
const answered = () => new Promise((resolve) => setTimeout(resolve, 30))

describe("cards that can be withdrawn", () => {
  it("bring a request that says which card it came with", async () => {
    await bob.desk.request(bob.identity, await cardOf(ann, "fair"), words)
    const asking = await until(() => ann.contacts.byKey(bob.identity.key))
    expect(asking).toMatchObject({ state: "asking", name: "bob", card: "fair", greeting: "hello" })
  })

  it("lead to nobody once they are withdrawn, and the other cards still do", async () => {
    const uri = await cardOf(ann, "fair")
    await ann.identities.doors(ann.identity).withdraw("fair")
    await bob.desk.request(bob.identity, uri, words)
    await answered()
    expect(ann.contacts.list()).toEqual([])
    expect(bob.contacts.find("ann").state).toBe("requested")
    expect(ann.events).toEqual([])
    await bob.desk.request(bob.identity, ann.uri, words)
    await until(() => ann.contacts.byKey(bob.identity.key))
  })

  it("may be all but the plain one", async () => {
    await ann.identities.doors(ann.identity).withdraw("plain")
    await bob.desk.request(bob.identity, ann.uri, words)
    await answered()
    expect(ann.contacts.list()).toEqual([])
    await ann.identities.doors(ann.identity).make("plain")
    await bob.desk.request(bob.identity, ann.uri, words)
    await until(() => ann.contacts.byKey(bob.identity.key))
  })

  it("leave contacts as they are", async () => {
    await befriend([bob, "ann"], [ann, "bob"])
    await ann.identities.doors(ann.identity).withdraw("plain")
    await bob.contacts.remove("ann")
    await bob.desk.request(bob.identity, ann.uri, words)
    await until(() => bob.contacts.find("ann").state === "accepted" || undefined)
  })

  it("answer a withdrawn card as a person answers who never decides", async () => {
    const gone = await cardOf(ann, "fair")
    await ann.identities.doors(ann.identity).withdraw("fair")
    const carl = await people.join("carl")
    const heard = await Promise.all([answerTo(bob, gone), answerTo(carl, ann.uri)])
    expect(heard[0]).toEqual(heard[1])
    expect(heard[0]!.length).toBeGreaterThan(0)
    await carl.desk[Symbol.asyncDispose]()
  })
})

/** The bytes that come back to a request with this card. */
async function answerTo(from: Person, uri: string): Promise<Buffer> {
  const heard: Buffer[] = []
  const { openToAnyone } = from.links
  Object.assign(from.links, {
    openToAnyone: async (...call: Parameters<typeof openToAnyone>) => {
      const channel = await openToAnyone(...call)
      channel.on("data", (chunk: Buffer) => heard.push(chunk))
      return channel
    },
  })
  await from.desk.request(from.identity, uri, words)
  await until(() => (heard.length > 0 ? true : undefined))
  await answered()
  return Buffer.concat(heard)
}

import { ed25519 } from "@noble/curves/ed25519.js"
import { describe, expect, it } from "vitest"
import { z } from "zod"
import { keyToText } from "../../../src/identity/keys.ts"
import vectors from "../../vectors/identity/identities.json" with { type: "json" }
import { openBook, openHome } from "./home.ts"

const address = vectors.identities[0]!.b32
const moved = vectors.identities[1]!.b32
const keyNumber = (number: number) => {
  const seed = new Uint8Array(32)
  new DataView(seed.buffer).setUint32(0, number)
  return keyToText(ed25519.getPublicKey(seed))
}
const ann = { key: keyNumber(1), address, name: "ann", greeting: "hello" }
const ben = { key: keyNumber(2), address, name: "ben" }

async function openContacts() {
  const home = await openHome()
  const identity = await home.book.create("me")
  return { ...home, identity, contacts: home.book.contacts(identity) }
}

describe("ContactBook", () => {
  it("keeps a request, its answer and the check over a restart", async () => {
    const { contacts, folder, store, identity } = await openContacts()
    await contacts.request(ann)
    await contacts.receiveAccept(ann)
    await contacts.verify("ann", await contacts.safetyNumber("ann"))
    const again = (await openBook(folder, store)).contacts(identity)
    const { key } = ann
    expect(again.find("ann")).toMatchObject({ key, address, state: "accepted", verified: true })
    expect(again.byKey(key)).toEqual(again.find(key))
  })

  it("shows the greeting of who asks, cut to 500 characters", async () => {
    const { contacts } = await openContacts()
    const asking = await contacts.receiveRequest({ ...ann, greeting: "🧅".repeat(2000) })
    expect(asking).toMatchObject({ state: "asking", name: "ann", greeting: "🧅".repeat(500) })
    expect(await contacts.accept("ann")).toMatchObject({ state: "accepted" })
  })

  it("appends a number when a stranger calls himself like a contact", async () => {
    const { contacts } = await openContacts()
    await contacts.request(ann)
    const names = [ben, { ...ben, key: keyNumber(3) }].map((one) =>
      contacts.receiveRequest({ ...one, name: "ann" }),
    )
    expect((await Promise.all(names)).map(({ name }) => name)).toEqual(["ann 2", "ann 3"])
    expect(contacts.find("ann").key).toBe(ann.key)
  })

  it("refuses a name of ours that is taken, and renames to one that is free", async () => {
    const { contacts } = await openContacts()
    await contacts.request(ann)
    await expect(contacts.request({ ...ben, name: "ann" })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    })
    await contacts.request(ben)
    await expect(contacts.rename("ben", "ann")).rejects.toMatchObject({ code: "ALREADY_EXISTS" })
    await expect(contacts.rename("ben", "\u202e")).rejects.toMatchObject({ code: "BAD_INPUT" })
    await contacts.rename("ben", "benjamin")
    expect(contacts.find("benjamin").key).toBe(ben.key)
    expect(() => contacts.find("ben")).toThrow(expect.objectContaining({ code: "NO_CONTACT" }))
  })

  it("accepts who asked us when we ask them, under the name we choose", async () => {
    const { contacts } = await openContacts()
    await contacts.receiveRequest(ann)
    expect(await contacts.request({ ...ann, name: "annie" })).toMatchObject({
      name: "annie",
      state: "accepted",
      greeting: "hello",
    })
    expect(contacts.list()).toHaveLength(1)
  })

  it("pins the key to the name and lets the address move", async () => {
    const { contacts } = await openContacts()
    await contacts.request(ann)
    await contacts.receiveAccept({ ...ann, address: moved })
    await contacts.receiveRequest({ ...ann, address: moved })
    expect(contacts.find("ann")).toMatchObject({ key: ann.key, address: moved, state: "accepted" })
    const impostor = await contacts.receiveRequest({ ...ben, name: "ann" })
    expect(impostor).toMatchObject({ name: "ann 2", state: "asking", verified: false })
  })

  it("hears nothing from the blocked, and unblocks to what was before", async () => {
    const { contacts, folder, store, identity } = await openContacts()
    await contacts.request(ann)
    await contacts.receiveAccept(ann)
    await contacts.block("ann")
    const before = contacts.find("ann")
    expect(before.state).toBe("blocked")
    expect(await contacts.receiveRequest({ ...ann, address: moved, greeting: "x" })).toEqual(before)
    expect(await contacts.receiveRefusal(ann.key)).toEqual(before)
    await contacts.block("ann")
    const again = (await openBook(folder, store)).contacts(identity)
    expect(await again.unblock("ann")).toMatchObject({ state: "accepted", address })
    await expect(again.unblock("ann")).rejects.toMatchObject({ code: "CONTACT_STATE" })
  })

  it("gives back who was refused or removed, and forgets them", async () => {
    const { contacts, folder, store, identity } = await openContacts()
    await contacts.receiveRequest(ann)
    await contacts.request(ben)
    expect(await contacts.refuse("ann")).toMatchObject({ key: ann.key, state: "asking" })
    expect(await contacts.remove("ben")).toMatchObject({ key: ben.key, state: "requested" })
    expect(contacts.list()).toEqual([])
    expect((await openBook(folder, store)).contacts(identity).list()).toEqual([])
    expect(await contacts.receiveAccept(ann)).toBeUndefined()
    expect(await contacts.receiveRefusal(ann.key)).toBeUndefined()
  })

  it("says CONTACT_STATE and changes nothing where the table says so", async () => {
    const { contacts } = await openContacts()
    await contacts.request(ann)
    for (const deed of [contacts.accept, contacts.refuse, contacts.unblock])
      await expect(deed.call(contacts, "ann")).rejects.toMatchObject({ code: "CONTACT_STATE" })
    expect(contacts.find("ann").state).toBe("requested")
  })

  it("refuses itself, unsound keys and addresses that are none", async () => {
    const { contacts, identity } = await openContacts()
    const weak = keyToText(new Uint8Array(32).fill(1, 0, 1))
    await expect(contacts.request({ ...ann, key: identity.key })).rejects.toMatchObject({
      code: "BAD_INPUT",
    })
    await expect(contacts.receiveRequest({ ...ann, key: weak })).rejects.toMatchObject({
      code: "BAD_KEY",
    })
    await expect(contacts.request({ ...ann, address: "a.i2p" })).rejects.toMatchObject({
      code: "BAD_INPUT",
    })
    expect(contacts.list()).toEqual([])
  })

  it("refuses other digits and then verifies nobody", async () => {
    const { contacts } = await openContacts()
    await contacts.request(ann)
    await expect(contacts.verify("ann", vectors.safetyNumber01)).rejects.toMatchObject({
      code: "BAD_INPUT",
    })
    expect(contacts.find("ann").verified).toBe(false)
  })

  it("commits along what it is given, or neither", async () => {
    const { contacts, store } = await openContacts()
    const notices = store.table("notices", z.string())
    await contacts.request(ann, [notices.put(ann.key, "request")])
    expect(await notices.get(ann.key)).toBe("request")
    await expect(contacts.accept("ann", [notices.put(ann.key, "accept")])).rejects.toThrow()
    expect(await notices.get(ann.key)).toBe("request")
  })

  it("takes 256 strangers who ask and refuses the next, but not those we ask", async () => {
    const { contacts } = await openContacts()
    const asking = Array.from({ length: 257 }, (_, number) =>
      contacts.receiveRequest({ key: keyNumber(number + 10), address }),
    )
    const results = await Promise.allSettled(asking)
    expect(results.filter(({ status }) => status === "rejected")).toHaveLength(1)
    expect(results.at(-1)).toMatchObject({ reason: { code: "TOO_MANY_CONTACTS" } })
    expect(await contacts.request(ann)).toMatchObject({ state: "requested" })
    await contacts.refuse("contact 256")
    await contacts.receiveRequest(ben)
  })

  it("keeps contacts of two identities apart", async () => {
    const { book, contacts } = await openContacts()
    const other = book.contacts(await book.create("other"))
    await contacts.request(ann)
    expect(other.list()).toEqual([])
    await other.request({ ...ann, name: "somebody else" })
    expect(contacts.find(ann.key).name).toBe("ann")
  })
})

import fc from "fast-check"
import { beforeEach, describe, expect, it } from "vitest"
import { AlliumError } from "../../../src/base/errors.ts"
import { keyHash, readCard } from "../../../src/identity/card.ts"
import type { ContactBook } from "../../../src/identity/contacts.ts"
import { secretFor } from "../../../src/identity/paths.ts"
import {
  makeRotation,
  makeRotations,
  ROTATION_BYTES,
  readRotation,
  readRotations,
} from "../../../src/identity/rotation.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import vectors from "../../vectors/identity/identities.json" with { type: "json" }
import { openBook, openHome } from "./home.ts"
import { signerOf } from "./signer.ts"

const SEED = Buffer.from(vectors.seed, "hex")
const version = (number: number) =>
  signerOf(secretFor(SEED, { identity: 0, purpose: "identity", number }))
const [v0, v1, v2] = [version(0), version(1), version(2)]
const address = vectors.identities[0]!.b32
const expected = { key: v0.key, nextKeyHash: vectors.identities[0]!.next }
const made = makeRotation(v0, v1, keyHash(v2.publicKey))

describe("readRotation()", () => {
  it("takes the key that the frozen card of this phrase committed to", () => {
    expect(v0.key).toBe(vectors.identities[0]!.key)
    expect(readRotation(made, expected)).toEqual({
      oldKey: v0.key,
      newKey: v1.key,
      nextKeyHash: keyHash(v2.publicKey),
    })
    expect(made).toHaveLength(ROTATION_BYTES)
  })

  it("refuses it with any one bit changed", () => {
    for (let bit = 0; bit < made.length * 8; bit++) {
      const forged = new Uint8Array(made)
      forged[bit >> 3] = forged[bit >> 3]! ^ (1 << (bit & 7))
      expect(() => readRotation(forged, expected)).toThrow(AlliumError)
    }
  })

  it.each([
    ["a thief of the old key who names his own", makeRotation(v0, v2, keyHash(v1.publicKey))],
    [
      "a new key the old one did not sign for",
      makeRotation({ ...v2, publicKey: v0.publicKey }, v1, keyHash(v2.publicKey)),
    ],
    [
      "an old key the new one did not sign for",
      makeRotation(v0, { ...v2, publicKey: v1.publicKey }, keyHash(v2.publicKey)),
    ],
    ["somebody else's", makeRotation(v1, v2, keyHash(v0.publicKey))],
    ["nothing", new Uint8Array(0)],
  ])("refuses %s", (_, bytes) => {
    expect(() => readRotation(bytes, expected)).toThrow(
      expect.objectContaining({ code: "BAD_RECORD" }),
    )
  })

  it("returns a rotation or BAD_RECORD for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 260 }), (bytes) => {
        expect(() => readRotation(bytes, expected)).toThrow(AlliumError)
      }),
      { numRuns: fuzzRuns(300) },
    )
  })
})

describe("readRotations()", () => {
  const all = makeRotations(version, 3)

  it("follows each key to the next one", () => {
    const keys = readRotations(all).map(({ oldKey, newKey }) => [oldKey, newKey])
    expect(keys).toEqual([0, 1, 2].map((old) => [version(old).key, version(old + 1).key]))
  })

  it.each([
    ["none", new Uint8Array(0)],
    ["half of one", all.subarray(0, 300)],
    ["one left out", Buffer.concat([all.subarray(0, 225), all.subarray(450)])],
    ["another order", Buffer.concat([all.subarray(225, 450), all.subarray(0, 225)])],
    ["seventeen", Buffer.concat(Array.from({ length: 17 }, () => all.subarray(0, 225)))],
    [
      "a second one to a key that the first did not commit to",
      Buffer.concat([made, makeRotation(v1, version(3), keyHash(v2.publicKey))]),
    ],
  ])("refuses %s", (_, bytes) => {
    expect(() => readRotations(bytes)).toThrow(expect.objectContaining({ code: "BAD_RECORD" }))
  })
})

describe("ContactBook.rotate()", () => {
  let book: ContactBook
  beforeEach(async () => {
    const home = await openHome()
    book = home.book.contacts(await home.book.create("me"))
  })
  const ann = { key: v0.key, address, name: "ann", nextKeyHash: expected.nextKeyHash }
  const steps = (count: number) => readRotations(makeRotations(version, count))
  const thief = readRotations(makeRotation(v0, v2, keyHash(v1.publicKey)))

  it("keeps name, state, place and first key, and says that it was verified", async () => {
    await book.receiveRequest(ann)
    await book.accept("ann")
    await book.verify("ann")
    const { since } = book.find("ann")
    const digits = await book.safetyNumber("ann")
    const same = { name: "ann", state: "accepted", key: v0.key, address, since }
    expect(await book.rotate(v0.key, steps(1))).toMatchObject({
      ...same,
      presentKey: v1.key,
      verified: false,
      wasVerified: true,
    })
    expect(book.list()).toHaveLength(1)
    expect([v0, v1].map(({ key }) => book.byAnyKey(key)?.name)).toEqual(["ann", "ann"])
    expect(book.byAnyKey(v2.key)).toBeUndefined()
    expect(await book.safetyNumber("ann")).not.toBe(digits)
    expect(await book.verify("ann")).toMatchObject({ verified: true })
    expect(book.find("ann").wasVerified).toBeUndefined()
  })

  it("goes on to the key after that, all at once too, and twice is once", async () => {
    await book.receiveRequest(ann)
    await book.rotate(v0.key, steps(1))
    expect(await book.rotate(v0.key, steps(2))).toMatchObject({ presentKey: v2.key })
    expect(await book.rotate(v1.key, steps(4))).toMatchObject({ presentKey: version(4).key })
    const [kept] = book.keep()
    expect(await book.rotate(v0.key, steps(4))).toMatchObject({ presentKey: version(4).key })
    expect(book.keep()).toEqual([kept])
    expect(kept?.retired).toEqual([v1, v2, version(3)].map(({ key }) => key))
  })

  it("never goes back", async () => {
    await book.receiveRequest(ann)
    await book.rotate(v0.key, steps(2))
    await expect(book.rotate(v0.key, steps(1))).rejects.toMatchObject({ code: "BAD_RECORD" })
  })

  it("believes the first commitment, not one that comes later", async () => {
    await book.receiveRequest(ann)
    await book.receiveRequest({ ...ann, nextKeyHash: keyHash(v2.publicKey) })
    await expect(book.rotate(v0.key, thief)).rejects.toMatchObject({ code: "BAD_RECORD" })
    expect(await book.rotate(v0.key, steps(1))).toMatchObject({ presentKey: v1.key })
  })

  it("takes it like a first card from whom no card was seen", async () => {
    const { nextKeyHash: _, ...cardless } = ann
    await book.request(cardless)
    await book.rotate(v0.key, steps(1))
    expect(book.keep()).toMatchObject([{ nextKeyHash: keyHash(v2.publicKey) }])
  })

  it("refuses it for the blocked, and when the new key is known", async () => {
    await book.receiveRequest(ann)
    await book.request({ key: v1.key, address, name: "other" })
    const refused = { code: "CONTACT_STATE" }
    await expect(book.rotate(v0.key, steps(1))).rejects.toMatchObject(refused)
    await book.remove("other")
    await book.block("ann")
    await expect(book.rotate(v0.key, steps(1))).rejects.toMatchObject(refused)
    expect(book.find("ann").presentKey).toBeUndefined()
  })

  it("knows somebody met later by the keys before, unless they are another's", async () => {
    const late = { key: v1.key, address, name: "late", rotations: steps(1) }
    await book.receiveRequest(late)
    expect(book.byAnyKey(v0.key)?.name).toBe("late")
    await book.remove("late")
    await book.receiveRequest(ann)
    await book.receiveRequest({ ...late, key: v2.key, rotations: thief })
    expect(book.byAnyKey(v0.key)?.name).toBe("ann")
  })
})

describe("IdentityBook.rotate()", () => {
  it("keeps name and first key, and is so after a restart", async () => {
    const { folder, store, book } = await openHome()
    const me = await book.create("me")
    const before = { key: me.key, address: me.destination.b32, cards: await book.card(me) }
    await book.rotate(me)
    expect(me).toMatchObject({ key: before.key, present: { version: 1, key: me.keysAt(1).key } })
    expect(readRotations(me.rotations())).toHaveLength(1)
    const [again] = (await openBook(folder, store)).list()
    expect(again).toMatchObject({ key: before.key, present: { key: me.present.key } })
    expect(again?.destination.b32).toBe(before.address)
    const nowMs = Date.now()
    const card = await readCard(await book.card(me), { key: me.present.key, nowMs })
    expect(card.nextKeyHash).toBe(keyHash(me.keysAt(2).publicKey))
    const old = await readCard(before.cards, { key: me.key, nowMs })
    expect(old.nextKeyHash).toBe(keyHash(me.present.publicKey))
  })

  it("ends after sixteen times, and never goes back", async () => {
    const { book } = await openHome()
    const me = await book.create("me")
    await book.rotate(me, 16)
    await book.rotate(me, 3)
    expect(me.present.version).toBe(16)
    expect(readRotations(me.rotations())).toHaveLength(16)
    await expect(book.rotate(me)).rejects.toMatchObject({ code: "LIMIT_REACHED" })
  })
})

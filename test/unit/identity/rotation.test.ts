import fc from "fast-check"
import { beforeEach, describe, expect, it } from "vitest"
import { AlliumError } from "../../../src/base/errors.ts"
import { keyHash } from "../../../src/identity/card.ts"
import type { ContactBook } from "../../../src/identity/contacts.ts"
import { secretFor } from "../../../src/identity/paths.ts"
import { makeRotation, ROTATION_BYTES, readRotation } from "../../../src/identity/rotation.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import vectors from "../../vectors/identity/identities.json" with { type: "json" }
import { openHome } from "./home.ts"
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

describe("ContactBook.rotate()", () => {
  let book: ContactBook
  beforeEach(async () => {
    const home = await openHome()
    book = home.book.contacts(await home.book.create("me"))
  })
  const ann = { key: v0.key, address, name: "ann", nextKeyHash: expected.nextKeyHash }

  it("keeps name, state and place, and says that it was verified", async () => {
    await book.receiveRequest(ann)
    await book.accept("ann")
    await book.verify("ann")
    const { since } = book.find("ann")
    const after = { name: "ann", state: "accepted", key: v1.key, address, since }
    expect(await book.rotate(v0.key, made)).toMatchObject({
      ...after,
      verified: false,
      wasVerified: true,
    })
    expect(book.list()).toHaveLength(1)
    expect([book.byKey(v0.key), book.find("ann").key]).toEqual([undefined, v1.key])
    expect(await book.verify("ann")).toMatchObject({ verified: true })
    expect(book.find("ann").wasVerified).toBeUndefined()
  })

  it("goes on to the key after that", async () => {
    await book.receiveRequest(ann)
    await book.rotate(v0.key, made)
    const again = makeRotation(v1, v2, keyHash(version(3).publicKey))
    expect(await book.rotate(v1.key, again)).toMatchObject({ key: v2.key })
  })

  it("believes the first commitment, not one that comes later", async () => {
    await book.receiveRequest(ann)
    await book.receiveRequest({ ...ann, nextKeyHash: keyHash(v2.publicKey) })
    const thief = makeRotation(v0, v2, keyHash(v1.publicKey))
    await expect(book.rotate(v0.key, thief)).rejects.toMatchObject({ code: "BAD_RECORD" })
    expect(await book.rotate(v0.key, made)).toMatchObject({ key: v1.key })
  })

  it("refuses it without a card, for the blocked, and when the new key is known", async () => {
    const { nextKeyHash: _, ...cardless } = ann
    await book.request(cardless)
    await expect(book.rotate(v0.key, made)).rejects.toMatchObject({ code: "BAD_RECORD" })
    await book.receiveAccept(ann)
    await book.request({ key: v1.key, address, name: "other" })
    await expect(book.rotate(v0.key, made)).rejects.toMatchObject({ code: "CONTACT_STATE" })
    await book.remove("other")
    await book.block("ann")
    await expect(book.rotate(v0.key, made)).rejects.toMatchObject({ code: "CONTACT_STATE" })
    expect(book.find("ann").key).toBe(v0.key)
  })
})

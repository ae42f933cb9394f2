import { describe, expect, it } from "vitest"
import { systemRandom } from "../../../../src/base/random.ts"
import { createEnvelopeCrypto } from "../../../../src/mail/envelope/envelope-crypto.ts"
import { ann, bob } from "./people.ts"
import { hex } from "./vectors.ts"

const crypto = createEnvelopeCrypto({ random: systemRandom })
const { bundle } = crypto.makePrekeys(bob)

/** A bundle whose owner signed whatever is in it. */
function signed(change: (body: Uint8Array) => void): Uint8Array {
  const body = bundle.slice(0, 1_377)
  change(body)
  return Buffer.concat([body, bob.sign("allium prekey bundle v1", body)])
}

const SMALL_ORDER_X25519 = hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
const badBundle = expect.objectContaining({ code: "BAD_BUNDLE" })

describe("makePrekeys()", () => {
  it("makes 96 bytes of secret and 1,441 bytes of bundle, fresh each time", () => {
    const [one, other] = [crypto.makePrekeys(bob), crypto.makePrekeys(bob)]
    expect([one.secret.length, one.bundle.length]).toEqual([96, 1_441])
    expect(one.secret).not.toEqual(other.secret)
    expect(one.bundle.subarray(129, 1_377)).not.toEqual(other.bundle.subarray(129, 1_377))
  })
})

describe("ownerOf()", () => {
  it("says whose it is", () => {
    expect(crypto.ownerOf(bundle)).toEqual(bob.publicKey)
  })

  it("refuses a bundle with any byte changed", () => {
    for (let at = 0; at < bundle.length; at += 13) {
      const damaged = Uint8Array.from(bundle)
      damaged[at] = damaged[at]! ^ 0x10
      expect(() => crypto.ownerOf(damaged), `byte ${at}`).toThrow(badBundle)
    }
  })

  it.each([0, 1, 1_440, 1_442])("refuses %i bytes", (length) => {
    expect(() => crypto.ownerOf(new Uint8Array(length))).toThrow(badBundle)
  })

  it.each([
    ["another version", (body: Uint8Array) => body.fill(2, 0, 1)],
    ["an identity of small order", (body: Uint8Array) => body.fill(0, 1, 33)],
    ["an identity that is not canonical", (body: Uint8Array) => body.fill(0xff, 1, 33)],
    ["an agreement key of somebody else", (body: Uint8Array) => body.set(ann.agreementKey, 33)],
    ["a KEM key that is not reduced", (body: Uint8Array) => body.fill(0xff, 161, 164)],
  ])("refuses %s, whoever signed it", (_, change) => {
    expect(() => crypto.ownerOf(signed((body) => void change(body)))).toThrow(badBundle)
  })
})

describe("begin()", () => {
  it("refuses a prekey of small order, though its owner signed it", () => {
    const weak = signed((body) => body.set(SMALL_ORDER_X25519, 129))
    expect(() => crypto.begin(ann, weak)).toThrow(badBundle)
  })

  it("refuses an agreement key of small order, though its owner signed it", () => {
    const weak = signed((body) => {
      body.set(SMALL_ORDER_X25519, 33)
      body.set(bob.sign("allium agreement key v1", SMALL_ORDER_X25519), 65)
    })
    expect(() => crypto.begin(ann, weak)).toThrow(badBundle)
  })
})

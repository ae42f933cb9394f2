import { createPublicKey, verify } from "node:crypto"
import { ed25519 } from "@noble/curves/ed25519.js"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isAlliumError } from "../../../src/base/errors.ts"
import {
  importPublicKey,
  keyFromText,
  keyToText,
  signedBytes,
  verifySignature,
} from "../../../src/identity/keys.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"))

/** The eight points of small order and their other encodings, as libsodium's blocklist has them. */
const smallOrder = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000080",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]

describe("importPublicKey()", () => {
  it.each(smallOrder)("refuses %s", (key) => {
    expect(() => importPublicKey(hex(key))).toThrow(expect.objectContaining({ code: "BAD_KEY" }))
  })

  it("refuses every encoding of y from 2^255 - 19 on: it is not canonical", () => {
    for (let last = 0xed; last <= 0xff; last++)
      for (const top of [0x7f, 0xff]) {
        const key = new Uint8Array(32).fill(0xff)
        key[0] = last
        key[31] = top
        expect(() => importPublicKey(key)).toThrow(/Cannot read public key/)
      }
  })

  it.each([0, 31, 33, 64])("refuses %s bytes", (length) => {
    expect(() => importPublicKey(new Uint8Array(length))).toThrow(`has ${length} bytes`)
  })

  it("takes the keys of RFC 8032", () => {
    const key = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    expect(importPublicKey(key)).toStrictEqual(key)
    expect(importPublicKey(key)).not.toBe(key)
    expect(keyFromText(keyToText(key))).toStrictEqual(key)
  })

  it("returns a point of the curve or BAD_KEY for 1,000 byte strings", () => {
    const bytes = fc.oneof(
      { weight: 9, arbitrary: fc.uint8Array({ minLength: 32, maxLength: 32 }) },
      fc.uint8Array({ maxLength: 80 }),
    )
    fc.assert(
      fc.property(bytes, (key) => {
        try {
          expect(ed25519.Point.fromBytes(importPublicKey(key)).toBytes()).toEqual(key)
        } catch (error) {
          if (!isAlliumError(error, "BAD_KEY")) throw error
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("keyFromText()", () => {
  const text = keyToText(ed25519.getPublicKey(new Uint8Array(32).fill(7)))
  it.each([
    { name: "42 characters", damage: text.slice(1) },
    { name: "padding", damage: `${text}=` },
    { name: "the other base64", damage: text.replace(/^./, "+") },
    {
      name: "spare bits that are not zero",
      damage: text.slice(0, -1) + (text.endsWith("A") ? "B" : "9"),
    },
  ])("refuses $name", ({ damage }) => {
    expect(() => keyFromText(damage)).toThrow(expect.objectContaining({ code: "BAD_KEY" }))
  })
})

describe("verifySignature()", () => {
  const secret = new Uint8Array(32).fill(3)
  const key = ed25519.getPublicKey(secret)
  const message = new TextEncoder().encode("message")
  const signature = ed25519.sign(signedBytes("d", message), secret)

  it("accepts what noble signed", () => {
    expect(verifySignature(key, "d", message, signature)).toBe(true)
  })

  it("refuses S + L, which is the same number to careless verifiers", () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    let s = order
    for (const [index, byte] of signature.subarray(32).entries())
      s += BigInt(byte) << BigInt(8 * index)
    const twin = Uint8Array.from(signature)
    for (let index = 0; index < 32; index++)
      twin[32 + index] = Number((s >> BigInt(8 * index)) & 255n)
    expect(verifySignature(key, "d", message, twin)).toBe(false)
  })

  it("refuses the forgery that Node accepts for a key of small order", () => {
    const weak = hex(smallOrder[2]!)
    const forged = Uint8Array.from([1, ...new Uint8Array(63)])
    const object = createPublicKey({
      key: { kty: "OKP", crv: "Ed25519", x: keyToText(weak) },
      format: "jwk",
    })
    expect(verify(null, signedBytes("d", message), object, forged)).toBe(true)
    expect(verifySignature(weak, "d", message, forged)).toBe(false)
  })

  it("answers false for any key, message and signature a peer may send", () => {
    const bytes = fc.uint8Array({ maxLength: 70 })
    fc.assert(
      fc.property(bytes, bytes, bytes, (anyKey, anyMessage, anySignature) => {
        expect(verifySignature(anyKey, "d", anyMessage, anySignature)).toBe(false)
        expect(verifySignature(key, "d", anyMessage, anySignature)).toBe(false)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

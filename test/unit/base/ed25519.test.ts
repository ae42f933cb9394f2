import { generateKeyPairSync, sign } from "node:crypto"
import { ed25519 } from "@noble/curves/ed25519.js"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { importEd25519, separated, verifyEd25519 } from "../../../src/base/ed25519.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"))
const refusal = (message: string) =>
  expect.objectContaining({ code: "BAD_KEY", message: expect.stringContaining(message) })

/** Every point whose order divides 8, as noble finds them: the multiples of one point of order 8. */
function smallOrderPoints(): string[] {
  const eighth = ed25519.Point.fromHex(
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  )
  return Array.from({ length: 8 }, (_, index) =>
    (index === 0 ? ed25519.Point.ZERO : eighth.multiplyUnsafe(BigInt(index))).toHex(),
  )
}

describe("importEd25519()", () => {
  it("refuses every small-order point noble knows", () => {
    const points = smallOrderPoints()
    expect(new Set(points).size).toBe(8)
    for (const point of points) expect(() => importEd25519(hex(point))).toThrow(refusal("order"))
  })
  it.each([
    { name: "y equal to the prime", key: `ed${"ff".repeat(30)}7f`, message: "not canonical" },
    { name: "y of all ones", key: "ff".repeat(32), message: "not canonical" },
    { name: "one with the sign bit", key: `01${"00".repeat(30)}80`, message: "small order" },
    { name: "31 bytes", key: "07".repeat(31), message: "has 31 bytes, expected 32" },
    { name: "33 bytes", key: "07".repeat(33), message: "has 33 bytes, expected 32" },
  ])("refuses $name", ({ key, message }) => {
    expect(() => importEd25519(hex(key))).toThrow(refusal(message))
  })
  it("never fails in another way, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          importEd25519(bytes)
        } catch (error) {
          expect(error).toEqual(refusal("Cannot read public key"))
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("verifyEd25519()", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519")
  const key = hex(Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url").toString("hex"))
  const message = hex("00ff10")
  const signature = sign(null, Buffer.from("6465736b0000ff10", "hex"), privateKey) // "desk", 0, message

  it("accepts what was signed over domain, a zero byte, and message", () => {
    expect(verifyEd25519(key, "desk", message, signature)).toBe(true)
    expect(verifyEd25519(importEd25519(key), "desk", message, signature)).toBe(true)
    expect(ed25519.verify(signature, separated("desk", message), key)).toBe(true)
  })
  it.each([
    { name: "another domain", domain: "door", bytes: message, by: signature },
    { name: "another message", domain: "desk", bytes: hex("00ff11"), by: signature },
    { name: "a short signature", domain: "desk", bytes: message, by: signature.subarray(1) },
    { name: "no signature", domain: "desk", bytes: message, by: new Uint8Array() },
  ])("refuses $name", ({ domain, bytes, by }) => {
    expect(verifyEd25519(key, domain, bytes, by)).toBe(false)
  })
})

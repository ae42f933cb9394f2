import { x25519 } from "@noble/curves/ed25519.js"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { openAgreementKey } from "../../../src/base/x25519.ts"

const key = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe("openAgreementKey()", () => {
  it("agrees with @noble/curves", () => {
    fc.assert(
      fc.property(key, key, (mine, theirs) => {
        const opened = openAgreementKey(mine)
        expect(opened.publicKey).toEqual(x25519.getPublicKey(mine))
        const theirKey = x25519.getPublicKey(theirs)
        expect(opened.agree(theirKey)).toEqual(x25519.getSharedSecret(mine, theirKey))
      }),
      { numRuns: 50 },
    )
  })

  it.each([
    ["zero", "00".repeat(32)],
    ["one", `01${"00".repeat(31)}`],
    ["order 8", "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"],
    ["order 8, the other", "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"],
    ["minus one", `ec${"ff".repeat(30)}7f`],
    ["zero, not canonical", `ed${"ff".repeat(30)}7f`],
    ["one, not canonical", `ee${"ff".repeat(30)}7f`],
  ])("refuses a key of small order: %s", (_, hex) => {
    const opened = openAgreementKey(new Uint8Array(32).fill(7))
    expect(() => opened.agree(new Uint8Array(Buffer.from(hex, "hex")))).toThrow(
      expect.objectContaining({ code: "BAD_KEY" }),
    )
  })

  it.each([0, 31, 33])("refuses a key of %i bytes", (byteCount) => {
    const opened = openAgreementKey(new Uint8Array(32).fill(7))
    expect(() => opened.agree(new Uint8Array(byteCount))).toThrow(
      expect.objectContaining({ code: "BAD_KEY" }),
    )
    expect(() => openAgreementKey(new Uint8Array(byteCount))).toThrow(RangeError)
  })
})

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { formatAddress, parseAddress } from "../../../src/sam/address.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import blinded from "../../vectors/sam/blinded-addresses.json" with { type: "json" }
import derived from "../../vectors/sam/derived-destinations.json" with { type: "json" }

const [first] = blinded
const good = first?.address ?? ""

describe("parseAddress()", () => {
  it.each(blinded)("takes $address apart as Python's zlib put it together", (vector) => {
    const { address, publicKey, ...rest } = vector
    const parsed = parseAddress(address)
    expect(parsed).toEqual({
      kind: "blinded",
      publicKey: new Uint8Array(Buffer.from(publicKey, "hex")),
      ...rest,
    })
    expect(formatAddress(parsed)).toBe(address)
  })
  it.each(derived)("reads the hash in $b32, in either case", ({ b32 }) => {
    const parsed = parseAddress(b32.toUpperCase())
    expect(parsed).toMatchObject({ kind: "hash", hash: expect.objectContaining({ length: 32 }) })
    expect(formatAddress(parsed)).toBe(b32)
  })
  it.each([
    ["", "does not end"],
    ["example.i2p", "does not end"],
    [".b32.i2p", "0 characters"],
    [`${"a".repeat(51)}.b32.i2p`, "base32"],
    [`${"a".repeat(55)}.b32.i2p`, "55 characters"],
    [`${"1".repeat(52)}.b32.i2p`, "base32"],
    [`${"b".repeat(52)}.b32.i2p`, "base32"], // bits left over
    [`x.${"a".repeat(52)}.b32.i2p`, "base32"],
    [`${"a".repeat(240)}.b32.i2p`, "240 characters"],
    [good.replace(/^./, "7"), "checksum"],
  ])("refuses %j", (text, message) => {
    expect(() => parseAddress(text)).toThrow(
      expect.objectContaining({ code: "BAD_NAME", message: expect.stringContaining(message) }),
    )
  })
  it("notices a slip in any letter of a b33, but for the three bits the checksum leaves free", () => {
    let unnoticed = 0
    for (let at = 0; at < 56; at++) {
      const slip = good[at] === "a" ? "b" : "a"
      try {
        parseAddress(good.slice(0, at) + slip + good.slice(at + 1))
        unnoticed++
      } catch (error) {
        expect(error).toMatchObject({ code: "BAD_NAME" })
      }
    }
    expect(unnoticed).toBeLessThanOrEqual(1) // the flags for secret and client key are free bits
  })
  it("reads nothing that it would not write the same way", () => {
    const letters = fc.string({ unit: fc.constantFrom(..."abcdefgz234567A1="), maxLength: 80 })
    fc.assert(
      fc.property(letters, (text) => {
        const address = `${text}.b32.i2p`
        try {
          expect(formatAddress(parseAddress(address))).toBe(address.toLowerCase())
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_NAME" })
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeBase32, encodeBase32 } from "../../../src/base/base32.ts"
import { decodeBase64, encodeBase64 } from "../../../src/sam/base64.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

describe("encodeBase64()", () => {
  it.each([
    ["", ""],
    ["fbff", "-~8="],
    ["fbefbe", "----"],
    ["ffffff", "~~~~"],
    ["00", "AA=="],
  ])("writes %s as %s", (hex, text) => {
    expect(encodeBase64(new Uint8Array(Buffer.from(hex, "hex")))).toBe(text)
  })
  it("reads back what it wrote, and decodes nothing else to the same bytes", () => {
    const anyText = fc.string({ unit: fc.constantFrom(..."AQgw-~_/+= \n9"), maxLength: 12 })
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), anyText, (bytes, text) => {
        expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes)
        let decoded: Uint8Array | undefined
        try {
          decoded = decodeBase64(text)
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_BASE64" })
        }
        if (decoded !== undefined) expect(encodeBase64(decoded)).toBe(text)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("encodeBase32()", () => {
  it.each([
    ["", ""],
    ["f", "my"],
    ["fo", "mzxq"],
    ["foo", "mzxw6"],
    ["foob", "mzxw6yq"],
    ["fooba", "mzxw6ytb"],
    ["foobar", "mzxw6ytboi"],
  ])("writes %j as RFC 4648, section 10, does", (text, want) => {
    expect(encodeBase32(new TextEncoder().encode(text))).toBe(want)
    expect(decodeBase32(want.toUpperCase())).toEqual(new TextEncoder().encode(text))
  })
  it.each(["m", "mz1q", "mzx=", "mzxr", "mzxw6yqa", "ä"])("does not read %j", (text) => {
    const read = decodeBase32(text)
    expect(read === undefined || encodeBase32(read) === text).toBe(true)
    if (text !== "mzxw6yqa") expect(read).toBeUndefined()
  })
})

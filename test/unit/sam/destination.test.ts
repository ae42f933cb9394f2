import { describe, expect, it } from "vitest"
import {
  keyTypes,
  parseDestination,
  readDestination,
  signingKey,
  toB32,
} from "../../../src/sam/destination.ts"
import derived from "../../vectors/sam/derived-destinations.json" with { type: "json" }

/** Zeros with a certificate that states `stated` bytes of payload. */
function destination({ bytes = 387, stated = 0 }: { bytes?: number; stated?: number }): Uint8Array {
  const destination = new Uint8Array(bytes)
  destination[386] = stated
  return destination
}

describe("toB32()", () => {
  it("agrees with Python's hashlib and base64", () => {
    expect(toB32(destination({}))).toBe(
      "gem7z2yovuoqqbg3sd5qzb5dhaiit6osezfdo3cbuonanzjsuzaq.b32.i2p",
    )
  })
  it.each([
    { bytes: 0, stated: 0, message: "has 0 bytes, expected 387" },
    { bytes: 386, stated: 0, message: "has 386 bytes, expected 387" },
    { bytes: 390, stated: 4, message: "has 390 bytes, expected 391" }, // cut short
    { bytes: 392, stated: 4, message: "has 392 bytes, expected 391" }, // one too many
    { bytes: 387, stated: 255, message: "has 387 bytes, expected 642" },
  ])("refuses $bytes bytes with a certificate of $stated", ({ message, ...damage }) => {
    expect(() => toB32(destination(damage))).toThrow(
      expect.objectContaining({
        code: "BAD_DESTINATION",
        message: expect.stringContaining(message),
      }),
    )
  })
})

describe("parseDestination()", () => {
  it.each(derived)("reads $b32 as Python wrote it", ({ destination, b32 }) => {
    const parsed = parseDestination(destination)
    expect(parsed.b32).toBe(b32)
    expect(parsed.base64).toBe(destination)
    expect(parsed.base64).toHaveLength(524)
    expect(keyTypes(parsed)).toEqual({ signatureType: 7, cryptoType: 0 })
    expect(signingKey(parsed)).toEqual(parsed.bytes.slice(352, 384))
  })
  it.each([
    ["without its padding (T20)", (text: string) => text.replace(/=+$/, "")],
    ["in the web's alphabet", (text: string) => text.replace(/^./, "_")],
    ["in the old alphabet", (text: string) => text.replace(/^./, "/")],
    ["with a line end", (text: string) => `${text}\n`],
    ["with bits left over", (text: string) => text.replace(/.==$/, "B==")],
    ["with a group too many", (text: string) => `AAAA${text}`],
    ["empty", () => ""],
  ])("refuses one %s", (_, damage) => {
    expect(() => parseDestination(damage(derived[0]?.destination ?? ""))).toThrow(
      expect.objectContaining({ code: "BAD_DESTINATION" }),
    )
  })
})

describe("readDestination()", () => {
  it("keeps a copy: what the caller does to its bytes changes nothing", () => {
    const bytes = destination({})
    const read = readDestination(bytes)
    bytes[0] = 1
    expect(read.bytes[0]).toBe(0)
  })
  it("knows destinations without a key certificate as DSA", () => {
    const old = readDestination(destination({}))
    expect(keyTypes(old)).toEqual({ signatureType: 0, cryptoType: 0 })
    expect(signingKey(old)).toBeUndefined()
  })
})

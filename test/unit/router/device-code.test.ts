import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isAlliumError } from "../../../src/base/errors.ts"
import { formatDeviceCode, parseDeviceCode } from "../../../src/router/device-code.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import { signerOf } from "../identity/signer.ts"

const { key } = signerOf(new Uint8Array(32).fill(1))
const said = { key, address: `${"b".repeat(51)}a.b32.i2p`, secret: new Uint8Array(16).fill(9) }
const code = formatDeviceCode(said)

describe("parseDeviceCode()", () => {
  it("reads what was written, with spaces around it", () => {
    expect(code.length).toBe(142)
    expect(parseDeviceCode(` ${code}\n`)).toEqual(said)
  })

  it.each([
    { damage: "another scheme", text: code.replace("allium-device:", "allium:") },
    { damage: "a part less", text: code.slice(0, -5) },
    { damage: "a mistyped check", text: `${code.slice(0, -1)}${code.endsWith("a") ? "b" : "a"}` },
    { damage: "nothing", text: "" },
    { damage: "very much", text: code.repeat(100) },
  ])("refuses $damage", ({ text }) => {
    expect(() => parseDeviceCode(text)).toThrow(
      expect.objectContaining({
        code: "BAD_DEVICE_CODE",
        message: expect.not.stringContaining(key),
      }),
    )
  })

  it("refuses one mistyped character, and whatever else comes", () => {
    const mistyped = fc
      .tuple(fc.nat(code.length - 1), fc.constantFrom(..."abcdefghijk234567ABC-_."))
      .map(([at, letter]) => code.slice(0, at) + letter + code.slice(at + 1))
    fc.assert(
      fc.property(fc.oneof(mistyped, fc.string()), (text) => {
        try {
          parseDeviceCode(text)
          return text === code
        } catch (error) {
          return isAlliumError(error, "BAD_DEVICE_CODE")
        }
      }),
      { numRuns: fuzzRuns(300) },
    )
  })
})

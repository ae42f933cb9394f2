import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { capShape, parseBytes } from "../../../../plugins/tower/size.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

describe("parseBytes()", () => {
  it.each([
    ["16MiB", 16_777_216],
    ["1.5 GiB", 1_610_612_736],
    ["2GB", 2_000_000_000],
    ["500m", 524_288_000],
    ["1000000", 1_000_000],
  ])("reads %j as %i", (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes)
  })

  it.each(["", "GiB", "-1", "1e9", "1 PiB", "1GiB!", "0x10"])("refuses %j", (text) => {
    expect(parseBytes(text)).toBeNaN()
  })
})

describe("capShape", () => {
  it.each(["15MiB", "1.1TiB", 0, "much", 16_777_216.5])("refuses %j", (value) => {
    expect(capShape.safeParse(value).success).toBe(false)
  })

  it("gives whole bytes within bounds, or refuses, for any text", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.double(), fc.stringMatching(/^\d+[kmgt]?i?b?$/)),
        (value) => {
          const { success, data } = capShape.safeParse(value)
          if (success)
            expect(Number.isInteger(data) && data >= 2 ** 24 && data <= 2 ** 40).toBe(true)
        },
      ),
      { numRuns: fuzzRuns(500) },
    )
  })
})

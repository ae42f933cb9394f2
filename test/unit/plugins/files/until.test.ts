import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { untilMs, untilShape } from "../../../../plugins/files/until.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

const NOW = Date.UTC(2026, 10, 21, 18)

describe("untilMs()", () => {
  it.each([
    ["5m", NOW + 300_000],
    ["12h", NOW + 43_200_000],
    ["7 d", NOW + 604_800_000],
    ["2w", NOW + 1_209_600_000],
    ["2027-01-31T18:00Z", Date.UTC(2027, 0, 31, 18)],
    ["2027-01-31T18:00:30+02:00", Date.UTC(2027, 0, 31, 16, 0, 30)],
    ["2027-01-31", new Date(2027, 0, 31).getTime()],
    ["", undefined],
    ["soon", undefined],
    ["7", undefined],
    ["-7d", undefined],
    ["1.5h", undefined],
    ["7y", undefined],
    ["2027-13-01", undefined],
    ["2027-01-31T25:00", undefined],
    ["1000000d", undefined],
  ])("reads %j as %j", (text, expected) => {
    expect(untilMs(text, NOW)).toBe(expected)
  })
  it("reads a whole number or nothing from anything, and the shape agrees", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const found = untilMs(text, NOW)
        expect(found === undefined || Number.isInteger(found)).toBe(true)
        expect(untilShape.safeParse(text).success).toBe(found !== undefined)
      }),
      { numRuns: fuzzRuns(200) },
    )
  })
})

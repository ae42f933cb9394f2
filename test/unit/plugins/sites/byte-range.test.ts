import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { parseByteRange } from "../../../../plugins/sites/byte-range.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

describe("parseByteRange()", () => {
  // Examples of RFC 9110, section 14.1.2, on 10,000 bytes.
  it.each([
    ["bytes=0-499", { first: 0, last: 499 }],
    ["bytes=500-999", { first: 500, last: 999 }],
    ["bytes=-500", { first: 9_500, last: 9_999 }],
    ["bytes=9500-", { first: 9_500, last: 9_999 }],
    ["bytes=0-0", { first: 0, last: 0 }],
    ["bytes=-1", { first: 9_999, last: 9_999 }],
    ["bytes=9999-20000", { first: 9_999, last: 9_999 }],
    ["bytes=-20000", { first: 0, last: 9_999 }],
    ["bytes=10000-", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    [undefined, undefined],
    ["bytes=0-0,-1", undefined],
    ["bytes=5-4", undefined],
    ["bytes=-", undefined],
    ["bytes=a-b", undefined],
    ["lines=0-1", undefined],
    ["bytes=0x1-2", undefined],
    ["bytes=99999999999999999999-", undefined],
  ])("reads %s", (field, range) => {
    expect(parseByteRange(field, 10_000)).toEqual(range)
  })

  it("finds nothing to give in an empty file", () => {
    expect(["bytes=0-", "bytes=-5"].map((field) => parseByteRange(field, 0))).toEqual([
      "unsatisfiable",
      "unsatisfiable",
    ])
  })

  it("stays within the file, whatever is asked", () => {
    const field = fc.oneof(fc.string(), fc.stringMatching(/^bytes=\d{0,16}-\d{0,16}$/))
    fc.assert(
      fc.property(field, fc.nat(), (text, byteCount) => {
        const range = parseByteRange(text, byteCount)
        if (typeof range !== "object") return
        expect(0 <= range.first && range.first <= range.last && range.last < byteCount).toBe(true)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

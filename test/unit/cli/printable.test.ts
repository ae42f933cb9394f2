import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { printable, printableJson } from "../../../src/cli/printable.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

/** Whatever a terminal may act on, spelled out: C0, DEL and C1, bidi controls, other invisible ones. */
const HOSTILE = [
  [0x00, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x61c, 0x61c],
  [0x200b, 0x200b],
  [0x200e, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0xd800, 0xdfff],
  [0xfeff, 0xfeff],
  [0xe0000, 0xe0fff],
] as const

function hostileIn(text: string): string[] {
  return [...text].filter((character) => {
    const point = character.codePointAt(0) ?? 0
    return HOSTILE.some(([from, to]) => point >= from && point <= to)
  })
}

describe("printable()", () => {
  it.each([
    ["\x1b[2J\x1b]0;title\x07", "\\u{1b}[2J\\u{1b}]0;title\\u{07}"],
    ["\u009b31m", "\\u{9b}31m"], // CSI in one byte
    ["invoice\u202efdp.exe", "invoice\\u{202e}fdp.exe"],
    ["one\ntwo\r\tthree", "one\\ntwo\\r\\tthree"],
    ["a\u2066b\u2069\u200f\u061c", "a\\u{2066}b\\u{2069}\\u{200f}\\u{61c}"],
    ["\u0000\u007f\ufeff\u2028", "\\u{00}\\u{7f}\\u{feff}\\u{2028}"],
    ["\u{e0041}", "\\u{e0041}"],
    ["\ud800", "\\u{d800}"],
    ["Grüße, мир, שלום, 你好, 👩‍👩‍👧", "Grüße, мир, שלום, 你好, 👩‍👩‍👧"],
  ])("writes %j as %j", (text, expected) => {
    expect(printable(text)).toBe(expected)
  })

  it("leaves nothing for a terminal to act on", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(hostileIn(printable(text))).toEqual([])
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  }, 60_000)
})

describe("printableJson()", () => {
  it("is the same document, on one line, with nothing to act on", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "binary" }), (document) => {
        const json = printableJson(document)
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(document)))
        expect(hostileIn(json)).toEqual([])
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  }, 60_000)

  it("writes bidi and C1 characters the JSON way", () => {
    expect(printableJson({ a: "\u202e\u009b\u{e0041}" })).toBe(
      `{"a":"\\u202e\\u009b\\udb40\\udc41"}`,
    )
    expect(printableJson(undefined)).toBe("null")
  })
})

import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { freeName, safeName } from "../../../src/base/safe-name.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

/** Control characters, separators, wildcards, and marks that cannot be seen. */
const FORBIDDEN = [
  ...range(0x00, 0x1f),
  ...range(0x7f, 0x9f),
  ...'/\\:*?"<>|',
  ...range(0x200b, 0x200f),
  ...range(0x2028, 0x202e),
  ...range(0x2066, 0x2069),
  "\ufeff",
]

describe("safeName()", () => {
  it.each([
    "photo.jpg",
    "Отчёт за май.pdf",
    "写真 2026.png",
    "a.tar.gz",
    "résumé (final).docx",
    "no ending",
    "👋🏽.txt",
    "console.log",
    "COMING.txt",
  ])("leaves %s as it is", (name) => {
    expect(safeName(name)).toBe(name)
  })

  it.each([
    // out of the folder
    ["../../etc/passwd", "_.._etc_passwd"],
    ["..\\..\\windows\\system32", "_.._windows_system32"],
    ["/etc/shadow", "_etc_shadow"],
    ["C:\\boot.ini", "C__boot.ini"],
    ["..", "file"],
    [".", "file"],
    ["", "file"],
    ["////", "____"],
    ["a\0/b", "a_b"],
    // hidden, an option, a home folder
    [".bashrc", "bashrc"],
    [
      ".allium-00112233445566778899aabbccddeeff.part",
      "allium-00112233445566778899aabbccddeeff.part",
    ],
    ["-rf", "rf"],
    ["--help", "help"],
    ["~root", "root"],
    // devices of Windows, with any ending
    ["CON", "_CON"],
    ["nul.txt", "_nul.txt"],
    ["aux .c", "_aux .c"],
    ["COM1", "_COM1"],
    ["lpt9.tar.gz", "_lpt9.tar.gz"],
    ["com¹.log", "_com¹.log"],
    ["CONIN$", "_CONIN$"],
    // streams and wildcards of Windows
    ["file.txt::$DATA", "file.txt__$DATA"],
    ['what?*".txt', "what___.txt"],
    ["a<b>|c", "a_b__c"],
    // what Windows drops from the end
    ["name. . .", "name"],
    ["name ", "name"],
    ["...", "file"],
    // pretending another ending, or nothing to be seen
    ["invoice\u202Egnp.exe", "invoicegnp.exe"],
    ["a\u2066b\u2069.txt", "ab.txt"],
    ["zero\u200Bwidth\uFEFF.txt", "zerowidth.txt"],
    ["photo.jpg                      .exe", "photo.jpg .exe"],
    ["line\nbreak\r\t.txt", "linebreak.txt"],
    ["\u2028separator\u2029", "separator"],
    ["\u001b[31mred", "[31mred"],
    ["tag\u{E0041}s", "tags"],
    ["half\uD800surrogate", "halfsurrogate"],
    ["\u00A0non-breaking\u3000wide", "non-breaking wide"],
    // one form of Unicode
    ["e\u0301.txt", "\u00E9.txt"],
  ])("makes %j into %j", (name, safe) => {
    expect(safeName(name)).toBe(safe)
  })

  it.each([
    ["a".repeat(300), 200, ""],
    [`${"a".repeat(300)}.tar.gz`, 200, ".gz"],
    [`${"é".repeat(300)}.pdf`, 200, ".pdf"],
    [`${"👩‍👩‍👧".repeat(100)}.txt`, 195, ".txt"],
    [`x.${"y".repeat(300)}`, 200, ""],
  ])(
    "shortens a name of many bytes between characters, and keeps its ending",
    (name, least, ending) => {
      const safe = safeName(name)
      expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(200)
      expect(Buffer.byteLength(safe)).toBeGreaterThanOrEqual(least - 10)
      expect(safe.endsWith(ending)).toBe(true)
      expect(safe).not.toContain("\uFFFD")
    },
  )

  it("is safe for any name, and changes nothing the second time", () => {
    const nasty = fc.constantFrom(
      "..",
      "/",
      "\\",
      "\0",
      ".",
      " ",
      "CON",
      "nul",
      "\u202E",
      "é",
      "~",
      "-",
      ":",
    )
    const name = fc.oneof(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc
        .array(fc.oneof(nasty, fc.string({ unit: "grapheme" })), { maxLength: 40 })
        .map((parts) => parts.join("")),
    )
    void fc.assert(
      fc.property(name, (received) => {
        const safe = safeName(received)
        expect(safe).toBe(safeName(safe))
        expect(Buffer.byteLength(safe)).toBeGreaterThan(0)
        expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(200)
        expect([...safe].filter((character) => FORBIDDEN.includes(character))).toEqual([])
        expect(safe).not.toMatch(/^[\s.~-]|[\s.]$/)
        expect(safe).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d)([ .]|$)/i)
        expect(Buffer.from(safe).toString()).toBe(safe)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("freeName()", () => {
  it.each([
    { name: "a.txt", taken: [], free: "a.txt" },
    { name: "a.txt", taken: ["b.txt"], free: "a.txt" },
    { name: "a.txt", taken: ["a.txt"], free: "a (1).txt" },
    { name: "a.txt", taken: ["a.txt", "a (1).txt"], free: "a (2).txt" },
    { name: "a.txt", taken: ["A.TXT"], free: "a (1).txt" },
    { name: "straße", taken: ["STRASSE"], free: "straße (1)" },
    { name: "\u00e9", taken: ["e\u0301"], free: "\u00e9 (1)" },
    { name: "ﬁle", taken: ["file"], free: "ﬁle (1)" },
    { name: "a.tar.gz", taken: ["a.tar.gz"], free: "a.tar (1).gz" },
    { name: "README", taken: ["readme"], free: "README (1)" },
  ])("finds $free for $name among $taken", ({ name, taken, free }) => {
    expect(freeName(name, taken)).toBe(free)
  })
})

function range(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, at) => String.fromCodePoint(first + at))
}

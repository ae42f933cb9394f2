import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { formatSitePath, parseSitePath } from "../../../../plugins/sites/site-path.ts"
import { AlliumError } from "../../../../src/base/errors.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

describe("parseSitePath()", () => {
  it.each([
    ["/", [], true],
    ["/index.html", ["index.html"], false],
    ["/a/b/", ["a", "b"], true],
    ["/a%20b/%C3%A9.txt?x=/../y", ["a b", "é.txt"], false],
    ["http://any.i2p/a", ["a"], false],
    ["/%252e%252e/x", ["%2e%2e", "x"], false],
    ["/a..b/c...", ["a..b", "c..."], false],
  ] as const)("reads %s", (target, names, isFolder) => {
    expect(parseSitePath(target)).toEqual({ names, isFolder })
  })

  it.each([
    ["/..", "BAD_REQUEST"],
    ["/../etc/passwd", "BAD_REQUEST"],
    ["/a/../../etc/passwd", "BAD_REQUEST"],
    ["/a/./b", "BAD_REQUEST"],
    ["/%2e%2e/etc/passwd", "BAD_REQUEST"],
    ["/%2E./x", "BAD_REQUEST"],
    ["/..%2fetc%2fpasswd", "BAD_REQUEST"],
    ["/a%2Fb", "BAD_REQUEST"],
    ["/..%5c..%5cwindows", "BAD_REQUEST"],
    ["/a\\..\\b", "BAD_REQUEST"],
    ["//etc/passwd", "BAD_REQUEST"],
    ["/a//b", "BAD_REQUEST"],
    ["/a%00.html", "BAD_REQUEST"],
    ["/a%0d%0aSet-Cookie:x", "BAD_REQUEST"],
    ["/a%0ab", "BAD_REQUEST"],
    ["/a%7fb", "BAD_REQUEST"],
    ["/C:/Windows", "BAD_REQUEST"],
    ["/file.txt::$DATA", "BAD_REQUEST"],
    ["/%c0%ae%c0%ae/etc", "BAD_REQUEST"], // over-long UTF-8
    ["/%ff", "BAD_REQUEST"],
    ["/%", "BAD_REQUEST"],
    ["/%zz", "BAD_REQUEST"],
    ["*", "BAD_REQUEST"],
    ["", "BAD_REQUEST"],
    ["a/b", "BAD_REQUEST"],
    ["/.git/config", "NOT_FOUND"],
    ["/a/.htpasswd", "NOT_FOUND"],
    ["/%2egit/config", "NOT_FOUND"],
    [`/${"a".repeat(256)}`, "NOT_FOUND"],
    [`/${"a/".repeat(65)}`, "NOT_FOUND"],
  ])("refuses %j with %s", (target, code) => {
    expect(() => parseSitePath(target)).toThrow(expect.objectContaining({ code }))
  })

  it("never steps out, whatever the text", () => {
    const piece = fc.constantFrom(
      "/",
      "..",
      ".",
      "%2e",
      "%2f",
      "%5c",
      "%00",
      "\\",
      "a",
      "%",
      "?",
      "é",
    )
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(piece).map((all) => `/${all.join("")}`),
    )
    fc.assert(
      fc.property(text, (target) => {
        try {
          for (const name of parseSitePath(target).names)
            expect(name).toMatch(/^[^./\\\0\r\n][^/\\\0\r\n]*$/)
        } catch (error) {
          expect(error).toBeInstanceOf(AlliumError)
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("formatSitePath()", () => {
  it("is read back as the same path, and never begins with two slashes", () => {
    const name = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => {
      try {
        return parseSitePath(`/${encodeURIComponent(text)}`).names.length === 1
      } catch {
        return false
      }
    })
    fc.assert(
      fc.property(
        fc.array(name, { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        (names, isFolder) => {
          const text = formatSitePath({ names, isFolder })
          expect(text).toMatch(/^\/[^/]/)
          expect(parseSitePath(text)).toEqual({ names, isFolder })
        },
      ),
    )
  })
})

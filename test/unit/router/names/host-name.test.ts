import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isAlliumError } from "../../../../src/base/errors.ts"
import {
  canonicalName,
  requireHostName,
  requirePublicName,
  warningOf,
} from "../../../../src/router/names/host-name.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

/** What names are made of, and what may be taken for it. */
const ANY = fc.constantFrom(..."aZ09-.%ü．а１", "xn--", ".i2p", ".alt", ".b32")

describe("requireHostName()", () => {
  it.each([
    ["Forum.I2P", "forum.i2p"],
    ["forum.i2p.alt", "forum.i2p"],
    ["a.b.c.i2p", "a.b.c.i2p"],
    ["ann", "ann"],
    ["bücher.i2p", "xn--bcher-kva.i2p"], // RFC 3492's own way to write it
    ["XN--BCHER-KVA.i2p", "xn--bcher-kva.i2p"],
  ])("reads %s as %s", (text, name) => {
    expect(requireHostName(text)).toBe(name)
  })

  it.each([
    ["a trailing dot", "forum.i2p."],
    ["a leading dot", ".forum.i2p"],
    ["two dots", "forum..i2p"],
    ["a dash first", "-forum.i2p"],
    ["a dash last", "forum-.i2p"],
    ["two dashes", "fo--rum.i2p"],
    ["punycode of nothing", "xn--forum-.i2p"],
    ["a second spelling in punycode", "xn--forum-kva-.i2p"],
    ["a space", "my forum.i2p"],
    ["NUL", "forum\0.i2p"],
    ["a line end", "forum.i2p\n"],
    ["a percent sign", "%66orum.i2p"],
    ["an underscore", "my_forum.i2p"],
    ["five labels", "a.b.c.d.i2p"],
    ["68 characters", `${"a".repeat(64)}.i2p`],
    ["an address", `${"a".repeat(52)}.b32.i2p`],
    ["the end of addresses", "b32.i2p"],
    ["a router's page", "proxy.i2p"],
    ["something below one", "x.console.i2p"],
    ["an IP address", "127.0.0.1"],
    ["one in wide digits", "１２７.０.０.１"],
    ["nothing", ""],
  ])("B12: refuses %s", (_, text) => {
    expect(() => requireHostName(text)).toThrow(expect.objectContaining({ code: "BAD_NAME" }))
  })

  it("gives a name that it reads as itself, or BAD_NAME, whatever is typed", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: ANY })), (text) => {
        try {
          const name = requireHostName(text)
          expect(requireHostName(name)).toBe(name)
          expect(name).toMatch(/^[a-z0-9.-]{1,67}$/)
          warningOf(name)
        } catch (error) {
          if (!isAlliumError(error, "BAD_NAME")) throw error
        }
      }),
      { numRuns: fuzzRuns(40) },
    )
  })
})

describe("requirePublicName()", () => {
  it("takes only what ends in .i2p", () => {
    expect(requirePublicName("a.i2p")).toBe("a.i2p")
    expect(() => requirePublicName("example.com")).toThrow("does not end in .i2p")
  })
})

describe("warningOf()", () => {
  it.each([
    ["forum.i2p", undefined],
    ["www.forum.i2p", "www"],
    ["bücher.i2p", undefined],
    ["пример.i2p", undefined],
    ["日本ドメイン.i2p", undefined],
    ["pаypal.i2p", "mixed scripts"], // the first a is Cyrillic
    ["аррӏе.i2p", "looks like another name"], // all of it is Cyrillic
  ])("B12: says of %s: %s", (text, warning) => {
    expect(warningOf(canonicalName(text) ?? "")).toBe(warning)
  })
})

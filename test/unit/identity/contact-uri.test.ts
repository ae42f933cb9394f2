import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isAlliumError } from "../../../src/base/errors.ts"
import { contactQr, formatContactUri, parseContactUri } from "../../../src/identity/contact-uri.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import frozen from "../../vectors/identity/cards.json" with { type: "json" }

const contact = { key: frozen.key, address: frozen.destination }
const { uri } = frozen

describe("formatContactUri()", () => {
  it("writes the frozen URI, whose checksum Python computed", () => {
    expect(formatContactUri(contact)).toBe(uri)
    expect(uri).toHaveLength(108)
  })
})

describe("parseContactUri()", () => {
  it("reads the frozen URI, with spaces around it too", () => {
    expect(parseContactUri(uri)).toEqual(contact)
    expect(parseContactUri(`\n ${uri} `)).toEqual(contact)
  })

  it.each([
    { name: "nothing", text: "", message: "does not begin" },
    { name: "another scheme", text: uri.replace("allium:", "garlic:"), message: "does not begin" },
    { name: "no checksum", text: uri.slice(0, -5), message: "a part is missing" },
    { name: "one character less", text: uri.replace("gr3d", "grd"), message: "107 characters" },
    { name: "two addresses", text: uri + uri, message: "a part is missing or added" },
    { name: "two characters swapped", text: uri.replace("sgr3", "sg3r"), message: "mistyped" },
    { name: "upper case", text: uri.replace("sgr3", "SGR3"), message: "mistyped" },
    { name: "a megabyte", text: "allium:".padEnd(1_000_000, "a"), message: "does not begin" },
  ])("tells $name apart", ({ text, message }) => {
    expect(() => parseContactUri(text)).toThrow(
      expect.objectContaining({
        code: "BAD_CONTACT_URI",
        message: expect.stringContaining(message),
      }),
    )
  })

  it("notices every single wrong character", () => {
    for (let at = 0; at < uri.length; at++)
      for (const other of "aZ5-.") {
        if (uri[at] === other) continue
        const typed = uri.slice(0, at) + other + uri.slice(at + 1)
        expect(() => parseContactUri(typed), `${other} at ${at}`).toThrow(/Cannot read contact/)
      }
  })

  it("refuses a key of small order with a right checksum", () => {
    const key = Buffer.from(new Uint8Array(32).fill(1, 0, 1)).toString("base64url")
    expect(() => parseContactUri(formatContactUri({ ...contact, key }))).toThrow(/unsound/)
  })

  it("returns a contact or BAD_CONTACT_URI for any text", () => {
    const near = fc
      .tuple(fc.nat({ max: 108 }), fc.nat({ max: 5 }), fc.string({ unit: "binary", maxLength: 5 }))
      .map(([at, cut, piece]) => uri.slice(0, at) + piece + uri.slice(at + cut))
    fc.assert(
      fc.property(fc.oneof(near, fc.string({ unit: "binary" })), (text) => {
        try {
          expect(parseContactUri(text)).toEqual(contact)
        } catch (error) {
          if (!isAlliumError(error, "BAD_CONTACT_URI")) throw error
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("contactQr()", () => {
  it("draws a square of at most 49 columns that an 80-column terminal shows", () => {
    const lines = contactQr(uri).split("\n")
    expect(new Set(lines.map((line) => line.length)).size).toBe(1)
    expect(lines[0]!.length).toBeLessThanOrEqual(49)
    expect(lines.length).toBe(Math.ceil(lines[0]!.length / 2))
    expect(contactQr(uri)).not.toBe(contactQr(uri.replace("sgr3", "sgr4")))
  })
})

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isAlliumError } from "../../../src/base/errors.ts"
import { contactQr, formatContactUri, parseContactUri } from "../../../src/identity/contact-uri.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import frozen from "../../vectors/identity/cards.json" with { type: "json" }

const contact = { key: frozen.key, address: frozen.destination }
const { uri, doorUri, towerUri } = frozen
const door = "aaaqeayeaudaocajbifqydiob4"
const tower = {
  key: frozen.key,
  address: frozen.door,
  sendId: Buffer.from(Array.from({ length: 32 }, (_, at) => at)).toString("base64url"),
}
const forms = [
  { form: "plain", text: uri, means: contact },
  { form: "door", text: doorUri, means: { ...contact, door } },
  { form: "tower", text: towerUri, means: { key: frozen.key, tower } },
]

describe("formatContactUri()", () => {
  it.each(forms)("writes the frozen $form URI, whose checksum Python computed", (one) => {
    expect(formatContactUri(one.means)).toBe(one.text)
  })
  it("has 108, 135 or 196 characters", () => {
    expect(forms.map(({ text }) => text.length)).toEqual([108, 135, 196])
  })
})

describe("parseContactUri()", () => {
  it.each(forms)("reads the frozen $form URI, with spaces around it too", ({ text, means }) => {
    expect(parseContactUri(text)).toEqual(means)
    expect(parseContactUri(`\n ${text} `)).toEqual(means)
  })

  it.each([
    { name: "a door", text: formatContactUri({ ...contact, door: `${door.slice(0, -1)}5` }) },
    {
      name: "a send id",
      text: formatContactUri({
        key: contact.key,
        tower: { ...tower, sendId: `${tower.sendId.slice(0, -1)}9` },
      }),
    },
  ])("refuses $name that could be written in two ways", ({ text }) => {
    expect(() => parseContactUri(text)).toThrow(/mistyped/)
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

  it.each(forms)("notices every single wrong character of a $form URI", ({ text }) => {
    for (let at = 0; at < text.length; at++)
      for (const other of "aZ5-.") {
        if (text[at] === other) continue
        const typed = text.slice(0, at) + other + text.slice(at + 1)
        expect(() => parseContactUri(typed), `${other} at ${at}`).toThrow(/Cannot read contact/)
      }
  })

  it("refuses a key of small order with a right checksum", () => {
    const key = Buffer.from(new Uint8Array(32).fill(1, 0, 1)).toString("base64url")
    expect(() => parseContactUri(formatContactUri({ ...contact, key }))).toThrow(/unsound/)
  })

  it("returns a contact or BAD_CONTACT_URI for any text", () => {
    const form = fc.constantFrom(uri, doorUri, towerUri)
    const piece = fc.string({ unit: "binary", maxLength: 5 })
    const near = fc
      .tuple(form, fc.nat({ max: 196 }), fc.nat({ max: 5 }), piece)
      .map(([text, at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut))
    fc.assert(
      fc.property(fc.oneof(near, fc.string({ unit: "binary" })), (text) => {
        try {
          const means = parseContactUri(text)
          expect(forms.map((one) => one.means)).toContainEqual(means)
        } catch (error) {
          if (!isAlliumError(error, "BAD_CONTACT_URI")) throw error
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("contactQr()", () => {
  it.each(forms)("draws a $form URI in at most 61 columns", ({ text }) => {
    expect(contactQr(text).split("\n")[0]!.length).toBeLessThanOrEqual(61)
  })

  it("draws a square of at most 49 columns that an 80-column terminal shows", () => {
    const lines = contactQr(uri).split("\n")
    expect(new Set(lines.map((line) => line.length)).size).toBe(1)
    expect(lines[0]!.length).toBeLessThanOrEqual(49)
    expect(lines.length).toBe(Math.ceil(lines[0]!.length / 2))
    expect(contactQr(uri)).not.toBe(contactQr(uri.replace("sgr3", "sgr4")))
  })
})

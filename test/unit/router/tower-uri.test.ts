import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isAlliumError } from "../../../src/base/errors.ts"
import { formatTowerUri, parseTowerUri } from "../../../src/router/tower-uri.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

/** RFC 8032's first public key, the SHA-256 of "tower", bytes 0 to 31; put together by Python. */
const uri =
  "allium-tower:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo.vuqbkjr7gon77fubqi4bjc3zbpicxzlbi4xu5j63ireyzkqlmvma.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8.tzuj"
const tower = {
  key: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
  address: "vuqbkjr7gon77fubqi4bjc3zbpicxzlbi4xu5j63ireyzkqlmvma.b32.i2p",
  invitation: Uint8Array.from({ length: 32 }, (_, at) => at),
}

describe("formatTowerUri()", () => {
  it("writes the URI that Python computed", () => {
    expect(formatTowerUri(tower)).toBe(uri)
    expect(uri).toHaveLength(158)
  })
})

describe("parseTowerUri()", () => {
  it("reads it, with spaces around it too", () => {
    expect(parseTowerUri(`\n ${uri} `)).toEqual(tower)
  })

  it.each([
    { name: "nothing", text: "", message: "does not begin" },
    { name: "a contact's address", text: uri.replace("-tower", ""), message: "does not begin" },
    { name: "no checksum", text: uri.slice(0, -5), message: "a part is missing" },
    { name: "two of them", text: uri + uri, message: "a part is missing or added" },
    { name: "upper case", text: uri.toUpperCase(), message: "does not begin" },
    { name: "a megabyte", text: uri.padEnd(1_000_000, "a"), message: "does not begin" },
  ])("tells $name apart", ({ text, message }) => {
    expect(() => parseTowerUri(text)).toThrow(
      expect.objectContaining({ code: "BAD_TOWER_URI", message: expect.stringContaining(message) }),
    )
  })

  it("notices every single wrong character", () => {
    for (let at = 0; at < uri.length; at++)
      for (const other of "aZ5-.") {
        if (uri[at] === other) continue
        const typed = uri.slice(0, at) + other + uri.slice(at + 1)
        expect(() => parseTowerUri(typed), `${other} at ${at}`).toThrow(/Cannot read tower/)
      }
  })

  it("refuses a key of small order with a right checksum", () => {
    const key = Buffer.from(new Uint8Array(32).fill(1, 0, 1)).toString("base64url")
    expect(() => parseTowerUri(formatTowerUri({ ...tower, key }))).toThrow(/unsound/)
  })

  it("returns a tower or BAD_TOWER_URI for any text", () => {
    const near = fc
      .tuple(fc.nat({ max: 158 }), fc.nat({ max: 5 }), fc.string({ unit: "binary", maxLength: 5 }))
      .map(([at, cut, piece]) => uri.slice(0, at) + piece + uri.slice(at + cut))
    fc.assert(
      fc.property(fc.oneof(near, fc.string({ unit: "binary" })), (text) => {
        try {
          expect(parseTowerUri(text)).toEqual(tower)
        } catch (error) {
          if (!isAlliumError(error, "BAD_TOWER_URI")) throw error
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

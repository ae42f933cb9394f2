import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { formatMagnet, parseMagnet } from "../../../../../plugins/files/torrent/magnet.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"

const HEX = "0691e40aae02e552cfcb57af1dca56214680c0c5"
const BASE32 = "A2I6ICVOALSVFT6LK6XR3SSWEFDIBQGF"
const INFOHASH = new Uint8Array(Buffer.from(HEX, "hex"))
const POSTMAN = "http://tracker2.postman.i2p/announce.php"

describe("parseMagnet()", () => {
  it.each([
    ["I2PSnark's example", `magnet:?xt=urn:btih:${HEX}&tr=${POSTMAN}`],
    ["base32", `magnet:?xt=urn:btih:${BASE32}&tr=${POSTMAN}`],
    ["base32 in lower case", `magnet:?xt=urn:btih:${BASE32.toLowerCase()}&tr=${POSTMAN}`],
    ["other case", `MAGNET:?XT=URN:BTIH:${HEX.toUpperCase()}&TR=${POSTMAN}`],
    ["escapes", `magnet:?tr=${encodeURIComponent(POSTMAN)}&xt=urn%3Abtih%3A${HEX}`],
    ["numbered fields", `magnet:?xt.1=urn:btih:${HEX}&tr.1=${POSTMAN}`],
    ["spaces around", `  magnet:?xt=urn:btih:${HEX}&tr=${POSTMAN}\n`],
    ["both spellings", `magnet:?xt=urn:btih:${HEX}&xt=urn:btih:${BASE32}&tr=${POSTMAN}`],
    ["a hybrid", `magnet:?xt=urn:btih:${HEX}&xt=urn:btmh:1220${"00".repeat(32)}&tr=${POSTMAN}`],
    [
      "clearnet addresses",
      `magnet:?xt=urn:btih:${HEX}&x.pe=192.0.2.1:6881&ws=http://seed.example/&xs=http://a.example/t&tr=udp://t.example:1&tr=${POSTMAN}&tr=https://t.example/a`,
    ],
  ])("reads %s", (_, text) => {
    expect(parseMagnet(text)).toEqual({ infohash: INFOHASH, trackers: [POSTMAN] })
  })

  it.each([
    ["plus as space", "dn=a+b%2Bc", "a b+c"],
    ["UTF-8", "dn=%C3%BC", "ü"],
    ["no UTF-8", "dn=%FF", "%FF"],
    ["controls", "dn=a%00%0Ab%E2%80%AEc", "a b c"],
  ])("reads a name with %s", (_, field, name) => {
    expect(parseMagnet(`magnet:?xt=urn:btih:${HEX}&${field}`).name).toBe(name)
  })

  it.each([
    "",
    "magnet:",
    "magnet:?dn=x",
    `http://example.com/?xt=urn:btih:${HEX}`,
    "magnet:?xt=urn:btih:",
    `magnet:?xt=urn:btih:${HEX}00`,
    `magnet:?xt=urn:btih:${HEX.slice(1)}g`,
    `magnet:?xt=urn:btih:${BASE32.slice(1)}1`,
    `magnet:?xt=urn:btmh:1220${"00".repeat(32)}`,
    `magnet:?xt=urn:btih:${HEX}&xt=urn:btih:${"0".repeat(40)}`,
    `magnet:?xt=urn:btih:${HEX}&dn=${"x".repeat(20_000)}`,
  ])("refuses %.60j", (text) => {
    expect(() => parseMagnet(text)).toThrow(expect.objectContaining({ code: "BAD_MAGNET" }))
  })

  it("keeps 32 trackers, and 200 characters of the name", () => {
    const trackers = Array.from({ length: 50 }, (_, index) => `tr=http://t${index}.i2p/a`)
    const magnet = parseMagnet(
      `magnet:?xt=urn:btih:${HEX}&dn=${"x".repeat(500)}&${trackers.join("&")}`,
    )
    expect([magnet.trackers.length, magnet.name?.length]).toEqual([32, 200])
  })

  it("throws nothing but BAD_MAGNET", () => {
    const part = fc.constantFrom(
      "xt=",
      "urn:btih:",
      HEX,
      BASE32,
      "&",
      "dn=",
      "tr=",
      "%",
      "%f",
      "=",
      POSTMAN,
      "\u202e",
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(part, fc.string()), { maxLength: 12 }), (parts) => {
        try {
          expect(parseMagnet(`magnet:?${parts.join("")}`).infohash).toHaveLength(20)
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_MAGNET" })
        }
      }),
      { numRuns: fuzzRuns(500) },
    )
  })
})

describe("formatMagnet()", () => {
  it("writes what I2PSnark reads", () => {
    expect(formatMagnet({ infohash: INFOHASH, name: "a & ü", trackers: [POSTMAN] })).toBe(
      `magnet:?xt=urn:btih:${HEX}&dn=a%20%26%20%C3%BC&tr=http%3A%2F%2Ftracker2.postman.i2p%2Fannounce.php`,
    )
  })

  it("is read back", () => {
    const magnet = fc.record({
      infohash: fc.uint8Array({ minLength: 20, maxLength: 20 }),
      name: fc.stringMatching(/^[a-z0-9&=+% ü]{1,20}$/).filter((name) => name.trim() === name),
      trackers: fc.uniqueArray(
        fc.constantFrom(POSTMAN, "http://a.i2p/", "http://b.b32.i2p:81/x?y=%20"),
      ),
    })
    fc.assert(
      fc.property(magnet, (written) => {
        expect(parseMagnet(formatMagnet(written))).toEqual(written)
      }),
      { numRuns: fuzzRuns(200) },
    )
  })

  it("names no tracker outside I2P", () => {
    const trackers = ["http://tracker.example/announce"]
    expect(() => formatMagnet({ infohash: INFOHASH, trackers })).toThrow(RangeError)
  })
})

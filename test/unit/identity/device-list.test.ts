import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isAlliumError } from "../../../src/base/errors.ts"
import { makeDeviceList, readDeviceList } from "../../../src/identity/device-list.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import { signerOf } from "./signer.ts"

const ann = signerOf(new Uint8Array(32).fill(1))
const eve = signerOf(new Uint8Array(32).fill(2))
const at = (letter: string) => `${letter.repeat(51)}a.b32.i2p`
const list = {
  revision: 1_760_000_000_000,
  devices: [
    { number: 0, address: at("b") },
    { number: 1, address: at("c") },
    { number: 7, address: at("d") },
  ],
}
const made = makeDeviceList(ann, list)

describe("makeDeviceList()", () => {
  it("writes 42 bytes, 33 for each device, and a signature", () => {
    expect(made.length).toBe(42 + 3 * 33 + 64)
    expect([made[0], made[41], made[42], made[75], made[108]]).toEqual([1, 3, 0, 1, 7])
  })
})

describe("readDeviceList()", () => {
  it("reads what was written", () => {
    expect(readDeviceList(made, ann.publicKey)).toEqual(list)
  })

  it.each([
    { forged: "by another key", bytes: makeDeviceList(eve, list) },
    {
      forged: "by another key in the owner's name",
      bytes: makeDeviceList({ ...eve, publicKey: ann.publicKey }, list),
    },
    { forged: "without its first device", devices: list.devices.slice(1) },
    { forged: "with one number twice", devices: [list.devices[0]!, list.devices[0]!] },
    {
      forged: "with one address twice",
      devices: [list.devices[0]!, { number: 1, address: at("b") }],
    },
    { forged: "with numbers that fall", devices: [0, 2, 1].map((one) => list.devices[one]!) },
    { forged: "without any", devices: [] },
    {
      forged: "with five",
      devices: [..."bcdef"].map((one, number) => ({ number, address: at(one) })),
    },
  ])("refuses a list $forged", ({ bytes, devices }) => {
    const forged = bytes ?? makeDeviceList(ann, { revision: 1, devices: devices ?? [] })
    expect(() => readDeviceList(forged, ann.publicKey)).toThrow(
      expect.objectContaining({ code: "BAD_RECORD" }),
    )
  })

  it("refuses every changed bit, and whatever else comes", () => {
    const changed = fc.nat(made.length * 8 - 1).map((bit) => {
      const bytes = new Uint8Array(made)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      return bytes
    })
    fc.assert(
      fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 300 })), (bytes) => {
        try {
          readDeviceList(bytes, ann.publicKey)
          return false
        } catch (error) {
          return isAlliumError(error, "BAD_RECORD")
        }
      }),
      { numRuns: fuzzRuns(200) },
    )
  })
})

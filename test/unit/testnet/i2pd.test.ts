import { describe, expect, it } from "vitest"
import { i2pdConfig } from "../../support/testnet/i2pd.ts"
import { routerHash } from "../../support/testnet/routers.ts"

describe("i2pdConfig()", () => {
  it("never names the real network", () => {
    expect(i2pdConfig(1, { floodfill: true }).match(/^netid = .*$/gm)).toEqual(["netid = 77"])
    expect(i2pdConfig(1, { floodfill: true })).toMatch(
      /^\[reseed\]\nverify = false\nurls =\nyggurls =\nthreshold = 0$/m,
    )
  })

  it.each([
    { number: 1, floodfill: false },
    { number: 6, floodfill: true },
  ])("gives router $number an address, a SAM port and its part", ({ number, floodfill }) => {
    const lines = i2pdConfig(number, { floodfill }).split("\n")
    expect(lines).toEqual(
      expect.arrayContaining([
        `host = 5.${number}.0.1`,
        `port = ${20_000 + number}`,
        `port = ${22_000 + number}`,
        `floodfill = ${floodfill}`,
      ]),
    )
  })
})

describe("routerHash()", () => {
  // From Python: base64.b64encode(hashlib.sha256(bytes(391)…).digest(), b"-~"), with length 4 at 385.
  it("hashes the identity alone, in I2P's alphabet", () => {
    const info = Buffer.alloc(1_000, 0)
    info.writeUInt16BE(4, 385)
    info.fill(1, 391)
    expect(routerHash(info)).toBe("0aDkokfHEPO4oN6ItFvKdTOzfZit1yPWHah8zdNcPes=")
  })
})

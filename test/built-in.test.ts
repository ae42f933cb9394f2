import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { builtInOffers, describeOffers, OFFERS_FILE } from "../src/built-in.ts"

describe("builtInOffers()", () => {
  it("describes every offer, and the same after the build has written it down", async () => {
    const offers = await builtInOffers()
    expect(offers.map(({ verb }) => verb)).toEqual(
      expect.arrayContaining(["status", "message send", "site serve", "tunnel add http-proxy"]),
    )
    expect(JSON.parse(JSON.stringify(await describeOffers()))).toEqual(offers)
  })

  it("has nothing written down in the source, where it could grow old", () => {
    expect(readFileSync(OFFERS_FILE, "utf8")).toBe("null\n")
  })
})

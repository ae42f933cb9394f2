import { describe, expect, it } from "vitest"
import { keyFromText } from "../../../src/identity/keys.ts"
import { isSafetyNumber, safetyNumber } from "../../../src/identity/safety-number.ts"
import vectors from "../../vectors/identity/identities.json" with { type: "json" }

const [one, other, third] = vectors.identities.map(({ key }) => keyFromText(key)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
]

describe("safetyNumber()", () => {
  it("gives both sides the 60 digits Python computed", async () => {
    expect(await safetyNumber(one, other)).toBe(vectors.safetyNumber01)
    expect(await safetyNumber(other, one)).toBe(vectors.safetyNumber01)
  })

  it("gives others to another pair", async () => {
    expect(await safetyNumber(one, third)).not.toBe(vectors.safetyNumber01)
  })

  it("lets the event loop turn in between", async () => {
    let turns = 0
    let counting = true
    const count = () => {
      turns++
      if (counting) setImmediate(count)
    }
    setImmediate(count)
    await safetyNumber(one, other)
    counting = false
    expect(turns).toBeGreaterThanOrEqual(24)
  })
})

describe("isSafetyNumber()", () => {
  it.each([
    { typed: vectors.safetyNumber01, same: true },
    { typed: vectors.safetyNumber01.replaceAll(" ", "-"), same: true },
    { typed: vectors.safetyNumber01.replace("9", "8"), same: false },
    { typed: vectors.safetyNumber01.slice(0, -1), same: false },
    { typed: "", same: false },
  ])("says $same to $typed", ({ typed, same }) => {
    expect(isSafetyNumber(typed, vectors.safetyNumber01)).toBe(same)
  })
})

import { describe, expect, it } from "vitest"
import { openBackoff } from "../../../src/base/backoff.ts"
import { seededChance } from "../../../src/base/random.ts"

describe("openBackoff()", () => {
  it("doubles up to its bound", () => {
    const backoff = openBackoff({ firstMs: 100, mostMs: 1_000, chance: () => 0 })
    expect(Array.from({ length: 6 }, () => backoff.next())).toEqual([
      100, 200, 400, 800, 1000, 1000,
    ])
  })

  it("shortens each wait by at most half", () => {
    const chance = seededChance(7)
    const backoff = openBackoff({ firstMs: 1_000, mostMs: 1_000, chance })
    const waits = Array.from({ length: 1_000 }, () => backoff.next())
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(500)
    expect(Math.max(...waits)).toBeLessThanOrEqual(1_000)
    expect(new Set(waits).size).toBeGreaterThan(900)
  })

  it("begins again after reset(), and never overflows", () => {
    const backoff = openBackoff({ firstMs: 1, mostMs: 60_000, chance: () => 0 })
    for (let tries = 0; tries < 5_000; tries++) backoff.next()
    expect(backoff.next()).toBe(60_000)
    backoff.reset()
    expect(backoff.next()).toBe(1)
  })
})

describe("seededChance()", () => {
  it("tells the same story for the same seed", () => {
    const story = (seed: number) => Array.from({ length: 5 }, seededChance(seed))
    expect(story(42)).toEqual(story(42))
    expect(story(42)).not.toEqual(story(43))
  })
})

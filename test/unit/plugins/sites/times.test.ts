import { describe, expect, it } from "vitest"
import { readTime } from "../../../../plugins/sites/times.ts"

const NOW = Date.UTC(2026, 10, 21)

describe("readTime()", () => {
  it.each([
    ["30m", NOW + 1_800_000],
    ["24h", NOW + 86_400_000],
    ["2w", NOW + 14 * 86_400_000],
    ["2026-12-24T18:00Z", Date.UTC(2026, 11, 24, 18)],
    ["2026-12-24", Date.UTC(2026, 11, 24)],
  ])("reads %s", (text, atMs) => {
    expect(readTime(text, NOW)).toBe(atMs)
  })

  it.each(["", "soon", "5", "5y", "-1h", "2026", "2026-99-99", "9999-01-01", "999999w"])(
    "refuses %j",
    (text) => {
      expect(() => readTime(text, NOW)).toThrow(expect.objectContaining({ code: "BAD_INPUT" }))
    },
  )
})

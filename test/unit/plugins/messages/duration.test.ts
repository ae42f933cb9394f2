import { describe, expect, it } from "vitest"
import {
  durationOrOffShape,
  durationShape,
  parseDuration,
} from "../../../../plugins/messages/duration.ts"

describe("parseDuration()", () => {
  it.each([
    ["90s", 90],
    ["5m", 300],
    ["1h", 3_600],
    [" 2 D ", 172_800],
    ["2w", 1_209_600],
  ])("reads %j", (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds)
  })

  it.each(["", "1", "h", "0s", "-1h", "1.5h", "1y", "1hour", "9999999999s", "1h 5m", "１h"])(
    "refuses %j",
    (text) => {
      expect(parseDuration(text)).toBeUndefined()
    },
  )
})

describe("durationShape()", () => {
  it("has a most, and off only where that is meant", () => {
    expect(durationShape(3_600).safeParse("1h").data).toBe(3_600)
    expect(durationShape(3_600).safeParse("2h").success).toBe(false)
    expect(durationShape(3_600).safeParse("off").success).toBe(false)
    expect(durationOrOffShape(3_600).safeParse("OFF").data).toBe(0)
    expect(durationOrOffShape(3_600).safeParse("1d").success).toBe(false)
  })
})

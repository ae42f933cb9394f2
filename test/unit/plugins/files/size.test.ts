import { describe, expect, it } from "vitest"
import { parseSize, sizeShape } from "../../../../plugins/files/size.ts"

describe("parseSize()", () => {
  it.each([
    ["0", 0],
    ["1234", 1234],
    ["10b", 10],
    ["500k", 512_000],
    ["500kB", 500_000],
    ["10MiB", 10_485_760],
    ["10 MB", 10_000_000],
    ["1.5g", 1_610_612_736],
    ["2TB", 2_000_000_000_000],
  ])("reads %s as %d", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  it.each(["", "k", "-1", "1e9", "0x10", "10 Mi B", "1ib", "ten", "1..5k", "9".repeat(17)])(
    "does not read %j",
    (text) => {
      expect(parseSize(text)).toBeUndefined()
    },
  )
})

describe("sizeShape", () => {
  it.each([-1, 1.5, Number.NaN, 2 ** 44, "17TiB", "much"])("refuses %s", (value) => {
    expect(sizeShape.safeParse(value).success).toBe(false)
  })
})

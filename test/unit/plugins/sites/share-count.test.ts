import { describe, expect, it } from "vitest"
import { ShareCount } from "../../../../plugins/sites/share-count.ts"

const whole = { first: 0, last: 99 }

describe("ShareCount", () => {
  it("counts a download only when it is whole, in however many ranges and in whatever order", () => {
    const count = new ShareCount(0, undefined)
    count.begin("ann", 0)
    expect(count.sent("ann", { first: 50, last: 99 }, 100)).toBe(false)
    expect(count.sent("ann", { first: 0, last: 30 }, 100)).toBe(false)
    expect(count.sent("ann", { first: 31, last: 49 }, 100)).toBe(true)
    expect(count.count).toBe(1)
  })

  it("never makes one download of the parts of two visitors", () => {
    const count = new ShareCount(0, undefined)
    count.begin("ann", 0)
    count.begin("bob", 0)
    expect(count.sent("ann", { first: 0, last: 49 }, 100)).toBe(false)
    expect(count.sent("bob", { first: 50, last: 99 }, 100)).toBe(false)
  })

  it("gives the only download to who came first, and to the next when they went away", () => {
    const count = new ShareCount(0, 1)
    expect([count.begin("ann", 0), count.begin("bob", 1), count.begin("ann", 2)]).toEqual([
      true,
      false,
      true,
    ])
    expect(count.begin("bob", 700_000)).toBe(true)
    expect(count.sent("bob", whole, 100)).toBe(true)
    expect([count.isOver, count.begin("ann", 700_001)]).toEqual([true, false])
  })

  it("goes on counting after a restart, and counts an empty file", () => {
    const count = new ShareCount(2, 3)
    count.begin("ann", 0)
    expect(count.sent("ann", { first: 0, last: -1 }, 0)).toBe(true)
    expect(count.isOver).toBe(true)
  })
})

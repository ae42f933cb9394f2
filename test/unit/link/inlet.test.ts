import { describe, expect, it } from "vitest"
import { Budget, Inlet } from "../../../src/link/inlet.ts"
import { completeLimits } from "../../../src/link/limits.ts"

const limits = completeLimits({ windowBytes: 262_144, firstWindowBytes: 65_536 })
const openInlet = (budget: Budget) => new Inlet(budget, limits, limits.firstWindowBytes)

describe("Inlet", () => {
  it("grows its window to the full size while the link's budget lasts", () => {
    expect(openInlet(new Budget(1_000_000)).topUp()).toBe(262_144 - 65_536)
  })
  it("keeps to the first window when the budget is spent, and never to less", () => {
    const budget = new Budget(0)
    const inlet = openInlet(budget)
    expect(inlet.topUp()).toBe(0)
    inlet.arrive(65_536)
    inlet.keep(Buffer.alloc(65_536))
    expect(inlet.topUp()).toBe(0)
    while (inlet.unreadBytes > 0) inlet.usedUp(inlet.take()!.length)
    expect(inlet.topUp()).toBe(65_536)
  })
  it("gives back to the budget what it had, read or not", () => {
    const budget = new Budget(400_000)
    const inlet = openInlet(budget)
    inlet.topUp()
    inlet.arrive(10_000)
    inlet.keep(Buffer.alloc(10_000))
    inlet.usedUp(inlet.take()!.length)
    inlet.clear()
    expect(budget.freeBytes).toBe(400_000)
  })
  it("bounds what 256 channels nobody reads can hold, to 24 MiB", () => {
    const budget = new Budget(limits.budgetBytes)
    let bytes = 0
    for (let count = 0; count < 256; count++) bytes += 65_536 + openInlet(budget).topUp()
    expect(bytes).toBeLessThanOrEqual(256 * 65_536 + limits.budgetBytes)
  })
  it("gives the bytes back in order, however they came", () => {
    const inlet = openInlet(new Budget(0))
    const pieces = [1, 4_095, 4_096, 1, 10_000, 3].map((length, index) =>
      Buffer.alloc(length, index),
    )
    for (const piece of pieces) {
      inlet.arrive(piece.length)
      inlet.keep(piece)
    }
    const blocks: Buffer[] = []
    for (let block = inlet.take(); block; block = inlet.take()) blocks.push(block)
    expect(Buffer.concat(blocks).equals(Buffer.concat(pieces))).toBe(true)
    expect(blocks.length).toBeLessThan(pieces.length)
  })
})

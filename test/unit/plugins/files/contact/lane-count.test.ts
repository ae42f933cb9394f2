import { describe, expect, it } from "vitest"
import { LaneCount, STREAMS_MAX } from "../../../../../plugins/files/contact/lane-count.ts"

/** Lets seconds pass on a network where `n` lanes carry `rate(n)` bytes a second. */
function play(rate: (lanes: number, second: number) => number, seconds: number) {
  const lanes = new LaneCount(0)
  const counts: number[] = []
  let bytes = 0
  for (let second = 1; second <= seconds; second++) {
    bytes += rate(lanes.count, second)
    lanes.tick(second * 1_000, bytes)
    counts.push(lanes.count)
  }
  return counts
}

describe("LaneCount", () => {
  it("begins with one lane, and goes up to eight where each carries as much as the first", () => {
    const counts = play((lanes) => lanes * 50_000, 120)
    expect(counts[0]).toBe(1)
    expect(Math.max(...counts)).toBe(STREAMS_MAX)
    expect(counts.at(-1)).toBe(STREAMS_MAX)
    expect(counts.indexOf(STREAMS_MAX)).toBeLessThanOrEqual(60)
  })
  it("stays with one where a second brings nothing, and looks again after a minute", () => {
    const counts = play(() => 1_000_000, 200)
    const second = counts.filter((count) => count === 2).length
    expect(Math.max(...counts)).toBe(2)
    expect(second).toBeLessThanOrEqual(3 * 9)
    expect(counts.at(-1)).toBeLessThanOrEqual(2)
  })
  it("stops where the next one brings less than 15 %", () => {
    const counts = play((lanes) => 1_000 * Math.min(lanes, 4), 60)
    expect(counts.at(-1)).toBe(4)
    expect(Math.max(...counts)).toBe(5)
  })
  it("follows a network that becomes wider later", () => {
    const counts = play((lanes, second) => (second < 100 ? 1_000 : 1_000 * lanes), 300)
    expect(Math.max(...counts.slice(0, 99))).toBe(2)
    expect(counts.at(-1)).toBe(STREAMS_MAX)
  })
  it("adds nothing while nothing moves, and judges nothing that was interrupted", () => {
    expect(play(() => 0, 100)).toEqual(Array(100).fill(1))
    const lanes = new LaneCount(0)
    for (let second = 1; second < 60; second++) {
      lanes.tick(second * 1_000, second * 1_000)
      if (second % 5 === 0) lanes.restart(second * 1_000)
    }
    expect(lanes.count).toBe(1)
  })
})

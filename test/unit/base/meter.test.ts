import { describe, expect, it } from "vitest"
import { FIRST_BYTE_STEPS, Meter } from "../../../src/base/meter.ts"

describe("Meter", () => {
  it("knows who is here now, and counts nobody's leaving twice", () => {
    const meter = new Meter(["requests"])
    const leave = [meter.enter(), meter.enter(), meter.enter()]
    leave[0]?.()
    leave[0]?.()
    meter.moved(10, 20)
    expect(meter.read()).toEqual({
      connections: 3,
      connectionsNow: 2,
      refused: 0,
      requests: 0,
      bytesIn: 10,
      bytesOut: 20,
    })
  })

  it("has one bucket for each time to the first byte, and never more buckets than it names", () => {
    let nowMs = 0
    const meter = new Meter([], { monotonicMs: () => nowMs })
    for (const tookMs of [0, 100, 101, 60_000, 60_001, 9e9]) {
      const there = meter.awaitFirstByte()
      nowMs += tookMs
      there()
      there()
    }
    expect(meter.read()).toMatchObject({
      "firstByteMs.100": 2,
      "firstByteMs.250": 1,
      "firstByteMs.60000": 1,
      "firstByteMs.over": 2,
      "firstByteMs.count": 6,
      "firstByteMs.sum": 9_000_120_202,
    })
    expect(FIRST_BYTE_STEPS).toHaveLength(9)
  })

  it.each([
    {
      first: "in",
      pieces: [
        [0, 5],
        [3, 0],
        [4, 0],
      ],
    },
    {
      first: "out",
      pieces: [
        [7, 0],
        [0, 2],
        [0, 3],
      ],
    },
  ] as const)("watches a connection for its first byte $first", ({ first, pieces }) => {
    let nowMs = 0
    const meter = new Meter([], { monotonicMs: () => nowMs })
    const onBytes = meter.watch(first)
    for (const [bytesIn, bytesOut] of pieces) {
      nowMs += 60
      onBytes(bytesIn, bytesOut)
    }
    expect(meter.read()).toMatchObject({ bytesIn: 7, bytesOut: 5, "firstByteMs.sum": 120 })
  })
})

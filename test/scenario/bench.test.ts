/**
 * The benches run, on little: what they measure is for them to say, and no time is asked for here.
 */
import { afterEach, describe, expect, it } from "vitest"
import { measureEmbedded } from "../../bench/embedded-stream.ts"
import { measureEnvelopes } from "../../bench/envelopes.ts"
import { alternate, type Figure, figure, holds, median, ratios } from "../../bench/figure.ts"
import { measureFiles } from "../../bench/files.ts"
import { measureLetters } from "../../bench/letters.ts"
import { measurePosts } from "../../bench/posts.ts"
import { compareStreams, bench as samStream } from "../../bench/sam-stream.ts"
import { measureSwarm } from "../../bench/swarm.ts"
import { openEmbeddedBridge } from "../../src/bridge/index.ts"

function expectMeasured(figures: readonly Figure[]): void {
  expect(figures.length).toBeGreaterThan(2)
  for (const { what, value, spread } of figures) {
    expect(what).not.toBe("")
    expect(value).toBeGreaterThan(0)
    expect(spread?.[0]).toBeLessThanOrEqual(value)
    expect(spread?.[1]).toBeGreaterThanOrEqual(value)
  }
}

const ports = process.env.ALLIUM_TESTNET_SAM_PORTS
afterEach(() => {
  if (ports !== undefined) process.env.ALLIUM_TESTNET_SAM_PORTS = ports
})

describe("bench/sam-stream.ts", () => {
  it("compares the two ways on any bridge", async () => {
    await using bridge = await openEmbeddedBridge()
    const { port } = bridge.address
    expectMeasured(await compareStreams(port, port, { pairs: 2, mebibytes: 1, foreign: 1 }))
    expect(bridge.stats.streamBytes).toBeGreaterThan(6 * 2 ** 20) // two to warm up, four measured
  })

  it("says what it needs where no real router is", () => {
    delete process.env.ALLIUM_TESTNET_SAM_PORTS
    expect(samStream.unavailable?.()).toContain("npm run testnet")
  })
})

describe("bench/embedded-stream.ts", () => {
  it("compares sockets, streams and links", async () => {
    expectMeasured(await measureEmbedded({ rounds: 1, mebibytes: 1 }))
  })
})

describe("bench/swarm.ts", () => {
  it("fetches a file over sockets, the embedded network, and a long way", async () => {
    expectMeasured(await measureSwarm({ rounds: 1, mebibytes: 2, farMebibytes: 1 }))
    expectMeasured(await measureFiles({ mebibytes: 1, manyMebibytes: 1 }))
  })
})

describe("bench/envelopes.ts", () => {
  it("seals, opens, turns, accepts, refuses and stores", () => {
    expectMeasured(measureEnvelopes({ rounds: 1, oneWay: 20, turns: 4 }))
  })
})

describe("bench/letters.ts", () => {
  it("compares messages with an echo", async () => {
    delete process.env.ALLIUM_TESTNET_SAM_PORTS
    expectMeasured(await measureLetters({ rounds: 2, roundTripsMs: [0, 10] }))
  })
})

describe("bench/posts.ts", () => {
  it("writes to a group, and gets rid of what waited", async () => {
    expectMeasured(await measurePosts({ members: 4, queued: 20, rounds: 1 }))
  })
})

describe("bench/figure.ts", () => {
  it("takes the middle, and says how far the others lay", () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
    expect(figure("x", [3, 1, 2], "ms")).toMatchObject({ value: 2, spread: [1, 3] })
  })

  it.each([
    [{ least: 2 }, 2, true],
    [{ least: 2 }, 1.9, false],
    [{ most: 2 }, 2, true],
    [{ most: 2 }, 2.1, false],
    [{ least: 0 }, Number.NaN, false],
    [undefined, 1, true],
  ])("holds %j against %d: %j", (goal, value, expected) => {
    expect(holds({ what: "", value, unit: "", ...(goal && { goal }) })).toBe(expected)
  })

  it("lets contenders take turns, every second round backwards", async () => {
    const turns: string[] = []
    const run = (name: string) => async () => turns.push(name)
    const results = await alternate(3, { a: run("a"), b: run("b") })
    expect(turns).toEqual(["a", "b", "b", "a", "a", "b"])
    expect(ratios(results.a, results.b)).toEqual([1 / 2, 4 / 3, 5 / 6])
  })
})

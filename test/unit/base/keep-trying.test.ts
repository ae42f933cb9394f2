import { describe, expect, it } from "vitest"
import { Alarm } from "../../../src/base/alarm.ts"
import { openBackoff } from "../../../src/base/backoff.ts"
import { keepTrying } from "../../../src/base/keep-trying.ts"
import { FakeWorld } from "../../support/fake-world.ts"

describe("keepTrying()", () => {
  it("tries again after failures, at longer and longer intervals, until it is done", async () => {
    const { world, times, options } = setUp()
    const trying = keepTrying(async () => {
      times.push(world.clock.monotonicMs())
      if (times.length < 5) throw new Error("not yet")
      return "done"
    }, options)
    await world.pass(60_000)
    await trying
    expect(times).toEqual([0, 1_000, 3_000, 7_000, 15_000])
    expect(options.failures).toHaveLength(4)
  })

  it("tries at once when rung, and begins with short waits again", async () => {
    const { world, times, options } = setUp()
    const trying = keepTrying(async () => {
      times.push(world.clock.monotonicMs())
      return times.length < 6 ? "again" : "done"
    }, options)
    await world.pass(8_000)
    options.alarm.ring()
    await world.pass(60_000)
    await trying
    expect(times).toEqual([0, 1_000, 3_000, 7_000, 8_000, 9_000])
  })

  it("ends quietly when the signal aborts, in a try or between two", async () => {
    for (const attempt of [async () => "again" as const, () => new Promise<"done">(() => {})]) {
      const { world, options, abort } = setUp()
      const stuck = new Promise<"done">((_, reject) => {
        abort.signal.addEventListener("abort", () => reject(abort.signal.reason))
      })
      const trying = keepTrying(() => Promise.race([attempt(), stuck]), options)
      await world.pass(500)
      abort.abort()
      await expect(trying).resolves.toBeUndefined()
      expect(options.failures).toEqual([])
    }
  })
})

function setUp() {
  const world = new FakeWorld()
  const abort = new AbortController()
  const failures: unknown[] = []
  const options = {
    ...{ clock: world.clock, signal: abort.signal, alarm: new Alarm(), failures },
    backoff: openBackoff({ firstMs: 1_000, mostMs: 60_000, chance: () => 0 }),
    failed: (error: unknown) => void failures.push(error),
  }
  return { world, abort, options, times: [] as number[] }
}

import { describe, expect, it } from "vitest"
import { silentLog } from "../../../src/base/log.ts"
import type { TunnelContext } from "../../../src/router/tunnel.ts"
import { Ways } from "../../../src/router/ways.ts"
import { FakeClock } from "../../support/fake-clock.ts"

function openWays(idleMs: number) {
  const clock = new FakeClock()
  const closed: (string | undefined)[] = []
  const closeSession = async (name?: string) => void closed.push(name)
  const context = { clock, log: silentLog, closeSession } as unknown as TunnelContext
  const rules = { sessionsMax: 4, idleMs, keepAddress: false }
  return { clock, closed, ways: new Ways(context, rules, () => ({ destroy() {} })) }
}

describe("Ways", () => {
  it("closes a way so long after its last use, however often it was used before", async () => {
    const { clock, closed, ways } = openWays(1_000)
    for (let use = 0; use < 5; use++) {
      ways.take("site a").release()
      await clock.pass(600)
    }
    expect(closed).toHaveLength(0)
    await clock.pass(399)
    expect(closed).toHaveLength(0)
    await clock.pass(1)
    expect([closed.length, ways.count]).toEqual([1, 0])
  })

  it("closes none that is in use, and sleeps once for each that rests", async () => {
    const { clock, closed, ways } = openWays(1_000)
    for (let use = 0; use < 50; use++) ways.take("site a").release()
    expect(clock.sleeping()).toHaveLength(1)
    const used = ways.take("site a")
    await clock.pass(60_000)
    expect([closed.length, clock.sleeping().length]).toEqual([0, 0])
    used.release()
    await clock.pass(1_000)
    expect(closed).toHaveLength(1)
  })

  it("leaves no sleep behind when it is closed itself", async () => {
    const { clock, closed, ways } = openWays(1_000)
    ways.take("site a").release()
    await ways[Symbol.asyncDispose]()
    expect([closed.length, clock.sleeping().length]).toEqual([0, 0])
  })
})

import { describe, expect, it } from "vitest"
import { Alarm } from "../../../src/base/alarm.ts"
import { FakeWorld } from "../../support/fake-world.ts"

describe("Alarm", () => {
  const never = new AbortController().signal

  it("wakes who waits, before the time is over", async () => {
    const { clock } = new FakeWorld()
    const alarm = new Alarm()
    const waiting = alarm.wait({ signal: never, clock, atMostMs: 1_000 })
    alarm.ring()
    await expect(waiting).resolves.toBe(true)
  })

  it("keeps one ring for who comes later, not two", async () => {
    const world = new FakeWorld()
    const alarm = new Alarm()
    alarm.ring()
    alarm.ring()
    const call = { signal: never, clock: world.clock, atMostMs: 1_000 }
    await expect(alarm.wait(call)).resolves.toBe(true)
    const second = alarm.wait(call)
    await world.pass(1_000)
    await expect(second).resolves.toBe(false)
  })

  it("waits without end when no time is given, until the signal aborts", async () => {
    const world = new FakeWorld()
    const abort = new AbortController()
    const waiting = new Alarm().wait({ signal: abort.signal, clock: world.clock })
    await world.pass(86_400_000)
    abort.abort(new Error("enough"))
    await expect(waiting).rejects.toThrow("enough")
  })
})

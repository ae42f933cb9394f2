import { describe, expect, it } from "vitest"
import { COOL_DOWN_MS, type KeyUse, openKeyGuard } from "../../../src/sam/key-guard.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"

const signal = new AbortController().signal
const call = { signal }

/** How long taking the destination lasts. */
async function waitFor(clock: FakeClock, taking: Promise<unknown>): Promise<number> {
  const beginMs = clock.now()
  let isTaken = false
  void taking.then(() => {
    isTaken = true
  })
  await settle()
  while (!isTaken) await clock.pass(1_000)
  return clock.now() - beginMs
}

function memoryWith(use?: KeyUse) {
  const written: KeyUse[] = []
  const write = async (_: string, use: KeyUse) => void written.push(use)
  return { written, read: async () => use, write }
}

describe("KeyGuard.hold()", () => {
  it("gives a fresh destination at once, and the same one only after its rest", async () => {
    const clock = new FakeClock()
    const guard = openKeyGuard({ clock })
    const first = await guard.hold("a", call)
    await expect(guard.hold("a", call)).rejects.toMatchObject({ code: "DESTINATION_TAKEN" })
    await guard.hold("b", call)
    await first.release()
    await first.release()
    await clock.pass(4_000)
    expect(await waitFor(clock, guard.hold("a", call))).toBe(COOL_DOWN_MS - 4_000)
  })
  it("counts only the first release: a late one does not free another's hold", async () => {
    const clock = new FakeClock()
    const guard = openKeyGuard({ clock })
    const first = await guard.hold("a", { signal, coolDownMs: 0 })
    await first.release()
    await guard.hold("a", { signal, coolDownMs: 0 })
    await first.release()
    await expect(guard.hold("a", call)).rejects.toMatchObject({ code: "DESTINATION_TAKEN" })
  })
  it("frees the destination when its taker gives up while it rests", async () => {
    const clock = new FakeClock()
    const guard = openKeyGuard({ clock })
    await (await guard.hold("a", call)).release()
    const caller = new AbortController()
    const taking = guard.hold("a", { signal: caller.signal })
    await settle()
    caller.abort()
    await expect(taking).rejects.toMatchObject({ code: "ABORTED" })
    expect(await waitFor(clock, guard.hold("a", call))).toBe(COOL_DOWN_MS)
  })
  it.each([
    ["never used", undefined, 0],
    ["given back long ago", { state: "released", atMs: 900_000 }, 0],
    ["given back 3 s ago", { state: "released", atMs: 997_000 }, 7_000],
    [
      "given back in the future: the clock was set back",
      { state: "released", atMs: 2_000_000 },
      10_000,
    ],
    ["held when the process died, whenever that was", { state: "held", atMs: 5 }, 10_000],
  ] as const)("remembers a destination %s", async (_, use, restMs) => {
    const clock = new FakeClock(1_000_000)
    const memory = memoryWith(use)
    const guard = openKeyGuard({ clock, memory })
    const taking = guard.hold("a", call)
    expect(await waitFor(clock, taking)).toBe(restMs)
    await (await taking).release()
    expect(memory.written).toEqual([
      { state: "held", atMs: 1_000_000 + restMs },
      { state: "released", atMs: 1_000_000 + restMs },
    ])
  })
})

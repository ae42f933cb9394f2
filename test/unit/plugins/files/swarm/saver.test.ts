import { describe, expect, it } from "vitest"
import { Saver } from "../../../../../plugins/files/swarm/saver.ts"
import { FakeClock, settle } from "../../../../support/fake-clock.ts"

const KIB = 1_024
const nothing = { have: undefined as never, partial: new Map() }

/** A saver whose saves end when they are told to. */
function openSaver(pieceBytes: number) {
  const clock = new FakeClock()
  const saves: (() => void)[] = []
  let caughtUp = 0
  const saver = new Saver({
    ...{ clock, pieceBytes, progress: () => nothing },
    ...{ written: async () => {}, sync: async () => {}, failed: () => {} },
    save: () => new Promise((resolve) => void saves.push(resolve)),
    caughtUp: () => caughtUp++,
  })
  return { clock, saver, saves, caughtUp: () => caughtUp }
}

describe("Saver", () => {
  it.each([
    { pieceBytes: 64 * KIB, most: 1_024 * KIB },
    { pieceBytes: 8_192 * KIB, most: 8_192 * KIB },
  ])(
    "is behind before a kill could cost more than $most bytes with pieces of $pieceBytes",
    async ({ pieceBytes, most }) => {
      const { clock, saver, saves, caughtUp } = openSaver(pieceBytes)
      let unsaved = 0
      while (!saver.isBehind) {
        saver.changed(16 * KIB)
        unsaved += 16 * KIB
        await clock.pass(20)
      }
      // Eight streams that are being read may each bring a little more.
      expect(unsaved).toBeLessThanOrEqual(most - 8 * 16 * KIB)
      expect([saves.length, caughtUp()]).toEqual([1, 0])
      saves[0]!()
      await settle()
      expect([saver.isBehind, caughtUp()]).toEqual([false, 1])
      // It does not rest while much is unsaved.
      await clock.pass(20)
      saver.changed(most / 2)
      await settle()
      expect(saves.length).toBe(2)
    },
  )

  it("holds up nothing that comes within 20 ms, so that fast streams stay fast", async () => {
    const { clock, saver } = openSaver(64 * KIB)
    await clock.pass(1_000)
    for (let block = 0; block < 4_000; block++) saver.changed(16 * KIB)
    expect(saver.isBehind).toBe(false)
    await clock.pass(20)
    expect(saver.isBehind).toBe(true)
  })
})

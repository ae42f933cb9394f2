import { describe, expect, it } from "vitest"
import { FileRates, limitOffer } from "../../../../plugins/files/rates.ts"
import { FakeClock } from "../../../support/fake-clock.ts"
import { FakeWorld } from "../../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../../support/memory-store.ts"

const NOON_MS = new Date(2026, 0, 5, 12, 0).getTime()
const NIGHT_MS = new Date(2026, 0, 5, 23, 30).getTime()

async function open(nowMs = NOON_MS, disk = new MemoryDisk()) {
  const store = new MemoryLife(disk, new FakeWorld(), () => {}).room("/")
  const rates = await FileRates.open(store, new FakeClock(nowMs))
  const limit = (input: object) => rates.change(limitOffer.input.parse(input))
  return { rates, limit, disk }
}

describe("file limit", () => {
  it("limits nothing at first, and shows what holds", async () => {
    const { limit, rates } = await open()
    expect(await limit({})).toMatchObject({ hours: [] })
    expect(rates.up.bytesPerSecond).toBe(Number.POSITIVE_INFINITY)
    expect(await limit({ up: "50k", down: "1MiB" })).toMatchObject({
      ...{ up: 51_200, down: 2 ** 20, upNow: 51_200, downNow: 2 ** 20 },
    })
    expect((await limit({ up: "none" })).up).toBeUndefined()
    expect(rates.up.bytesPerSecond).toBe(Number.POSITIVE_INFINITY)
  })

  it("has hours of their own, over midnight too, and leaves the other way as it is", async () => {
    const { limit, rates, disk } = await open(NIGHT_MS)
    await limit({ down: "100k", up: "100k" })
    const shown = await limit({ between: "22:00-06:00", up: "none" })
    expect(shown).toMatchObject({ downNow: 102_400, hours: ["22:00-06:00, out no limit"] })
    expect(rates.up.bytesPerSecond).toBe(Number.POSITIVE_INFINITY)
    const later = await open(NOON_MS, disk)
    expect(later.rates.up.bytesPerSecond).toBe(102_400)
    expect((await later.limit({ between: "22:00-06:00", forget: true })).hours).toEqual([])
  })

  it.each([
    [{ forget: true }, "BAD_INPUT"],
    [{ between: "08:00-09:00" }, "BAD_INPUT"],
    [{ between: "08:00-09:00", forget: true }, "NOT_FOUND"],
  ])("refuses %j", async (input, code) => {
    const { limit } = await open()
    await expect(limit(input)).rejects.toMatchObject({ code })
  })

  it("bears only so many hours", async () => {
    const { limit } = await open()
    for (let hour = 0; hour < 16; hour++) await limit({ between: `${hour}:00-${hour}:30`, up: 1 })
    await expect(limit({ between: "20:00-21:00", up: 1 })).rejects.toMatchObject({
      code: "LIMIT_REACHED",
    })
  })
})

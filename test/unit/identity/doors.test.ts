import { describe, expect, it } from "vitest"
import { systemClock } from "../../../src/base/clock.ts"
import { systemRandom } from "../../../src/base/random.ts"
import { doorShape, doorsShape, openDoorBook } from "../../../src/identity/doors.ts"
import { freshFolder, openIn } from "../store/store-folder.ts"

async function openDoors() {
  const store = await openIn(await freshFolder())
  const open = () => openDoorBook({ store, clock: systemClock, random: systemRandom })
  return { store, open, doors: await open() }
}

describe("DoorBook", () => {
  it("begins with the plain card, and keeps new ones over a restart", async () => {
    const { doors, open } = await openDoors()
    expect(doors.list()).toEqual([{ label: "plain" }])
    const fair = await doors.make("fair")
    expect(doorShape.safeParse(fair.id).success).toBe(true)
    expect((await open()).byId(fair.id)).toEqual(fair)
    expect(doors.byId(undefined)).toEqual({ label: "plain" })
  })

  it("forgets a card that is withdrawn, for good", async () => {
    const { doors, open } = await openDoors()
    const { id } = await doors.make("fair")
    await doors.withdraw("fair")
    expect([doors.byId(id), (await open()).byId(id)]).toEqual([undefined, undefined])
    expect((await doors.make("fair")).id).not.toBe(id)
  })

  it("switches the plain card off and on", async () => {
    const { doors, open } = await openDoors()
    await doors.withdraw("plain")
    expect((await open()).byId(undefined)).toBeUndefined()
    await doors.make("plain")
    expect((await open()).byId(undefined)).toEqual({ label: "plain" })
  })

  it("refuses a label that is taken or none, and a card that is not there", async () => {
    const { doors } = await openDoors()
    await doors.make("fair")
    await expect(doors.make("fair")).rejects.toMatchObject({ code: "ALREADY_EXISTS" })
    await expect(doors.make("plain")).rejects.toMatchObject({ code: "ALREADY_EXISTS" })
    await expect(doors.make(" ")).rejects.toMatchObject({ code: "BAD_INPUT" })
    await expect(doors.withdraw("shop")).rejects.toMatchObject({ code: "NOT_FOUND" })
    expect(() => doors.find("shop")).toThrow(expect.objectContaining({ code: "NOT_FOUND" }))
  })

  it("makes 64 cards and not one more", async () => {
    const { doors } = await openDoors()
    for (let number = 0; number < 64; number++) await doors.make(`card ${number}`)
    await expect(doors.make("one more")).rejects.toMatchObject({ code: "LIMIT_REACHED" })
  })

  it("comes back from what a backup keeps", async () => {
    const { doors } = await openDoors()
    const fair = await doors.make("fair")
    await doors.withdraw("plain")
    const kept = doorsShape.parse(structuredClone(doors.keep()))
    const fresh = await openDoors()
    await fresh.doors.bring(kept)
    expect(fresh.doors.list()).toEqual([fair])
  })
})

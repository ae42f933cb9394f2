import { describe, expect, it } from "vitest"
import { AlliumError } from "../../../../src/base/errors.ts"
import { RouterNames } from "../../../../src/router/names/router-names.ts"
import { FakeClock } from "../../../support/fake-clock.ts"

const fresh = () => ({ signal: new AbortController().signal })
const notFound = () => new AlliumError("NAME_NOT_FOUND", "Cannot look up name: unknown")

describe("RouterNames", () => {
  it("asks once for all who wait, also when the first goes away", async () => {
    let answer = (_: string) => {}
    let asked = 0
    const names = new RouterNames(() => {
      asked++
      return new Promise((resolve) => {
        answer = resolve
      })
    }, new FakeClock())
    const first = new AbortController()
    const gone = names.find("a.i2p", { signal: first.signal }).catch((error) => error.name)
    const waits = names.find("a.i2p", fresh())
    first.abort()
    await gone
    answer("destination")
    expect(await waits).toBe("destination")
    expect(asked).toBe(1)
  })

  it("does not ask for an unknown name again for 60 s, then it does", async () => {
    const clock = new FakeClock()
    let asked = 0
    const names = new RouterNames(async () => {
      asked++
      throw notFound()
    }, clock)
    for (const passMs of [0, 59_000, 1_000]) {
      await clock.pass(passMs)
      await expect(names.find("a.i2p", fresh())).rejects.toMatchObject({ code: "NAME_NOT_FOUND" })
    }
    expect(asked).toBe(2)
  })

  it("tells a name whose destination is cold from an unknown one, and asks again at once", async () => {
    const clock = new FakeClock()
    let asked = 0
    const names = new RouterNames(async () => {
      asked++
      await clock.pass(20_000)
      throw notFound()
    }, clock)
    for (let time = 0; time < 2; time++)
      await expect(names.find("a.i2p", fresh())).rejects.toMatchObject({ code: "PEER_UNREACHABLE" })
    expect(asked).toBe(2)
  })

  it("asks for 64 names at a time, and says BUSY then", async () => {
    const names = new RouterNames(() => new Promise(() => {}), new FakeClock())
    for (let number = 0; number < 64; number++) void names.find(`${number}.i2p`, fresh())
    await expect(names.find("x.i2p", fresh())).rejects.toMatchObject({ code: "BUSY" })
  })
})

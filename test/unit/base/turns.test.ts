import { describe, expect, it } from "vitest"
import { Slots, Turns } from "../../../src/base/turns.ts"

describe("Turns", () => {
  it("runs one after the other, also after a failure", async () => {
    const turns = new Turns()
    const order: string[] = []
    const task = (name: string, fails = false) =>
      turns.take(async () => {
        order.push(`${name} begins`)
        await Promise.resolve()
        order.push(`${name} ends`)
        if (fails) throw new Error(name)
      })
    const first = task("first", true)
    const second = task("second")
    await expect(first).rejects.toThrow("first")
    await second
    expect(order).toEqual(["first begins", "first ends", "second begins", "second ends"])
  })
})

describe("Slots", () => {
  const never = new AbortController().signal

  it("lets in as many as there are places, then one for each that leaves, in order", async () => {
    const slots = new Slots(2)
    const inside: string[] = []
    const leave = new Map<string, () => void>()
    const enter = (name: string) =>
      slots.take(
        () => {
          inside.push(name)
          return new Promise<void>((resolve) => leave.set(name, resolve))
        },
        { signal: never },
      )
    const all = ["a", "b", "c", "d"].map(enter)
    await Promise.resolve()
    expect(inside).toEqual(["a", "b"])
    leave.get("b")!()
    await all[1]
    await Promise.resolve()
    expect(inside).toEqual(["a", "b", "c"])
    for (const name of ["a", "c"]) leave.get(name)!()
    await all[2]
    await Promise.resolve()
    leave.get("d")!()
    await Promise.all(all)
  })

  it("lets who gives up leave the line without taking a place", async () => {
    const slots = new Slots(1)
    let leave = () => {}
    const first = slots.take(
      () =>
        new Promise<void>((resolve) => {
          leave = resolve
        }),
      { signal: never },
    )
    const abort = new AbortController()
    const second = slots.take(async () => {}, { signal: abort.signal })
    abort.abort(new Error("too long"))
    await expect(second).rejects.toThrow("too long")
    leave()
    await first
    await expect(slots.take(async () => "free", { signal: never })).resolves.toBe("free")
  })

  it("frees its place when a task fails", async () => {
    const slots = new Slots(1)
    const failing = slots.take(() => Promise.reject(new Error("no")), { signal: never })
    await expect(failing).rejects.toThrow("no")
    await expect(slots.take(async () => "free", { signal: never })).resolves.toBe("free")
  })
})

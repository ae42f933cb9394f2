import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Queue } from "../../../src/base/queue.ts"

async function takeAll<T>(queue: Queue<T>): Promise<T[]> {
  const taken: T[] = []
  for await (const item of queue) taken.push(item)
  return taken
}

describe("Queue", () => {
  it("says no when it is full, and keeps what it has", async () => {
    const queue = new Queue<number>(2)
    expect([queue.push(1), queue.push(2), queue.push(3)]).toEqual([true, true, false])
    queue.end()
    expect(await takeAll(queue)).toEqual([1, 2])
  })

  it("hands an item to whoever already waits", async () => {
    const queue = new Queue<string>(1)
    const first = queue[Symbol.asyncIterator]().next()
    queue.push("came later")
    await expect(first).resolves.toEqual({ done: false, value: "came later" })
  })

  it("ends those who wait", async () => {
    const queue = new Queue<string>(1)
    const taking = takeAll(queue)
    queue.end()
    await expect(taking).resolves.toEqual([])
    expect(queue.push("too late")).toBe(false)
  })

  it("gives back on drain() what nobody took", () => {
    const queue = new Queue<string>(3)
    queue.push("a")
    queue.push("b")
    expect(queue.drain()).toEqual(["a", "b"])
    expect(queue.size).toBe(0)
  })

  it("loses and invents nothing, in order", async () => {
    const pushes = fc.array(fc.integer(), { maxLength: 50 })
    await fc.assert(
      fc.asyncProperty(pushes, fc.integer({ min: 1, max: 50 }), async (items, sizeMax) => {
        const queue = new Queue<number>(sizeMax)
        const accepted = items.filter((item) => queue.push(item))
        queue.end()
        expect(await takeAll(queue)).toEqual(accepted)
      }),
    )
  })
})

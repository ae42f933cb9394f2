import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Ledger, type Range } from "../../../../plugins/files/ledger.ts"
import { CHUNK_BYTES } from "../../../../plugins/files/wire.ts"

describe("Ledger", () => {
  it("asks for parts in order, four ahead, the last one shorter", () => {
    const ledger = new Ledger(5 * CHUNK_BYTES + 7)
    const asked = Array.from({ length: 5 }, () => ledger.ask()?.chunk)
    expect(asked).toEqual([0, 1, 2, 3, undefined])
    receive(ledger, CHUNK_BYTES)
    expect(ledger.ask()).toEqual({ chunk: 4, offset: 4 * CHUNK_BYTES, end: 5 * CHUNK_BYTES })
    receive(ledger, CHUNK_BYTES)
    expect(ledger.ask()).toMatchObject({ chunk: 5, end: 5 * CHUNK_BYTES + 7 })
    expect(ledger.ask()).toBeUndefined()
  })

  it("goes on inside a part that was begun", () => {
    const ledger = new Ledger(3 * CHUNK_BYTES, new Uint8Array([1, 0, 0]), 100)
    expect(ledger.contiguous).toBe(CHUNK_BYTES + 100)
    expect(ledger.ask()).toEqual({ chunk: 1, offset: CHUNK_BYTES + 100, end: 2 * CHUNK_BYTES })
    expect(ledger.ask()?.offset).toBe(2 * CHUNK_BYTES)
  })

  it("asks for a bad part again, whole, and counts nothing behind it meanwhile", () => {
    const ledger = new Ledger(3 * CHUNK_BYTES, new Uint8Array(3), 100)
    for (let count = 0; count < 3; count++) ledger.ask()
    expect(ledger.came(100, CHUNK_BYTES - 100)).toBe(0)
    ledger.bad(0)
    expect(ledger.contiguous).toBe(0)
    expect(ledger.ask()).toEqual({ chunk: 0, offset: 0, end: CHUNK_BYTES })
    receive(ledger, CHUNK_BYTES)
    receive(ledger, CHUNK_BYTES)
    expect(ledger.contiguous).toBe(0)
    receive(ledger, CHUNK_BYTES)
    expect(ledger).toMatchObject({ done: true, contiguous: 3 * CHUNK_BYTES })
  })

  it("gives up a part that is bad every time", () => {
    const ledger = new Ledger(10)
    for (let time = 1; time < 4; time++) {
      ledger.ask()
      ledger.came(0, 10)
      ledger.bad(0)
    }
    ledger.ask()
    ledger.came(0, 10)
    expect(() => ledger.bad(0)).toThrow(expect.objectContaining({ code: "FILE_CORRUPT" }))
  })

  it.each([
    ["before anything was asked for", 0, 1, 0],
    ["at another place", 1, 1, 1],
    ["beyond the part", 0, CHUNK_BYTES + 1, 1],
    ["of the next part", CHUNK_BYTES, 1, 2],
  ])("refuses bytes %s", (_, offset, byteCount, asks) => {
    const ledger = new Ledger(2 * CHUNK_BYTES)
    for (let count = 0; count < asks; count++) ledger.ask()
    expect(() => ledger.require(offset, byteCount)).toThrow(
      expect.objectContaining({ code: "BAD_RECORD" }),
    )
  })

  it("has nothing to ask for an empty file", () => {
    expect(new Ledger(0)).toMatchObject({ done: true, contiguous: 0 })
    expect(new Ledger(0).ask()).toBeUndefined()
  })

  it("brings in every byte exactly once more than it was bad, from any start", () => {
    const start = fc.record({
      have: fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }),
      tail: fc.integer({ min: 1, max: CHUNK_BYTES }),
      bad: fc.infiniteStream(fc.integer({ min: 0, max: 5 })),
    })
    void fc.assert(
      fc.property(start, ({ have, tail, bad }) => {
        const size = (have.length - 1) * CHUNK_BYTES + tail
        const ledger = new Ledger(size, Uint8Array.from(have, Number))
        const times = have.map(() => 0)
        const line: Range[] = []
        for (let turn = 0; !ledger.done; turn++) {
          expect(turn).toBeLessThan(1_000)
          for (let range = ledger.ask(); range; range = ledger.ask()) line.push(range)
          const range = line.shift()!
          expect(ledger.came(range.offset, range.end - range.offset)).toBe(range.chunk)
          const isBad = bad.next().value === 0 && times[range.chunk]! < 2
          times[range.chunk]!++
          if (isBad) ledger.bad(range.chunk)
          else ledger.good(range.chunk)
          expect(ledger.contiguous).toBeLessThanOrEqual(size)
        }
        expect(ledger.contiguous).toBe(size)
        have.forEach((here, chunk) => void expect(times[chunk]! > 0).toBe(!here))
      }),
      { numRuns: 2_000 },
    )
  })
})

/** The next bytes under way come, and are good. */
function receive(ledger: Ledger, byteCount: number): void {
  let offset = 0
  while (!fits(() => ledger.require(offset, byteCount))) offset += CHUNK_BYTES
  ledger.good(ledger.came(offset, byteCount)!)
}

function fits(attempt: () => void): boolean {
  try {
    attempt()
    return true
  } catch {
    return false
  }
}

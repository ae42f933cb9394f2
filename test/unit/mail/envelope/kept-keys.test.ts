import { describe, expect, it } from "vitest"
import {
  countKeys,
  type KeptKey,
  type KeptKeys,
  keepKeys,
  takeKey,
  withoutOld,
} from "../../../../src/mail/envelope/kept-keys.ts"

const mark = (chain: number) => ({ headerKey: Buffer.from(`chain ${chain}`), first: false })
const keys = (from: number, count: number, atMs = 0): KeptKey[] =>
  Array.from({ length: count }, (_, index) => ({
    number: from + index,
    messageKey: Buffer.from(`key ${from + index}`),
    atMs,
  }))
const numbers = (kept: KeptKeys) => kept.map((chain) => chain.keys.map(({ number }) => number))

describe("keepKeys()", () => {
  it("adds to the chain they are of, which is then the latest", () => {
    const one = keepKeys(keepKeys([], mark(1), keys(0, 2)), mark(2), keys(5, 1))
    expect(numbers(keepKeys(one, mark(1), keys(3, 1)))).toEqual([[5], [0, 1, 3]])
    expect(keepKeys(one, mark(3), [])).toBe(one)
  })

  it("forgets the oldest beyond 2,000 keys", () => {
    const one = keepKeys(keepKeys([], mark(1), keys(0, 1_000)), mark(2), keys(0, 1_000))
    const two = keepKeys(one, mark(3), keys(0, 1_000))
    expect([countKeys(one), countKeys(two)]).toEqual([2_000, 2_000])
    expect(numbers(two)).toHaveLength(2)
    const three = keepKeys(two, mark(4), keys(0, 1))
    expect(numbers(three)[0]?.[0]).toBe(1)
    expect(countKeys(three)).toBe(2_000)
  })

  it("forgets the oldest beyond 256 chains", () => {
    let kept: KeptKeys = []
    for (let chain = 0; chain < 300; chain++) kept = keepKeys(kept, mark(chain), keys(chain, 1))
    expect(kept).toHaveLength(256)
    expect(numbers(kept)[0]).toEqual([44])
  })
})

describe("takeKey()", () => {
  it("gives a key once, and forgets a chain without any", () => {
    const kept = keepKeys(keepKeys([], mark(1), keys(7, 2)), mark(2), keys(7, 1))
    const one = takeKey(kept, mark(1).headerKey, 7)
    expect(one?.messageKey.toString()).toBe("key 7")
    expect(numbers(one!.kept)).toEqual([[8], [7]])
    expect(takeKey(one!.kept, mark(1).headerKey, 7)).toBeUndefined()
    expect(numbers(takeKey(one!.kept, mark(1).headerKey, 8)!.kept)).toEqual([[7]])
    expect(takeKey(kept, mark(3).headerKey, 7)).toBeUndefined()
    expect(numbers(kept)).toEqual([[7, 8], [7]])
  })
})

describe("withoutOld()", () => {
  it("forgets what was overtaken more than 30 days ago", () => {
    const day = 86_400_000
    const kept = keepKeys(keepKeys([], mark(1), keys(0, 2, 0)), mark(1), keys(5, 1, day))
    expect(withoutOld(kept, 30 * day)).toBe(kept)
    expect(numbers(withoutOld(kept, 30 * day + 1))).toEqual([[5]])
    expect(withoutOld(kept, 31 * day + 1)).toEqual([])
  })

  it("keeps what is from the future: a clock was set back", () => {
    const kept = keepKeys([], mark(1), keys(0, 1, 1_000))
    expect(withoutOld(kept, 0)).toBe(kept)
  })
})

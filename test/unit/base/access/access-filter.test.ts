import { describe, expect, it } from "vitest"
import { AccessFilter, type PeerLists } from "../../../../src/base/access/access-filter.ts"
import { parseFilter } from "../../../../src/base/access/filter-file.ts"

const ANN = `${"a".repeat(52)}.b32.i2p`
const BOB = `${"b".repeat(52)}.b32.i2p`

function filterOf(text: string, lists: PeerLists = new Map()): AccessFilter {
  const filter = new AccessFilter()
  filter.use(parseFilter(text), lists)
  return filter
}

/** How many of `count` attempts at one moment come in. */
function admitted(filter: AccessFilter, peer: string, count: number, nowMs = 0): number {
  return Array.from({ length: count }, () => filter.admits(peer, nowMs)).filter(Boolean).length
}

describe("AccessFilter", () => {
  it("A18: 15/5 lets 14 in and not the fifteenth, for each peer", () => {
    const filter = filterOf("15/5 default")
    expect(admitted(filter, ANN, 20)).toBe(14)
    expect(admitted(filter, BOB, 20)).toBe(14)
  })

  it.each([
    ["0/1 default", 0],
    ["1/1 default", 0],
    ["deny default", 0],
    ["allow default", 20],
  ])("%s lets %i of 20 in", (text, count) => {
    expect(admitted(filterOf(text), ANN, 20)).toBe(count)
  })

  it("counts within the window, both its ends included; attempts that were refused count too", () => {
    const filter = filterOf("3/5 default")
    const at = (nowMs: number) => filter.admits(ANN, nowMs)
    expect([0, 2_500, 5_001, 7_501, 10_001, 12_502].map(at)).toEqual([
      ...[true, true, true, true],
      false, // the third in 5,000 ms
      true, // the third in 5,001 ms
    ])
  })

  it("takes the first entry for a peer, whether it names it or a list", () => {
    const lists = new Map([["/friends", new Set([ANN, BOB])]])
    const filter = filterOf(
      `deny explicit ${BOB}\nallow file /friends\ndeny explicit ${ANN}\n1/1 default`,
      lists,
    )
    expect([filter.admits(ANN, 0), filter.admits(BOB, 0)]).toEqual([true, false])
    expect([filter.favours(ANN), filter.favours(BOB)]).toEqual([true, false])
  })

  it("tells whom to record, once, and never who has an entry", () => {
    const filter = filterOf(`3/5 record /aggressive\nallow explicit ${BOB}`)
    admitted(filter, ANN, 2)
    expect(filter.takeRecords().size).toBe(0)
    admitted(filter, ANN, 5)
    admitted(filter, BOB, 5)
    expect(filter.takeRecords()).toEqual(new Map([["/aggressive", new Set([ANN])]]))
    expect(filter.takeRecords().size).toBe(0)
  })

  it("forgets who was quiet longest instead of growing", () => {
    const filter = filterOf("2/1000 default")
    filter.admits(ANN, 0)
    for (let index = 0; index < 4_200; index++) filter.admits(`peer ${index}`, 1)
    expect(filter.admits(ANN, 2)).toBe(true)
  })
})

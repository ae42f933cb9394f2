import { describe, expect, it } from "vitest"
import type { TrackerAnswer } from "../../../../../plugins/files/torrent/announce.ts"
import { openAnnouncer } from "../../../../../plugins/files/world/announcer.ts"
import { AlliumError } from "../../../../../src/base/errors.ts"
import { silentLog } from "../../../../../src/base/log.ts"
import { FakeClock, settle } from "../../../../support/fake-clock.ts"

const PEERS: TrackerAnswer = { kind: "peers", peers: [], intervalS: 1_800 }
const MINUTE_MS = 60_000

/** An announcer, and what each tracker was told. */
function open(tiers: string[][], answer: (url: string) => TrackerAnswer | "fail" = () => PEERS) {
  const clock = new FakeClock()
  const told: string[] = []
  const announcer = openAnnouncer({
    tiers,
    async ask(url, { event }) {
      told.push(`${url} ${event ?? "-"}`)
      const given = answer(url)
      if (given === "fail") throw new AlliumError("PEER_UNREACHABLE", "Nobody there")
      return given
    },
    facts: () => ({ uploaded: 0, downloaded: 0, left: 0, wanted: 1 }),
    found: () => {},
    ...{ clock, chance: () => 0, log: silentLog },
  })
  return { clock, told, announcer }
}

describe("openAnnouncer()", () => {
  it("says that it comes, is there, and goes", async () => {
    const { clock, told, announcer } = open([["a"]])
    await settle()
    await clock.pass(29 * MINUTE_MS)
    expect(told).toEqual(["a started"])
    await clock.pass(MINUTE_MS)
    await announcer[Symbol.asyncDispose]()
    expect(told).toEqual(["a started", "a -", "a stopped"])
  })

  it("says at once that everything is here, and only to who knows of it", async () => {
    const { clock, told, announcer } = open([["a"], ["b"]], (url) => (url === "b" ? "fail" : PEERS))
    await settle()
    announcer.completed()
    await settle()
    expect(told.sort()).toEqual(["a completed", "a started", "b started", "b started"])
    await clock.pass(31 * MINUTE_MS)
    await announcer[Symbol.asyncDispose]()
    expect(told.filter((text) => text.endsWith("stopped"))).toEqual(["a stopped"])
  })

  it("asks the next of a tier when one fails, and the one that answered first from then on", async () => {
    const { clock, told, announcer } = open([["a", "b", "c"]], (url) =>
      url === "a" ? "fail" : PEERS,
    )
    await settle()
    expect(told).toEqual(["a started", "b started"])
    await clock.pass(31 * MINUTE_MS)
    expect(told.slice(2)).toEqual(["b -"])
    await announcer[Symbol.asyncDispose]()
  })

  it("waits longer and longer when nobody answers, half an hour at most", async () => {
    const { clock, told, announcer } = open([["a"]], () => "fail")
    await settle()
    const waits = []
    for (let round = 0; round < 8; round++) {
      waits.push(clock.sleeping()[0]! / MINUTE_MS)
      await clock.pass(clock.sleeping()[0]!)
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30, 30])
    expect(told.every((text) => text === "a started")).toBe(true)
    await announcer[Symbol.asyncDispose]()
    expect(told.at(-1)).toBe("a started")
  })

  it("keeps to the interval of a tracker that refuses, and shows its words", async () => {
    const refusal = { kind: "refused", reason: "not registered", intervalS: 3_600 } as const
    const { clock, announcer } = open([["a"]], () => refusal)
    await settle()
    expect(clock.sleeping()).toEqual([60 * MINUTE_MS])
    expect(announcer.report()).toEqual([{ url: "a", state: "refused", reason: "not registered" }])
    await announcer[Symbol.asyncDispose]()
  })

  it("closes though a tracker never answers", async () => {
    const clock = new FakeClock()
    const announcer = openAnnouncer({
      tiers: [["a"]],
      ask: (_url, _announce, { signal }) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      facts: () => ({ uploaded: 0, downloaded: 0, left: 0, wanted: 1 }),
      found: () => {},
      ...{ clock, chance: () => 0, log: silentLog },
    })
    await settle()
    await announcer[Symbol.asyncDispose]()
  })
})

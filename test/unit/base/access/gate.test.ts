import { describe, expect, it } from "vitest"
import { AccessFilter } from "../../../../src/base/access/access-filter.ts"
import { Gate, type GateLimits, type GateLists } from "../../../../src/base/access/gate.ts"
import { FakeClock } from "../../../support/fake-clock.ts"

const ANN = "ann"
const BOB = "bob"

function openGate(limits: Partial<GateLimits> = {}, lists: Partial<GateLists> = {}) {
  const clock = new FakeClock()
  const gate = new Gate({
    limits: { connectionsMax: 100, connectionsPerPeerMax: 10, ...limits },
    lists: { allow: new Set(), deny: new Set(), ...lists },
    filter: new AccessFilter(),
    clock,
  })
  const enter = (peer: string) => gate.enter(peer)?.error.code ?? "in"
  return { gate, clock, enter }
}

describe("Gate", () => {
  it("A18: lets in only who is allowed, and nobody who is denied", () => {
    const { enter } = openGate({}, { allow: new Set([ANN, BOB]), deny: new Set([BOB]) })
    expect([ANN, BOB, "eve"].map(enter)).toEqual(["in", "ACCESS_DENIED", "ACCESS_DENIED"])
  })

  it("A18: counts who is inside, for each and of all", () => {
    const { gate, enter } = openGate({ connectionsMax: 4, connectionsPerPeerMax: 2 })
    expect([ANN, ANN, ANN].map(enter)).toEqual(["in", "in", "TOO_MANY_REQUESTS"])
    gate.leave(ANN)
    expect([ANN, BOB, BOB].map(enter)).toEqual(["in", "in", "BUSY"])
  })

  it("B6: keeps a quarter of the room for those who have been here before", async () => {
    const { gate, clock, enter } = openGate({ connectionsMax: 100 })
    enter(ANN)
    gate.leave(ANN)
    await clock.pass(60_000)
    const strangers = Array.from({ length: 5_000 }, (_, index) => enter(`stranger ${index}`))
    expect(strangers.filter((is) => is === "in")).toHaveLength(75)
    expect(enter(ANN)).toBe("in")
    expect(gate.count).toBe(76)
  })

  it("B6: lets in so many at a time of one destination that floods, and so many a minute", async () => {
    const { gate, clock, enter } = openGate({
      connections: { perPeer: { count: 30, seconds: 60 } },
    })
    const flood = () =>
      Array.from({ length: 5_000 }, () => {
        const is = enter(ANN)
        if (is === "in") gate.leave(ANN)
        return is
      }).filter((is) => is === "in").length
    expect(flood()).toBe(30)
    expect(gate.enter(ANN)?.waitMs).toBe(2_000)
    await clock.pass(10_000)
    expect(flood()).toBe(5)
  })

  it("A18: bans who posts too often, for the time set, and nobody else", async () => {
    const { gate, clock } = openGate({
      posts: { perPeer: { count: 3, seconds: 300 }, total: { count: 10, seconds: 300 } },
      postBanMs: 1_800_000,
    })
    const post = (peer: string) => gate.request(peer, true)?.error.code ?? "in"
    expect([ANN, ANN, ANN, ANN].map(post)).toEqual(["in", "in", "in", "TOO_MANY_REQUESTS"])
    expect(gate.request(ANN, false)?.waitMs).toBe(1_800_000)
    expect(gate.enter(ANN)?.error.code).toBe("TOO_MANY_REQUESTS")
    expect(post(BOB)).toBe("in")
    await clock.pass(1_800_000)
    expect(gate.request(ANN, false)).toBeUndefined()
  })

  it("B6: holds a flood of posts from many destinations by the bound for all", () => {
    const { gate } = openGate({ posts: { total: { count: 10, seconds: 300 } } })
    const posts = Array.from({ length: 50 }, (_, index) => gate.request(`peer ${index}`, true))
    expect(posts.filter((refusal) => refusal === undefined)).toHaveLength(10)
    expect(posts.at(-1)?.error.code).toBe("BUSY")
    expect(gate.request("reader", false)).toBeUndefined()
  })

  it("counts bytes afterwards, and says when they are used up and until when", async () => {
    const { gate, clock } = openGate({ bytes: { perPeer: { count: 1_000, seconds: 10 } } })
    expect(gate.moved(ANN, 900)).toBe(true)
    expect(gate.moved(ANN, 1_100)).toBe(false)
    expect(gate.request(ANN, false)?.waitMs).toBe(10_010)
    expect(gate.request(BOB, false)).toBeUndefined()
    await clock.pass(10_010)
    expect(gate.request(ANN, false)).toBeUndefined()
  })

  it("remembers a bounded number of peers", () => {
    const { gate } = openGate({ requests: { perPeer: { count: 1, seconds: 1 } } })
    for (let index = 0; index < 10_000; index++) gate.request(`peer ${index}`, false)
    expect(gate.request("peer 0", false)).toBeUndefined() // forgotten, and full again
    expect(gate.request("peer 9999", false)?.error.code).toBe("TOO_MANY_REQUESTS")
  })
})

import { createConnection } from "node:net"
import { describe, expect, it } from "vitest"
import { deriveDestinationKeys, encodeBase64, parseDestination } from "../../../src/sam/index.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"
import { openFaulty, openStage, staysSilent } from "./stage.ts"

const key = encodeBase64(deriveDestinationKeys(new Uint8Array(32).fill(5)).privateKeyFile)
const withKey = `STYLE=STREAM DESTINATION=${key}`
const OK = "STREAM STATUS RESULT=OK"

describe("zombie", () => {
  async function again(pauseMs: number, lifeMs: number) {
    const { stage, clock } = await openFaulty(["zombie"])
    const first = await stage.session(withKey)
    await first.control[Symbol.asyncDispose]()
    await settle()
    await clock.pass(pauseMs)
    const second = await stage.session(withKey)
    const peer = await stage.session()
    await clock.pass(lifeMs)
    return { stage, second, peer }
  }
  it("kills the same keys, used again too soon, after five seconds and silently", async () => {
    const { stage, second, peer } = await again(9999, 5000)
    await using _stage = stage
    const acceptor = await stage.accept(second)
    expect((await stage.connect(second, peer)).reply).toMatch(/^STREAM STATUS RESULT=INVALID_ID/)
    expect((await stage.connect(peer, second)).reply).toMatch(/CANT_REACH_PEER/)
    expect(await staysSilent(acceptor, peer.control)).toBe(true)
    expect(await second.control.ask("PING alive?")).toBe("PONG alive?")
  })
  it.each([
    { what: "in its first five seconds", pauseMs: 0, lifeMs: 4999 },
    { what: "after a pause of ten seconds", pauseMs: 10_000, lifeMs: 60_000 },
  ])("lets it live $what", async ({ pauseMs, lifeMs }) => {
    const { stage, second, peer } = await again(pauseMs, lifeMs)
    await using _stage = stage
    await stage.accept(second)
    expect((await stage.connect(peer, second)).reply).toBe(OK)
  })
})

describe("stolenDestination", () => {
  it("gives the destination to the second, and closing either kills both", async () => {
    for (const closed of [0, 1] as const) {
      const { stage } = await openFaulty(["stolenDestination"])
      await using _stage = stage
      const both = [await stage.session(withKey), await stage.session(withKey)] as const
      const peer = await stage.session()
      const [first, second] = [await stage.accept(both[0]), await stage.accept(both[1])]
      await stage.connect(peer, both[0])
      expect((await second.line()).split(" ")[0]).toBe(peer.destination)
      expect(await staysSilent(first, peer.control)).toBe(true)
      await both[closed].control[Symbol.asyncDispose]()
      await settle()
      const left = both[1 - closed] as (typeof both)[0]
      expect((await stage.connect(peer, left)).reply).toMatch(/CANT_REACH_PEER/)
      expect((await stage.connect(left, peer)).reply).toMatch(
        closed === 1 ? /RESULT/ : /INVALID_ID/,
      )
    }
  })
})

describe("duplicateDestSilent", () => {
  it("answers OK to the second, who never hears anything; the first lives on", async () => {
    const { stage } = await openFaulty(["duplicateDestSilent"])
    await using _stage = stage
    const [first, second] = [await stage.session(withKey), await stage.session(withKey)]
    const peer = await stage.session()
    const [heard, mute] = [await stage.accept(first), await stage.accept(second)]
    await stage.connect(peer, first)
    await heard.line()
    await second.control[Symbol.asyncDispose]()
    await settle()
    await mute.closed()
    expect((await stage.connect(peer, first)).reply).toBe(OK)
  })
})

describe("staleLeaseSet", () => {
  it("sends who knew the old session into silence, until the restarted side dials", async () => {
    const { stage } = await openFaulty(["staleLeaseSet"])
    await using _stage = stage
    const [knows, fresh] = [await stage.session(), await stage.session()]
    const before = await stage.session(withKey)
    await stage.accept(before)
    await stage.connect(knows, before)
    await before.control[Symbol.asyncDispose]()
    await settle()
    const after = await stage.session(withKey)
    const [first, second] = [await stage.accept(after), await stage.accept(after)]
    const stale = await stage.connect(knows, after)
    expect(stale.reply).toBe(OK)
    expect(await staysSilent(first, knows.control)).toBe(true)
    expect((await stage.connect(fresh, after)).reply).toBe(OK)
    expect(await first.line()).toContain(fresh.destination)
    await stage.accept(knows)
    expect((await stage.connect(after, knows)).reply).toBe(OK)
    expect((await stage.connect(knows, after)).reply).toBe(OK)
    expect(await second.line()).toContain(knows.destination)
  })
})

describe("BridgeFaults", () => {
  it("cutStreams() cuts all streams, or those of one destination", async () => {
    await using stage = await openStage()
    const [one, two] = [await stage.stream(), await stage.stream()]
    expect(stage.bridge.faults.cutStreams(parseDestination(one.caller.destination).b32)).toBe(1)
    await Promise.all([one.near.closed(), one.far.closed()])
    two.near.tell("still here")
    expect(await two.far.line()).toBe("still here")
    expect(stage.bridge.faults.cutStreams()).toBe(1)
    await two.near.closed()
    expect(stage.bridge.stats.streamsCut).toBe(2)
  })
  it("dropStreams() cuts by chance", async () => {
    await using stage = await openStage()
    for (let count = 0; count < 12; count++) await stage.stream()
    expect(stage.bridge.faults.dropStreams(0)).toBe(0)
    const dropped = stage.bridge.faults.dropStreams(0.5)
    expect(dropped).toBeGreaterThan(0)
    expect(stage.bridge.faults.dropStreams(1)).toBe(12 - dropped)
  })
  it("killSession() closes the control socket", async () => {
    await using stage = await openStage()
    const party = await stage.session()
    expect(stage.bridge.faults.killSession(parseDestination(party.destination).b32)).toBe(1)
    await party.control.closed()
    expect(stage.bridge.faults.killSession("nobody.b32.i2p")).toBe(0)
  })
  it("restart() closes everything, refuses while it is down, and is back on the same port", async () => {
    const clock = new FakeClock()
    await using stage = await openStage({ clock })
    const { near, far, caller } = await stage.stream()
    const back = stage.bridge.faults.restart({ downMs: 5000 })
    await Promise.all([near.closed(), far.closed(), caller.control.closed()])
    await settle()
    const refused = createConnection(stage.bridge.address.port, "127.0.0.1")
    await expect(new Promise((_, reject) => refused.once("error", reject))).rejects.toMatchObject({
      code: "ECONNREFUSED",
    })
    await clock.pass(5000)
    await back
    const again = await stage.session(`STYLE=STREAM DESTINATION=${caller.key}`)
    expect(again.destination).toBe(caller.destination)
  })
})

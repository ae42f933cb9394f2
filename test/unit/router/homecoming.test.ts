import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { AlliumError } from "../../../src/base/errors.ts"
import { silentLog } from "../../../src/base/log.ts"
import type { Identity } from "../../../src/identity/identity.ts"
import { addressOfHash, hashOfAddress, homecomingKeys } from "../../../src/router/homecoming.ts"
import { visitTheLost } from "../../../src/router/homecoming-visits.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import vectors from "../../vectors/identity/identities.json" with { type: "json" }
import { openHome } from "../identity/home.ts"

const [, bob] = vectors.identities
const HOME = "homecoming.b32.i2p"

describe("homecomingKeys()", () => {
  it("gives each identity of the words an address of its own, beside the one all know", async () => {
    const { book } = await openHome()
    await book.restore(vectors.phrase, ["one", "two"])
    const all = book
      .list()
      .flatMap((identity) => [identity.destination.b32, homecomingKeys(identity).destination.b32])
    expect(new Set(all).size).toBe(4)
    const [, home] = all
    expect(addressOfHash(hashOfAddress(home!))).toBe(home)
    expect(() => hashOfAddress("example.i2p")).toThrow(RangeError)
  })
})

describe("visitTheLost()", () => {
  let clock: FakeClock
  let ending: AbortController
  let me: Identity
  let standing: string[]
  let visits: { address: string; atMs: number }[]
  let isThere: boolean
  let upSinceMs: number

  beforeEach(async () => {
    const { book } = await openHome()
    me = await book.create("me")
    await book.contacts(me).receiveRequest({ key: bob!.key, address: bob!.b32, name: "bob" })
    await book.contacts(me).accept("bob")
    clock = new FakeClock()
    ending = new AbortController()
    visits = []
    isThere = false
    standing = [bob!.key]
    upSinceMs = clock.monotonicMs()
    visitTheLost({
      identities: book,
      links: {
        reachable: () => standing,
        onReachable: () => () => {},
        visit: async (_, { address }) => {
          visits.push({ address, atMs: clock.monotonicMs() })
          if (!isThere) throw new AlliumError("PEER_UNREACHABLE", "Nobody is there")
        },
      },
      homecomingOf: async () => HOME,
      upForMs: () => clock.monotonicMs() - upSinceMs,
      clock,
      chance: () => 0.5,
      log: silentLog,
      signal: ending.signal,
    })
    await clock.pass(20_000)
  })
  afterEach(() => ending.abort())
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 1_000) await clock.pass(1_000)
  }

  it("looks for a contact who was lost, every ten seconds", async () => {
    expect(visits).toEqual([])
    standing = []
    await pass(60_000)
    expect(visits.length).toBeGreaterThanOrEqual(4)
    expect(visits[0]!.address).toBe(HOME)
  })

  it("lets them be for a minute once somebody was met", async () => {
    isThere = true
    standing = []
    await pass(75_000)
    expect(visits).toHaveLength(1)
  })

  it("ends when they are back, and after a quarter of an hour", async () => {
    standing = []
    await pass(30_000)
    standing = [bob!.key]
    await pass(15_000)
    const { length } = visits
    await pass(60_000)
    expect(visits).toHaveLength(length)
    standing = []
    await pass(16 * 60_000)
    const last = visits.at(-1)!
    await pass(60_000)
    expect(visits.at(-1)).toBe(last)
  })

  it("looks for nobody when the session is new: then no old way is known", async () => {
    standing = []
    upSinceMs = clock.monotonicMs() + 10_000
    await pass(60_000)
    expect(visits).toEqual([])
  })
})

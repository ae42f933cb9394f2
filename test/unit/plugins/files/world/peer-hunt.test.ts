import { PassThrough } from "node:stream"
import { describe, expect, it } from "vitest"
import type { PeerEnd } from "../../../../../plugins/files/swarm/index.ts"
import { openPeerHunt } from "../../../../../plugins/files/world/peer-hunt.ts"
import { encodeBase32 } from "../../../../../src/base/base32.ts"
import { AlliumError } from "../../../../../src/base/errors.ts"
import { silentLog } from "../../../../../src/base/log.ts"
import { Slots } from "../../../../../src/base/turns.ts"
import { FakeClock, settle } from "../../../../support/fake-clock.ts"

const hash = (number: number) => new Uint8Array(32).fill(number)
const nameOf = (number: number) => `${encodeBase32(hash(number))}.b32.i2p`
const addresses = (...numbers: number[]) => numbers.map((number) => ({ hash: hash(number) }))

/** A hunt, whom it dialled, and how the streams it got are ended. */
function open(
  options: { reach?: (name: string) => boolean; wanted?: number; isSlow?: boolean } = {},
) {
  const clock = new FakeClock()
  const dialled: string[] = []
  const ends: ((end: PeerEnd) => void)[] = []
  const state = { wanted: options.wanted ?? 24 }
  const hunt = openPeerHunt({
    own: nameOf(0),
    async connect(name) {
      dialled.push(name)
      if (options.reach?.(name) === false)
        throw new AlliumError("PEER_UNREACHABLE", "Nobody is there")
      if (options.isSlow) await new Promise(() => {})
      return new PassThrough()
    },
    join: () => new Promise((resolve) => void ends.push(resolve)),
    admits: () => true,
    wanted: () => state.wanted,
    slots: new Slots(24),
    ...{ clock, chance: () => 0, log: silentLog },
  })
  return { hunt, clock, dialled, ends, state }
}

describe("openPeerHunt()", () => {
  it("dials whom it was told of, each once, and not itself", async () => {
    const { hunt, dialled } = open()
    hunt.found(addresses(0, 1, 2))
    hunt.found(addresses(1))
    await settle()
    expect(dialled.sort()).toEqual([nameOf(1), nameOf(2)].sort())
    await hunt[Symbol.asyncDispose]()
  })

  it.each([
    { wanted: 24, dials: 8 },
    { wanted: 3, dials: 3 },
    { wanted: 0, dials: 0 },
  ])("has $dials dials under way when $wanted are wanted", async ({ wanted, dials }) => {
    const { hunt, dialled } = open({ wanted, isSlow: true })
    hunt.found(addresses(...Array.from({ length: 20 }, (_, index) => index + 1)))
    await settle()
    expect(dialled).toHaveLength(dials)
    void hunt[Symbol.asyncDispose]()
  })

  it("dials who does not answer more and more rarely, and forgets him after six times", async () => {
    const { hunt, clock, dialled } = open({ reach: (name) => name !== nameOf(1) })
    hunt.found(addresses(1, 2))
    await settle()
    const waits: number[] = []
    while (hunt.report().known > 1) {
      waits.push(clock.sleeping()[0]! / 60_000)
      await clock.pass(clock.sleeping()[0]!)
    }
    expect(waits).toEqual([1, 2, 4, 8, 16])
    expect(dialled.filter((name) => name === nameOf(1))).toHaveLength(6)
    await hunt[Symbol.asyncDispose]()
  })

  it("goes on dialling the only one it knows, as often as that one may allow", async () => {
    const { hunt, clock } = open({ reach: () => false })
    hunt.found(addresses(1))
    await settle()
    const waits: number[] = []
    for (let dial = 0; dial < 8; dial++) {
      waits.push(clock.sleeping()[0]! / 60_000)
      await clock.pass(clock.sleeping()[0]!)
    }
    expect(waits).toEqual([1, 2, 4, 4, 4, 4, 4, 4])
    expect(hunt.report().known).toBe(1)
    await hunt[Symbol.asyncDispose]()
  })

  it("waits at least half a minute before it dials the same peer again", async () => {
    const { hunt, clock, dialled, ends } = open()
    hunt.found(addresses(1))
    await settle()
    ends.shift()!("ended")
    await settle()
    expect(dialled).toHaveLength(1)
    await clock.pass(60_000)
    expect(dialled).toHaveLength(2)
    await hunt[Symbol.asyncDispose]()
  })

  it("leaves who has everything, as we have, alone for half an hour", async () => {
    const { hunt, clock, dialled, ends } = open()
    hunt.found(addresses(1))
    await settle()
    ends.shift()!("done")
    await clock.pass(29 * 60_000)
    expect(dialled).toHaveLength(1)
    await clock.pass(2 * 60_000)
    expect(dialled).toHaveLength(2)
    await hunt[Symbol.asyncDispose]()
  })
})

import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { Blame } from "../../../../../plugins/files/torrent/blame.ts"
import { type ChokePeer, Choker } from "../../../../../plugins/files/torrent/choker.ts"
import { BLOCK_BYTES } from "../../../../../plugins/files/torrent/geometry.ts"
import { Nuisance } from "../../../../../plugins/files/torrent/nuisance.ts"
import {
  RequestDepth,
  type RequestStamp,
} from "../../../../../plugins/files/torrent/request-depth.ts"

interface Way {
  /** Round trip of an empty way. */
  readonly tripMs: number
  readonly bytesPerSecond: number
  /** What the stream carries at once; more waits at the sender. */
  readonly windowBytes?: number
  readonly bears?: number
}

/** Asks over a way for `seconds`; says the rate of the last half, and the most blocks that were out there. */
function run(
  way: Way,
  seconds: number,
): { bytesPerSecond: number; out: number; depth: RequestDepth } {
  const depth = new RequestDepth()
  const blockMs = (BLOCK_BYTES / way.bytesPerSecond) * 1_000
  const out: { stamp: RequestStamp; comesAt: number }[] = []
  let [now, freeAt, late, most] = [0, 0, 0, 0]
  for (; now < seconds * 1_000; now += 1) {
    for (; out[0] !== undefined && out[0].comesAt <= now; out.shift()) {
      depth.arrived(out[0].stamp, BLOCK_BYTES, now)
      if (now > seconds * 500) late += BLOCK_BYTES
    }
    while (out.length < Math.min(way.bears ?? 2_000, depth.target(now))) {
      // Behind the window a block leaves only when an earlier one has been acknowledged.
      const inWindow = Math.floor((way.windowBytes ?? Number.POSITIVE_INFINITY) / BLOCK_BYTES)
      const before = out[out.length - inWindow]?.comesAt ?? 0
      freeAt = Math.max(freeAt, now + way.tripMs / 2, before + way.tripMs / 2) + blockMs
      out.push({ stamp: depth.sent(now), comesAt: freeAt + way.tripMs / 2 })
    }
    if (now > seconds * 500) most = Math.max(most, out.length)
  }
  return { bytesPerSecond: (late * 2) / seconds, out: most, depth }
}

describe("RequestDepth", () => {
  it.each([
    { tripMs: 20, bytesPerSecond: 5e6 },
    { tripMs: 300, bytesPerSecond: 500e3 },
    { tripMs: 300, bytesPerSecond: 3e6 },
    { tripMs: 1_000, bytesPerSecond: 1e6 },
    { tripMs: 2_000, bytesPerSecond: 400e3 },
    { tripMs: 4_000, bytesPerSecond: 100e3 },
    { tripMs: 1_000, bytesPerSecond: 25e3 },
  ])("fills a way of $tripMs ms and $bytesPerSecond B/s to 0.9 and more", (way) => {
    expect(run(way, 120).bytesPerSecond / way.bytesPerSecond).toBeGreaterThan(0.9)
  })

  it("fills what one i2pd stream carries", () => {
    const way = { tripMs: 300, bytesPerSecond: 10e6, windowBytes: 128 * 1_730 }
    const ceiling = (Math.floor(way.windowBytes / BLOCK_BYTES) * BLOCK_BYTES) / 0.3
    expect(run(way, 60).bytesPerSecond / ceiling).toBeGreaterThan(0.9)
  })

  it("keeps the queue of a slow peer short for as long as it lasts", () => {
    const { out, depth } = run({ tripMs: 1_000, bytesPerSecond: 25e3 }, 600)
    // 25 kB/s hold 1.5 blocks in a second.
    expect(out).toBeLessThanOrEqual(8)
    expect(depth.tripMs).toBeLessThan(4_000)
  })

  it("never passes what the peer bears, nor 384", () => {
    expect(run({ tripMs: 300, bytesPerSecond: 100e6, bears: 8 }, 10).out).toBe(8)
    expect(run({ tripMs: 300, bytesPerSecond: 100e6 }, 10).out).toBe(384)
  })

  it("asks for 8 at first, and for more within a few round trips", () => {
    expect(new RequestDepth().target(0)).toBe(8)
    expect(run({ tripMs: 500, bytesPerSecond: 5e6 }, 4).out).toBeGreaterThan(64)
  })
})

describe("Blame", () => {
  const digests = (...blocks: string[]) =>
    new Uint8Array(Buffer.concat(blocks.map((text) => createHash("sha1").update(text).digest())))

  it("falls at once on whoever sent a wrong piece alone", () => {
    expect(new Blame().wrong(1, ["a", "a"])).toEqual(["a"])
  })

  it("waits for the right piece when several sent it, and then falls on the liar alone", () => {
    const blame = new Blame()
    expect(blame.wrong(1, ["a", "b", "c"], digests("x", "LIE", "z"))).toEqual([])
    expect([blame.isOpen(1), blame.isOpen(2), [...blame.suspects(1)]]).toEqual([
      true,
      false,
      ["a", "b", "c"],
    ])
    expect(blame.right(1, digests("x", "y", "z"))).toEqual(["b"])
    expect([blame.isOpen(1), blame.right(1, digests("x", "y", "z"))]).toEqual([false, []])
  })

  it("falls on nobody for blocks from before a restart", () => {
    const blame = new Blame()
    expect(blame.wrong(1, [undefined, undefined])).toEqual([])
    expect(blame.wrong(1, [undefined, "a"], digests("LIE", "y"))).toEqual([])
    expect(blame.right(1, digests("x", "y"))).toEqual([])
  })

  it("remembers 64 wrong pieces", () => {
    const blame = new Blame()
    for (let piece = 0; piece < 100; piece++) expect(blame.wrong(piece, ["a", "b"])).toEqual([])
    expect([blame.isOpen(35), blame.isOpen(36)]).toEqual([false, true])
  })
})

describe("Choker", () => {
  const peers = (
    count: number,
    of: (index: number) => Partial<ChokePeer> = () => ({}),
  ): ChokePeer[] =>
    Array.from({ length: count }, (_, index) => ({
      id: `${index}`,
      isInterested: true,
      gave: 0,
      got: 0,
      ...of(index),
    }))

  it("serves those who gave most, and one by chance", () => {
    const choker = new Choker({ chance: () => 0 })
    const served = choker.round(
      peers(20, (index) => ({ gave: index })),
      false,
    )
    expect([...served].sort()).toEqual(["0", "15", "16", "17", "18", "19"])
  })

  it("keeps the one by chance for three rounds", () => {
    const chances = [0, 0.99, 0.99, 0.99]
    const choker = new Choker({ chance: () => chances.shift() ?? 0 })
    const rounds = [1, 2, 3, 4].map(() =>
      choker.round(
        peers(10, (index) => ({ gave: index > 4 ? 1 : 0 })),
        false,
      ),
    )
    expect(rounds.map((served) => served.has("0"))).toEqual([true, true, true, false])
    expect(rounds[3]?.has("4")).toBe(true)
  })

  it("serves nobody who is not interested, and everybody when there are few", () => {
    const choker = new Choker({ chance: () => 0 })
    const few = peers(5, (index) => ({ isInterested: index !== 2 }))
    expect([...choker.round(few, false)].sort()).toEqual(["0", "1", "3", "4"])
    expect([...choker.round(few, true)].sort()).toEqual(["0", "1", "3", "4"])
  })

  it("gives places away between rounds, and takes none", () => {
    const choker = new Choker({ chance: () => 0, slots: 2 })
    const all = peers(4, (index) => ({ gave: index }))
    expect([...choker.refill(all, false)]).toEqual(["3", "2"])
    expect([
      ...choker.refill(
        peers(4, (index) => ({ gave: 9 - index })),
        false,
      ),
    ]).toEqual(["2", "3"])
    const without3 = peers(4, (index) => ({ gave: index, isInterested: index !== 3 }))
    expect([...choker.refill(without3, false)]).toEqual(["2", "1"])
  })

  it("gives everybody the same in the end when we want nothing", () => {
    const choker = new Choker({ chance: Math.random })
    const got = Array(20).fill(0)
    for (let round = 0; round < 200; round++) {
      const served = choker.round(
        peers(20, (index) => ({ got: got[index] })),
        true,
      )
      expect(served.size).toBe(6)
      // Some take more in a round than others.
      for (const id of served) got[Number(id)] += 1 + (Number(id) % 3)
    }
    expect(Math.max(...got) / Math.min(...got)).toBeLessThan(1.5)
  })
})

describe("Nuisance", () => {
  it("lets pass what a fast swarm sends", () => {
    const nuisance = new Nuisance(0)
    for (let now = 0; now < 100_000; now += 5) nuisance.hear("have", now)
    for (let count = 0; count < 50_000; count++) {
      nuisance.hear("request", 100_000)
      nuisance.hear("piece", 100_000)
    }
  })

  it.each(["have", "keep-alive", "interested", "extended", "unknown", "cancel"] as const)(
    "ends a flood of %s",
    (kind) => {
      const nuisance = new Nuisance(0)
      let heard = 0
      expect(() => {
        for (; heard < 100_000; heard++) nuisance.hear(kind, heard / 10)
      }).toThrow(expect.objectContaining({ code: "PEER_PROTOCOL" }))
      expect(heard).toBeLessThan(5_000)
    },
  )

  it("ends a flood of requests that are rejected", () => {
    const nuisance = new Nuisance(0)
    for (let count = 0; count < 4_096; count++) nuisance.add(0)
    expect(() => nuisance.add(0)).toThrow(expect.objectContaining({ code: "PEER_PROTOCOL" }))
    expect(() => nuisance.add(60_000)).not.toThrow()
  })
})

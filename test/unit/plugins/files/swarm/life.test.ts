import { describe, expect, it } from "vitest"
import { Gate, rateAt, Throttle } from "../../../../../plugins/files/swarm/throttle.ts"
import { BLOCK_BYTES } from "../../../../../plugins/files/torrent/geometry.ts"
import { decodePeerExchange } from "../../../../../plugins/files/torrent/peer-exchange.ts"
import { FakeClock, settle } from "../../../../support/fake-clock.ts"
import {
  connect,
  MemoryPieces,
  makeTorrent,
  openPerson,
  type Person,
  type PersonOptions,
} from "../../../../support/swarm-people.ts"
import { openRaw, settled } from "./raw-peer.ts"

const torrent = makeTorrent(1_000_000)
const { pieceBytes } = torrent.metainfo.geometry

async function two(options: PersonOptions = {}, seederOptions: PersonOptions = {}) {
  const clock = new FakeClock()
  const seeder = openPerson(torrent, { clock, isSeeder: true, ...seederOptions })
  const leech = openPerson(torrent, { clock, ...options })
  await settle()
  const pass = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      await clock.pass(1_000)
      await settled()
    }
  }
  const close = async () => {
    await leech[Symbol.asyncDispose]()
    await seeder[Symbol.asyncDispose]()
  }
  return { clock, seeder, leech, pass, close }
}

function isWhole({ store }: Person): boolean {
  return Buffer.from(store.bytes).equals(torrent.bytes)
}

describe("the first write towards a node of our own", () => {
  it("says everything: handshake, extensions, pieces, unchoke, interested", async () => {
    const { leech, close } = await two()
    const raw = await openRaw(leech, { isOwn: true, outgoing: true, isSilent: true })
    await settled()
    const kinds = raw.words.map(({ kind }) => kind)
    expect(kinds).toEqual(["handshake", "extended", "have none", "unchoke", "interested"])
    await close()
  })

  it("is the handshake alone towards others", async () => {
    const { leech, close } = await two()
    const raw = await openRaw(leech, { outgoing: true, isSilent: true })
    await settled()
    expect(raw.words.map(({ kind }) => kind)).toEqual(["handshake"])
    await close()
  })
})

describe("requests", () => {
  it.each([
    { isOwn: false, requests: 8 },
    { isOwn: true, requests: 61 },
  ])("are $requests at once before anything is known ($isOwn)", async ({ isOwn, requests }) => {
    const { leech, close } = await two()
    const raw = await openRaw(leech, { isOwn, outgoing: true })
    await raw.send({ kind: "have all" }, { kind: "unchoke" })
    // A million bytes have 62 blocks, the last one shorter.
    expect(Math.abs(raw.of("request").length - requests)).toBeLessThanOrEqual(1)
    expect(raw.of("request").every(({ length }) => length <= BLOCK_BYTES)).toBe(true)
    await close()
  })
})

describe("pause()", () => {
  it("ends all streams, saves, lets nobody in, and resume() goes on where it was", async () => {
    const { leech, seeder, pass, close } = await two()
    const { nearEnd } = connect(leech, seeder)
    await leech.swarm.pause()
    expect(await nearEnd).toBe("paused")
    expect(leech.swarm.state()).toMatchObject({ stage: "paused", peers: [] })
    expect(leech.swarm.admits("anybody")).toBe(false)
    leech.swarm.resume()
    connect(leech, seeder)
    await pass(3)
    expect(isWhole(leech)).toBe(true)
    await close()
  })
})

describe("a full disk", () => {
  it("stops it, it says so, and goes on by itself when there is room", async () => {
    const { leech, seeder, pass, close } = await two()
    leech.store.isFull = true
    connect(leech, seeder)
    await pass(40)
    expect(leech.swarm.state()).toMatchObject({ stage: "stopped", code: "DISK_FULL" })
    expect(leech.events).toContainEqual({ kind: "stopped", code: "DISK_FULL" })
    leech.store.isFull = false
    await pass(35)
    expect(leech.swarm.state()).toMatchObject({ stage: "seeding" })
    expect(isWhole(leech)).toBe(true)
    await close()
  })
})

describe("a program that is killed", () => {
  it("asks for at most a piece again, wherever it was", async () => {
    let store = new MemoryPieces(torrent.metainfo)
    let progress: PersonOptions["progress"]
    let asked = 0
    for (let life = 0; life < 10; life++) {
      const clock = new FakeClock()
      const leech = openPerson(torrent, { clock, store, ...(progress && { progress }) })
      await settle()
      const raw = await openRaw(leech, { isOwn: true, outgoing: true })
      await raw.send({ kind: "have all" }, { kind: "unchoke" })
      // One tenth of it comes, block by block.
      for (const block of raw.of("request").slice(0, 7)) {
        const at = block.piece * pieceBytes + block.begin
        const bytes = torrent.bytes.subarray(at, at + block.length)
        asked += block.length
        await raw.send({ kind: "piece", piece: block.piece, begin: block.begin, bytes })
      }
      // The plug is pulled: what was saved so far is all there is.
      progress = leech.saves.at(-1)?.progress
      const copy = new MemoryPieces(torrent.metainfo, store.bytes)
      await leech[Symbol.asyncDispose]()
      store = copy
    }
    const seeder = openPerson(torrent, { isSeeder: true })
    const last = openPerson(torrent, { store, ...(progress && { progress }) })
    await settle()
    connect(last, seeder)
    await last.heard("finished")
    expect(isWhole(last)).toBe(true)
    const again = asked + last.swarm.state().downBytes - torrent.bytes.length
    expect(again).toBeLessThanOrEqual(10 * pieceBytes)
    await last[Symbol.asyncDispose]()
    await seeder[Symbol.asyncDispose]()
  })
})

describe("what is wanted", () => {
  const files = makeTorrent([300_000, 300_000, 300_000])

  it("comes, and files that are skipped do not", async () => {
    const clock = new FakeClock()
    await using seeder = openPerson(files, { clock, isSeeder: true })
    await using leech = openPerson(files, { clock })
    await settle()
    leech.swarm.setPriority(0, "skip")
    leech.swarm.setPriority(1, "skip")
    connect(leech, seeder)
    await clock.pass(3_000)
    await settled()
    const start = 600_000
    expect(Buffer.from(leech.store.bytes.subarray(start)).equals(files.bytes.subarray(start))).toBe(
      true,
    )
    expect(leech.store.bytes.subarray(0, 500_000).every((byte) => byte === 0)).toBe(true)
    const state = leech.swarm.state()
    expect(state).toMatchObject({ stage: "seeding", bytesHere: state.bytesWanted })
    leech.swarm.setPriority(0, "high")
    leech.swarm.setPriority(1, "low")
    await clock.pass(3_000)
    await settled()
    expect(leech.swarm.state().bytesHere).toBe(900_000)
    expect(leech.events.filter(({ kind }) => kind === "finished")).toHaveLength(2)
    expect(() => leech.swarm.setPriority(3, "low")).toThrow(RangeError)
  })

  it("is what somebody looks at first of all, in order", async () => {
    const { leech, close } = await two()
    leech.swarm.setWindow(5 * pieceBytes, 7 * pieceBytes)
    const raw = await openRaw(leech)
    await raw.send({ kind: "have all" }, { kind: "unchoke" })
    expect(raw.of("request").map(({ piece }) => piece)).toEqual([5, 5, 5, 5, 6, 6, 6, 6])
    await close()
  })
})

describe("a seeding goal", () => {
  it.each([[{ ratio: 1 }], [{ downloads: 1 }], [{ seconds: 5 }]])(
    "is told once when it is reached: %j",
    async (goal) => {
      const { leech, seeder, pass, close } = await two({}, { goal })
      connect(leech, seeder)
      await pass(15)
      expect(seeder.events.filter(({ kind }) => kind === "goal")).toHaveLength(1)
      await close()
    },
  )

  /** Somebody who gets a block again and again, and the seeder's goal in the end. */
  async function inTheMiddle(blocks: number) {
    const { seeder, pass, close } = await two({}, { goal: { ratio: 0.1 } })
    const raw = await openRaw(seeder)
    await raw.send({ kind: "have none" }, { kind: "interested" })
    await pass(11)
    const request = { kind: "request", piece: 0, begin: 0, length: BLOCK_BYTES } as const
    for (let block = 0; block < blocks; block++) await raw.send(request)
    expect(raw.of("piece")).toHaveLength(blocks)
    await pass(5)
    const isTold = () => seeder.events.some(({ kind }) => kind === "goal")
    return { raw, pass, close, isTold }
  }

  it("of a ratio leaves nobody in the middle, until they were silent for ten minutes", async () => {
    const { raw, pass, close, isTold } = await inTheMiddle(10)
    expect(isTold()).toBe(false)
    raw.stream.destroy()
    await pass(300)
    expect(isTold()).toBe(false)
    await pass(300)
    expect(isTold()).toBe(true)
    await close()
  })

  it("of a ratio gives who is in the middle one more copy at most", async () => {
    const { close, isTold } = await inTheMiddle(70)
    expect(isTold()).toBe(true)
    await close()
  })

  it("of two downloads is not reached by one", async () => {
    const { leech, seeder, pass, close } = await two({}, { goal: { downloads: 2 } })
    connect(leech, seeder)
    await pass(15)
    expect(seeder.swarm.state().downloads).toBe(1)
    expect(seeder.events.some(({ kind }) => kind === "goal")).toBe(false)
    await close()
  })
})

describe("streams of one peer", () => {
  it("are several when lanes are allowed, and all of them carry", async () => {
    const large = makeTorrent(6_000_000)
    const clock = new FakeClock()
    const seeder = openPerson(large, { clock, isSeeder: true, lanes: 4 })
    const leech = openPerson(large, { clock, lanes: 4 })
    await settle()
    for (let lane = 0; lane < 4; lane++) connect(leech, seeder, { a: "a", b: "b", isOwn: true })
    await settled()
    expect(leech.swarm.state().peers).toHaveLength(4)
    await clock.pass(1_000)
    const carried = leech.swarm.state().peers.filter(({ downBytes }) => downBytes > 0)
    expect(carried.length).toBeGreaterThan(1)
    for (let second = 0; second < 15; second++) {
      await clock.pass(1_000)
      await settled()
    }
    expect(Buffer.from(leech.store.bytes).equals(large.bytes)).toBe(true)
    // Both have everything, and said so.
    expect(leech.swarm.state().peers).toEqual([])
    await leech[Symbol.asyncDispose]()
    await seeder[Symbol.asyncDispose]()
  })

  it("that were dialled by both sides at once become one, the same on both", async () => {
    const { leech, seeder, pass, close } = await two()
    connect(leech, seeder)
    connect(seeder, leech, { a: "b", b: "a" })
    await settled()
    expect([leech, seeder].map(({ swarm }) => swarm.state().peers.length)).toEqual([1, 1])
    await pass(2)
    expect(isWhole(leech)).toBe(true)
    await close()
  })

  it("that come again replace those that died", async () => {
    const { leech, pass, close } = await two()
    const dead = await openRaw(leech)
    await pass(100)
    const fresh = await openRaw(leech)
    await settled()
    expect([dead.why(), fresh.why()]).toEqual(["replaced", undefined])
    await close()
  })
})

describe("silence", () => {
  it("of ours is broken every 100 s, of theirs ends the stream after 240 s", async () => {
    const { seeder, pass, close } = await two()
    const raw = await openRaw(seeder)
    await pass(210)
    expect(raw.of("keep-alive")).toHaveLength(2)
    expect(raw.why()).toBeUndefined()
    await pass(35)
    expect(raw.why()).toBe("silent")
    await close()
  })
})

describe("peer exchange", () => {
  const hash = (byte: number) => new Uint8Array(32).fill(byte)

  it("names who left with everything, for half an hour, and nobody else who left", async () => {
    const { seeder, pass, close } = await two()
    const whole = await openRaw(seeder, { name: "whole", hash: hash(1) })
    await whole.send({ kind: "have all" })
    const half = await openRaw(seeder, { name: "half", hash: hash(2) })
    await half.send({ kind: "have none" })
    await pass(12)
    expect([whole.why(), half.why()]).toEqual(["done", undefined])
    half.stream.destroy()
    const toldTo = async (name: string, byte: number) => {
      const raw = await openRaw(seeder, { name, hash: hash(byte) })
      await raw.send({ kind: "have none" }, { kind: "interested" })
      await pass(61)
      raw.stream.destroy()
      const told = raw.of("extended").filter(({ id }) => id === 4)
      return told.flatMap(({ payload }) => decodePeerExchange(payload).added.map(([byte]) => byte))
    }
    expect(await toldTo("early", 3)).toEqual([1])
    await pass(1_800)
    expect(await toldTo("late", 4)).toEqual([])
    await close()
  })

  it("names at most 50 others, at most every two minutes, and is heard at most every 30 s", async () => {
    const { seeder, pass, close } = await two({}, { peersMax: 100 })
    const raw = await openRaw(seeder, { name: "raw 0", hash: hash(200) })
    for (let peer = 1; peer <= 60; peer++)
      await openRaw(seeder, { name: `raw ${peer}`, hash: hash(peer) })
    await pass(60)
    const told = () => raw.of("extended").filter(({ id }) => id === 4)
    expect(told()).toHaveLength(1)
    expect(decodePeerExchange(told()[0]!.payload).added).toHaveLength(50)
    const payload = Buffer.concat([
      Buffer.from("d5:added32:"),
      hash(9),
      Buffer.from("7:dropped0:e"),
    ])
    await raw.send(...Array(3).fill({ kind: "extended", id: 2, payload }))
    expect(seeder.events.filter(({ kind }) => kind === "peers")).toEqual([
      { kind: "peers", hashes: [hash(9)] },
    ])
    await close()
  })

  it("is not spoken for a private torrent, nor is its metadata given", async () => {
    const secret = makeTorrent(100_000, { isPrivate: true })
    await using seeder = openPerson(secret, { isSeeder: true })
    await settle()
    const raw = await openRaw(seeder)
    await raw.send({ kind: "extended", id: 1, payload: Buffer.from("d8:msg_typei0e5:piecei0ee") })
    const said = raw.of("extended").map(({ payload }) => Buffer.from(payload).toString())
    expect(said).toHaveLength(1)
    expect(said[0]).not.toMatch(/ut_metadata|i2p_pex|metadata_size/)
  })
})

describe("rates", () => {
  it("change with the time of day, over midnight, on the days of the week the span begins on", () => {
    const rate = {
      bytesPerSecond: 100,
      spans: [
        { from: 22 * 60, to: 6 * 60, days: [5, 6], bytesPerSecond: 0 },
        { from: 8 * 60, to: 18 * 60 },
      ],
    }
    const at = (day: number, hour: number) => rateAt(rate, new Date(2026, 10, 1 + day, hour))
    expect(new Date(2026, 10, 1).getDay()).toBe(0)
    expect(at(5, 23)).toBe(0) // Friday night
    expect(at(6, 3)).toBe(0) // and on
    expect(at(7, 3)).toBe(0) // Saturday's
    expect(at(8, 3)).toBe(100) // Sunday began none
    expect(at(4, 23)).toBe(100)
    expect(at(3, 12)).toBe(Number.POSITIVE_INFINITY)
  })

  it("hold for several together, and let nobody starve", async () => {
    const clock = new FakeClock()
    const all = new Throttle(clock, { bytesPerSecond: 100_000 })
    const gates = [1, 2, 3].map(() => new Gate([all, new Throttle(clock)]))
    const went = [0, 0, 0]
    const go = (index: number): void => {
      const gate = gates[index]!
      while (gate.isOpen) {
        gate.spend(BLOCK_BYTES)
        went[index]! += BLOCK_BYTES
      }
      gate.wait(() => go(index))
    }
    for (const index of went.keys()) go(index)
    for (let second = 0; second < 30; second++) await clock.pass(1_000)
    const total = went.reduce((sum, one) => sum + one, 0)
    expect(total / 30 / 100_000).toBeGreaterThan(0.9)
    expect(total / 30 / 100_000).toBeLessThan(1.1)
    expect(Math.min(...went)).toBeGreaterThan(total / 5)
    all.set({ bytesPerSecond: 0 })
    await clock.pass(10_000)
    expect(went.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(total + 100_000)
  })
})

describe("a stream that comes while the place for the bytes is opened", () => {
  it("is told what is there once it is known, all at once", async () => {
    await using seeder = openPerson(torrent, { isSeeder: true })
    const raw = await openRaw(seeder)
    await settled()
    expect(raw.words.map(({ kind }) => kind)).toEqual(["handshake", "extended", "have all"])
  })
})

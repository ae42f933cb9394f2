import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { SwarmRegistry } from "../../../../../plugins/files/swarm/index.ts"
import { encodeHandshake } from "../../../../../plugins/files/torrent/handshake.ts"
import { encodeMessage, type PeerMessage } from "../../../../../plugins/files/torrent/message.ts"
import { encodeMetadata } from "../../../../../plugins/files/torrent/metadata.ts"
import { FakeClock, settle } from "../../../../support/fake-clock.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"
import {
  connect,
  type MadeTorrent,
  makeTorrent,
  openPair,
  openPerson,
  type Person,
  type PersonOptions,
} from "../../../../support/swarm-people.ts"
import { openRaw, type RawPeer, settled } from "./raw-peer.ts"

const torrent = makeTorrent(300_000)
const BLOCK = 16_384

async function person(options: PersonOptions = {}, made: MadeTorrent = torrent) {
  const clock = new FakeClock()
  const one = openPerson(made, { clock, ...options })
  await settle()
  return { one, clock }
}

/** Answers every request with what `answer` says. */
function serve(raw: RawPeer, answer: (block: PeerMessage & { kind: "request" }) => PeerMessage) {
  raw.stream.on("data", () => {
    for (const request of raw.of("request").splice(served.get(raw) ?? 0)) {
      served.set(raw, (served.get(raw) ?? 0) + 1)
      void raw.send(answer(request as PeerMessage & { kind: "request" }))
    }
  })
}
const served = new WeakMap<RawPeer, number>()

function bytesOf({ piece, begin, length }: { piece: number; begin: number; length: number }) {
  const at = piece * torrent.metainfo.geometry.pieceBytes + begin
  return torrent.bytes.subarray(at, at + length)
}

/** Has everything and gives what is asked for. */
async function openHonest(to: Person, name = "honest"): Promise<RawPeer> {
  const raw = await openRaw(to, { name })
  serve(raw, (block) => ({ ...block, kind: "piece", bytes: bytesOf(block) }))
  await raw.send({ kind: "have all" }, { kind: "unchoke" })
  return raw
}

const wrong = (block: { piece: number; begin: number; length: number }): PeerMessage => ({
  kind: "piece",
  piece: block.piece,
  begin: block.begin,
  bytes: bytesOf(block).map((byte) => byte ^ 1),
})

async function finished(one: Person, clock: FakeClock): Promise<void> {
  for (let second = 0; second < 200; second++) {
    if (one.events.some(({ kind }) => kind === "finished")) break
    await clock.pass(1_000)
    await settled()
  }
  expect(Buffer.from(one.store.bytes).equals(torrent.bytes)).toBe(true)
}

describe("a peer that breaks the rules", () => {
  const bits = (byte: number) => ({ kind: "bitfield" as const, bits: Uint8Array.of(byte) })
  it.each<[string, readonly (PeerMessage | Uint8Array)[]]>([
    ["a message that is too long", [Uint8Array.of(0, 2, 0, 17, 7)]],
    ["a bitfield with spare bits", [bits(0xff)]],
    ["a bitfield that is too long", [{ kind: "bitfield", bits: new Uint8Array(60_000) }]],
    ["a bitfield twice", [bits(0xf8), bits(0xf8)]],
    ["have all after have none", [{ kind: "have none" }, { kind: "have all" }]],
    ["a piece that is not there", [{ kind: "have", piece: 5 }]],
    ["a block that cannot be", [{ kind: "piece", piece: 4, begin: 7, bytes: new Uint8Array(9) }]],
    ["a choke of two bytes", [Uint8Array.of(0, 0, 0, 2, 0, 0)]],
    [
      "an extended handshake that is none",
      [{ kind: "extended", id: 0, payload: Buffer.from("i1e") }],
    ],
    ["metadata that is none", [{ kind: "extended", id: 1, payload: Buffer.from("de") }]],
    ["a peer exchange that is none", [{ kind: "extended", id: 2, payload: Buffer.from("le") }]],
    [
      "65 blocks nobody asked for",
      Array(65).fill({ kind: "piece", piece: 0, begin: 0, bytes: new Uint8Array(BLOCK) }),
    ],
    ["a flood of keep-alives", Array(5_000).fill({ kind: "keep-alive" })],
    ["a flood of have", Array(5_000).fill({ kind: "have", piece: 1 })],
    [
      "a flood of requests it has no right to",
      Array(5_000).fill({ kind: "request", piece: 0, begin: 0, length: BLOCK }),
    ],
  ])("is left, and not let in for ten minutes: %s", async (_, messages) => {
    const { one, clock } = await person()
    const raw = await openRaw(one)
    await raw.send(...messages)
    expect(await raw.end).toBe("broken rules")
    await settled()
    expect(raw.stream.destroyed).toBe(true)
    expect(one.events).toContainEqual({ kind: "banned", name: "raw" })
    expect(await (await openRaw(one)).end).toBe("banned")
    expect(one.swarm.admits("raw")).toBe(false)
    await clock.pass(10 * 60_000)
    expect(one.swarm.admits("raw")).toBe(true)
    await one[Symbol.asyncDispose]()
  })

  it.each([
    ["another protocol", Buffer.from("GET / HTTP/1.1\r\n")],
    [
      "another torrent",
      encodeHandshake({
        infohash: new Uint8Array(20),
        peerId: new Uint8Array(20),
        isExtended: true,
        isFast: true,
      }),
    ],
  ])("is left at the handshake: %s", async (_, bytes) => {
    const { one } = await person()
    const raw = await openRaw(one, { isSilent: true })
    await raw.send(bytes)
    expect(await raw.end).toBe("broken rules")
    await one[Symbol.asyncDispose]()
  })

  it("is closed after a minute when it says its handshake a byte at a time", async () => {
    const { one, clock } = await person()
    const raw = await openRaw(one, { isSilent: true })
    const { infohash } = torrent.metainfo
    const shake = encodeHandshake({
      infohash,
      peerId: new Uint8Array(20),
      isExtended: true,
      isFast: true,
    })
    for (const byte of shake.subarray(0, 12)) {
      await raw.send(Uint8Array.of(byte))
      await clock.pass(5_000)
    }
    await clock.pass(2_000)
    expect(raw.why()).toBe("silent")
    await one[Symbol.asyncDispose]()
  })
})

describe("a peer that sends wrong bytes", () => {
  it("alone is known at once and banned for a day; another one's are taken", async () => {
    const { one, clock } = await person()
    const liar = await openRaw(one, { name: "liar" })
    serve(liar, wrong)
    await liar.send({ kind: "have all" }, { kind: "unchoke" })
    await clock.pass(3_000)
    expect(await liar.end).toBe("banned")
    expect(one.swarm.state()).toMatchObject({ bans: 1, piecesHere: 0 })
    await openHonest(one)
    await finished(one, clock)
    await clock.pass(20 * 60_000)
    expect(one.swarm.admits("liar")).toBe(false)
    await one[Symbol.asyncDispose]()
  })

  it("among honest ones is found, and they are not blamed", async () => {
    const { one, clock } = await person()
    await openHonest(one)
    const liar = await openRaw(one, { name: "liar" })
    serve(liar, wrong)
    await liar.send({ kind: "have all" }, { kind: "unchoke" })
    await openHonest(one, "honest too")
    await finished(one, clock)
    const banned = one.events.filter(({ kind }) => kind === "banned")
    expect(banned.every((event) => "name" in event && event.name === "liar")).toBe(true)
    await one[Symbol.asyncDispose]()
  })

  it("on one of its lanes loses all of them", async () => {
    const { one, clock } = await person({ lanes: 3 })
    const lanes = await Promise.all(
      [1, 2, 3].map(() => openRaw(one, { name: "liar", isOwn: true })),
    )
    for (const lane of lanes) {
      serve(lane, wrong)
      await lane.send({ kind: "have all" }, { kind: "unchoke" })
    }
    await clock.pass(5_000)
    expect(await Promise.all(lanes.map(({ end }) => end))).toEqual(["banned", "banned", "banned"])
    await one[Symbol.asyncDispose]()
  })
})

describe("a peer that says it has what it has not", () => {
  it("is passed over when it rejects", async () => {
    const { one, clock } = await person()
    const liar = await openRaw(one, { name: "liar" })
    serve(liar, (block) => ({ ...block, kind: "reject" }))
    await liar.send({ kind: "have all" }, { kind: "unchoke" })
    await openHonest(one)
    await finished(one, clock)
    await one[Symbol.asyncDispose]()
  })

  it("is given up when it is silent, and others are asked", async () => {
    const { one, clock } = await person()
    const liar = await openRaw(one, { name: "liar" })
    await liar.send({ kind: "have all" }, { kind: "unchoke" })
    expect(liar.of("request").length).toBeGreaterThan(0)
    await openHonest(one)
    await finished(one, clock)
    await one[Symbol.asyncDispose]()
  })

  it("and is a node of our own has a dead stream after 25 s, and its owner is told", async () => {
    const { one, clock } = await person()
    const dead = await openRaw(one, { isOwn: true, outgoing: true })
    await dead.send({ kind: "have all" }, { kind: "unchoke" })
    expect(dead.of("request").length).toBeGreaterThan(8)
    await clock.pass(23_000)
    expect(dead.why()).toBeUndefined()
    await clock.pass(4_000)
    expect(dead.why()).toBe("stalled")
    await one[Symbol.asyncDispose]()
  })
})

describe("a peer that takes more than its part", () => {
  it("gets no byte while it is choked, of what we have not, nor more than 128 KiB at once", async () => {
    const { one } = await person({ isSeeder: true })
    const raw = await openRaw(one)
    const block = { kind: "request" as const, piece: 0, begin: 0, length: BLOCK }
    await raw.send(block)
    expect(raw.of("reject")).toHaveLength(1)
    await raw.send({ kind: "interested" })
    expect(raw.of("unchoke")).toHaveLength(1)
    await raw.send(
      { ...block, length: 2 ** 30 },
      { ...block, length: 131_073 },
      { ...block, piece: 9 },
    )
    expect([raw.of("reject").length, raw.of("piece").length]).toEqual([4, 0])
    await raw.send(block)
    expect(raw.of("piece")).toMatchObject([{ piece: 0, begin: 0, bytes: { length: BLOCK } }])
    await one[Symbol.asyncDispose]()
  })

  it("and reads nothing costs two runs of blocks, and is left after 240 s", async () => {
    const large = makeTorrent(4_000_000)
    const { one, clock } = await person({ isSeeder: true }, large)
    let readBytes = 0
    const { read } = one.store
    one.store.read = (block, into) => {
      readBytes += into.length
      return read.call(one.store, block, into)
    }
    const raw = await openRaw(one, { isDeaf: true })
    const requests = Array.from({ length: 240 }, (_, index) => ({
      kind: "request" as const,
      piece: index >> 2,
      begin: (index & 3) * BLOCK,
      length: BLOCK,
    }))
    await raw.send({ kind: "interested" })
    await raw.send(...requests)
    await clock.pass(100_000)
    expect(readBytes).toBeLessThanOrEqual(3 * 256 * 1_024)
    for (let minute = 0; minute < 3; minute++) {
      await raw.send({ kind: "keep-alive" })
      await clock.pass(60_000)
    }
    expect(raw.why()).toBe("slow")
    await one[Symbol.asyncDispose]()
  })

  it("and asks for the metadata again and again is refused it", async () => {
    const { one } = await person({ isSeeder: true })
    const raw = await openRaw(one)
    const payload = encodeMetadata({ kind: "request", page: 0 })
    await raw.send(...Array(10).fill({ kind: "extended", id: 1, payload }))
    const answers = raw.of("extended").filter(({ id }) => id === 3)
    const given = answers.filter((answer) => answer.payload.length > 100)
    expect([answers.length, given.length]).toEqual([10, 3])
    await one[Symbol.asyncDispose]()
  })
})

describe("metadata that is a lie", () => {
  it("names who sent it, and is fetched from another peer", async () => {
    const { one, clock } = await person({ isFromMagnet: true })
    const { info } = torrent.metainfo
    const answer = async (raw: RawPeer, bytes: Uint8Array) => {
      for (let second = 0; second < 5 && one.swarm.metainfo === undefined; second++) {
        for (const { id, payload } of raw.of("extended").splice(0))
          if (id === 3 && payload.length < 60) {
            const page = Number(/5:piecei(\d+)e/.exec(Buffer.from(payload).toString())?.[1])
            const part = bytes.subarray(page * BLOCK, (page + 1) * BLOCK)
            const data = { kind: "data" as const, page, totalBytes: bytes.length, bytes: part }
            await raw.send({ kind: "extended", id: 1, payload: encodeMetadata(data) })
          }
        await clock.pass(1_000)
      }
    }
    const liar = await openRaw(one, { name: "liar", metadataBytes: info.length })
    await answer(
      liar,
      info.map((byte) => byte ^ 1),
    )
    expect(liar.why()).toBe("banned")
    const long = await openRaw(one, { name: "long", metadataBytes: 12_000_000 })
    const honest = await openRaw(one, { name: "honest", metadataBytes: info.length })
    await clock.pass(100_000)
    expect(long.why()).toBeUndefined()
    await answer(honest, info)
    expect(one.swarm.metainfo?.name).toBe("made up")
    await one[Symbol.asyncDispose]()
  })
})

describe("SwarmRegistry", () => {
  const shakeFor = (infohash: Uint8Array) =>
    encodeHandshake({ infohash, peerId: new Uint8Array(20), isExtended: true, isFast: true })

  it("closes without a word what is unknown and what is not allowed, the one as the other", async () => {
    const { one, clock } = await person({ isSeeder: true, admit: (name) => name === "friend" })
    const registry = new SwarmRegistry(clock)
    registry.add(one.swarm)
    const told: string[] = []
    for (const infohash of [new Uint8Array(20).fill(7), torrent.metainfo.infohash]) {
      const [near, far] = openPair()
      near.on("data", (bytes) => told.push(bytes.toString("hex")))
      const end = registry.admit(far, { name: "stranger" })
      near.write(shakeFor(infohash))
      expect(await end).toBe("not admitted")
      await settled()
      expect(near.destroyed).toBe(true)
    }
    expect(told).toEqual([])
    const [near, far] = openPair()
    near.on("data", (bytes) => told.push(bytes.toString("latin1", 1, 20)))
    void registry.admit(far, { name: "friend" })
    near.write(shakeFor(torrent.metainfo.infohash))
    await settled()
    expect(told[0]).toBe("BitTorrent protocol")
    await one[Symbol.asyncDispose]()
  })

  it("bears 64 streams that say nothing, 8 of one peer, for a minute", async () => {
    const clock = new FakeClock()
    const registry = new SwarmRegistry(clock)
    const streams = Array.from({ length: 80 }, (_, index) => {
      const [near, far] = openPair()
      void registry.admit(far, { name: index < 10 ? "one" : `peer ${index}` })
      return near
    })
    await settled()
    expect(streams.filter(({ destroyed }) => destroyed)).toHaveLength(80 - 64)
    await clock.pass(60_000)
    await settled()
    expect(streams.every(({ destroyed }) => destroyed)).toBe(true)
  })
})

describe("any bytes at all", () => {
  const block = fc.record({
    piece: fc.integer({ min: 0, max: 6 }),
    begin: fc.constantFrom(0, 7, BLOCK, 2 ** 32 - 1),
    length: fc.constantFrom(0, 1, BLOCK, 131_073),
  })
  const message = fc.oneof(
    fc
      .constantFrom<PeerMessage["kind"][]>(
        "choke",
        "unchoke",
        "interested",
        "not interested",
        "have all",
        "have none",
      )
      .map((kind) => ({ kind }) as PeerMessage),
    fc.record({
      kind: fc.constantFrom("have", "suggest", "allowed fast"),
      piece: fc.integer({ min: 0, max: 6 }),
    }),
    fc
      .tuple(fc.constantFrom("request", "cancel", "reject"), block)
      .map(([kind, of]) => ({ kind, ...of })),
    fc.record({
      kind: fc.constant("piece"),
      piece: fc.integer({ min: 0, max: 6 }),
      begin: fc.constantFrom(0, BLOCK),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    }),
    fc.record({
      kind: fc.constant("extended"),
      id: fc.integer({ min: 0, max: 4 }),
      payload: fc.uint8Array({ minLength: 1 }),
    }),
  ) as fc.Arbitrary<PeerMessage>

  it.each([{ isSeeder: true }, { isSeeder: false }, { isFromMagnet: true }])(
    "end a stream or are borne, and harm nobody else (%j)",
    async (options) => {
      const { one, clock } = await person(options)
      const run = async (messages: readonly PeerMessage[], damage: readonly [number, number][]) => {
        const bytes = Buffer.concat(messages.map((each) => encodeMessage(each)))
        for (const [at, byte] of damage) if (bytes.length > 0) bytes[at % bytes.length] = byte
        const raw = await openRaw(one, { name: `raw ${Math.random()}` })
        await raw.send(bytes)
        await clock.pass(1_000)
        raw.stream.destroy()
        await settled()
        expect(["ended", "broken rules", "banned"]).toContain(raw.why())
        expect(one.swarm.state().stage).not.toBe("stopped")
      }
      const damage = fc.array(fc.tuple(fc.nat(10_000), fc.nat(255)), { maxLength: 3 })
      await fc.assert(fc.asyncProperty(fc.array(message, { maxLength: 12 }), damage, run), {
        numRuns: fuzzRuns(40),
      })
      expect(one.swarm.state().peers).toEqual([])
      if (options.isSeeder === false) {
        await openHonest(one)
        await finished(one, clock)
      }
      await one[Symbol.asyncDispose]()
    },
  )
})

it("ends a stream to ourselves without a ban", async () => {
  const { one } = await person({ isSeeder: true })
  const { nearEnd } = connect(one, one)
  expect(await nearEnd).toBe("ended")
  expect(one.swarm.state().bans).toBe(0)
  await one[Symbol.asyncDispose]()
})

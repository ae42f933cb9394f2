import { Duplex, PassThrough } from "node:stream"
import { describe, expect, it } from "vitest"
import { seededChance } from "../../../src/base/random.ts"
import { WINDOW_BYTES } from "../../../src/bridge/flow.ts"
import { defaultKnobs, type Knobs } from "../../../src/bridge/knobs.ts"
import { emptyStats } from "../../../src/bridge/stats.ts"
import { EmbeddedStream } from "../../../src/bridge/stream.ts"
import { deriveDestinationKeys } from "../../../src/sam/index.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"

const { destination } = deriveDestinationKeys(new Uint8Array(32).fill(1))
const surplus = new Uint8Array(0)

/** A socket as the bridge sees it: `client` is the other end of the wire. */
function openWire() {
  const toBridge = new PassThrough({ highWaterMark: 64 * 1024 })
  const toClient = new PassThrough({ highWaterMark: 64 * 1024 })
  const socket = Duplex.from({ readable: toBridge, writable: toClient })
  socket.pause()
  const heard: Buffer[] = []
  let ended = false
  return {
    socket,
    say: (bytes: Uint8Array | string) => toBridge.write(bytes),
    hangUp: () => toBridge.end(),
    /** Begins to read; before, the client is a reader that is asleep. */
    listen: () =>
      toClient
        .on("data", (bytes) => heard.push(bytes))
        .once("end", () => {
          ended = true
        }),
    heard: () => Buffer.concat(heard),
    ended: () => ended,
  }
}

async function openStream(knobs: Partial<Knobs> = {}) {
  const clock = new FakeClock()
  const stats = emptyStats()
  const live = defaultKnobs(knobs)
  const route = { from: destination, to: destination.b32, fromPort: 0, toPort: 0 }
  const stream = new EmbeddedStream(route, { clock, stats, knobs: live, chance: seededChance(1) })
  const [near, far] = [openWire(), openWire()]
  stream.join({ socket: near.socket, surplus })
  stream.join({ socket: far.socket, surplus })
  await settle()
  return { stream, near, far, clock, stats, knobs: live }
}

describe("EmbeddedStream", () => {
  it("carries bytes both ways", async () => {
    const { near, far } = await openStream()
    near.listen()
    far.listen()
    near.say("hello")
    far.say("hi")
    await settle()
    expect([far.heard().toString(), near.heard().toString()]).toEqual(["hello", "hi"])
  })
  it("delivers what was said before the end, then ends both sides", async () => {
    const { near, far, stream } = await openStream()
    far.listen()
    near.say("last words")
    near.hangUp()
    await settle()
    expect(far.heard().toString()).toBe("last words")
    expect([far.ended(), stream.closed]).toEqual([true, true])
  })
  it("takes what came with the command and what was said before anybody accepted", async () => {
    const route = { from: destination, to: destination.b32, fromPort: 0, toPort: 0 }
    const options = {
      clock: new FakeClock(),
      stats: emptyStats(),
      knobs: defaultKnobs(),
      chance: seededChance(1),
    }
    const stream = new EmbeddedStream(route, options)
    const [near, far] = [openWire(), openWire()]
    stream.join({ socket: near.socket, surplus: Buffer.from("early, ") })
    near.say("and before, ")
    near.hangUp()
    await settle()
    far.listen()
    stream.join({ socket: far.socket, surplus })
    await settle()
    expect(far.heard().toString()).toBe("early, and before, ")
    expect(far.ended()).toBe(true)
  })
  it("stops a sender whose reader sleeps, and goes on when it wakes", async () => {
    const { near, far, stats } = await openStream()
    const piece = Buffer.alloc(64 * 1024, 1)
    for (let count = 0; count < 64; count++) near.say(piece)
    await settle()
    const stalledAt = stats.streamBytes
    expect(stalledAt).toBeLessThan(WINDOW_BYTES + 6 * piece.length)
    far.listen()
    for (let turn = 0; turn < 40; turn++) await settle()
    expect(far.heard()).toHaveLength(64 * piece.length)
  })
})

describe("latencyMs and bandwidthBytesPerSecond", () => {
  it("delay each byte, in order", async () => {
    const { near, far, clock } = await openStream({ latencyMs: 100, bandwidthBytesPerSecond: 1000 })
    far.listen()
    near.say(Buffer.alloc(500, 1))
    await settle()
    near.say(Buffer.alloc(500, 2))
    await settle()
    await clock.pass(599)
    expect(far.heard()).toHaveLength(0)
    await clock.pass(1)
    expect(far.heard()).toHaveLength(500)
    await clock.pass(500)
    expect(far.heard()).toHaveLength(1000)
  })
  it("can be turned while a stream is open", async () => {
    const { near, far, clock, knobs } = await openStream()
    far.listen()
    near.say("fast")
    await settle()
    knobs.latencyMs = 1000
    near.say(" slow")
    await settle()
    knobs.latencyMs = 0
    near.say(" behind")
    await settle()
    expect(far.heard().toString()).toBe("fast")
    await clock.pass(1000)
    expect(far.heard().toString()).toBe("fast slow behind")
  })
})

describe("loss", () => {
  it("costs a stream time, never bytes or order", async () => {
    const { near, far, clock } = await openStream({ loss: 0.5 })
    far.listen()
    const sent = Buffer.from(Array.from({ length: 200 }, (_, at) => at))
    for (const byte of sent) {
      near.say(Buffer.of(byte))
      await settle()
    }
    expect(far.heard().length).toBeLessThan(200)
    await clock.pass(100)
    expect(far.heard()).toEqual(sent)
  })
})

describe("cutAfterBytes", () => {
  it("cuts each stream near that many bytes", async () => {
    const { near, far, stream, stats } = await openStream({ cutAfterBytes: 1000 })
    far.listen()
    for (let count = 0; count < 100 && !stream.closed; count++) {
      near.say(Buffer.alloc(20))
      await settle()
    }
    expect(stream.closed).toBe(true)
    expect(far.heard().length).toBeGreaterThanOrEqual(480)
    expect(far.heard().length).toBeLessThan(1500)
    expect(stats.streamsCut).toBe(1)
  })
})

describe("the fault tailLoss", () => {
  it("drops what is queued when the sender closes, and the reader never sees the end", async () => {
    const { near, far, clock, stats } = await openStream({
      latencyMs: 50,
      faults: new Set(["tailLoss"]),
    })
    far.listen()
    near.say("arrives")
    await settle()
    await clock.pass(50)
    near.say("is lost")
    near.hangUp()
    await settle()
    await clock.pass(600_000)
    expect(far.heard().toString()).toBe("arrives")
    expect(far.ended()).toBe(false)
    expect(stats.streamBytesLost).toBe(7)
  })
  it("loses nothing when the reader had everything", async () => {
    const { near, far } = await openStream({ faults: new Set(["tailLoss"]) })
    far.listen()
    near.say("all of it")
    await settle()
    near.hangUp()
    await settle()
    expect([far.heard().toString(), far.ended()]).toEqual(["all of it", true])
  })
})

describe("the fault noBackpressure", () => {
  it("takes whatever is sent while the reader sleeps, and delivers it when it wakes", async () => {
    const { near, far, stats } = await openStream({ faults: new Set(["noBackpressure"]) })
    const piece = Buffer.alloc(64 * 1024, 1)
    for (let count = 0; count < 64; count++) near.say(piece)
    for (let turn = 0; turn < 40; turn++) await settle()
    expect(stats.streamBytes).toBe(64 * piece.length)
    far.listen()
    for (let turn = 0; turn < 60; turn++) await settle()
    expect(far.heard()).toHaveLength(64 * piece.length)
  })
  it("cuts the stream beyond floodBytesMax: memory stays bounded", async () => {
    const knobs = { faults: new Set(["noBackpressure"] as const), floodBytesMax: 1024 * 1024 }
    const { near, stream, stats } = await openStream(knobs)
    for (let count = 0; count < 64; count++) near.say(Buffer.alloc(64 * 1024, 1))
    for (let turn = 0; turn < 40; turn++) await settle()
    expect(stream.closed).toBe(true)
    expect(stats.streamBytes).toBeLessThan(2 * 1024 * 1024)
  })
})

import { once } from "node:events"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { describe, expect, it } from "vitest"
import { AlliumError } from "../../../src/base/errors.ts"
import type { Channel, Link } from "../../../src/link/link.ts"
import { openLink } from "../../../src/link/open-link.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"
import { first, makePipe, makeSelf, makeSigner, openPair, readAll } from "./support.ts"

const call = { signal: new AbortController().signal }

/** A channel from Ann and its end at Bob's. */
async function openChannel(protocol = "/x/1") {
  const clock = new FakeClock()
  const pair = await openPair({ clock })
  const near = pair.ann.open(protocol, call)
  const far = await first(pair.bob.incoming)
  return { clock, ...pair, near, far }
}

describe("openLink()", () => {
  it("names the peer on both sides", async () => {
    const { ann, bob } = await openPair({ clock: new FakeClock() })
    expect(ann.peer.identityKey).toEqual(makeSigner(2).publicKey)
    expect(bob.peer.identityKey).toEqual(makeSigner(1).publicKey)
    expect(bob.peer.destination.bytes[0]).toBe(1)
  })
  it("takes only the caller that is expected", async () => {
    const clock = new FakeClock()
    const [near, far] = makePipe()
    const self = makeSelf(2, { clock })
    const expectedPeer = makeSigner(3).publicKey
    const answered = openLink({ ...self, ...call, stream: far, role: "in", expectedPeer })
    const options = { ...makeSelf(1, { clock }), ...call, stream: near, role: "out" as const }
    const dialled = openLink({ ...options, expectedPeer: makeSigner(2).publicKey })
    await expect(answered).rejects.toMatchObject({ code: "PEER_MISMATCH" })
    await expect(dialled).rejects.toMatchObject({ code: "LINK_REFUSED" })
  })
  it("finds out an impostor: PEER_MISMATCH", async () => {
    const clock = new FakeClock()
    const [near, far] = makePipe()
    const options = { ...makeSelf(1, { clock }), ...call, stream: near, role: "out" as const }
    const dialled = openLink({ ...options, expectedPeer: makeSigner(2).publicKey })
    far.write(Buffer.alloc(112, 1))
    await expect(dialled).rejects.toMatchObject({ code: "PEER_MISMATCH" })
    expect(near.destroyed).toBe(true)
  })
  it("gives up after 60 seconds of silence, and at once when told", async () => {
    const clock = new FakeClock()
    const [near] = makePipe()
    const controller = new AbortController()
    const options = {
      ...makeSelf(1, { clock }),
      role: "out" as const,
      expectedPeer: makeSigner(2).publicKey,
    }
    const silent = openLink({ ...options, ...call, stream: near })
    silent.catch(() => {})
    await clock.pass(60_000)
    await expect(silent).rejects.toMatchObject({ code: "TIMED_OUT" })
    const stopped = openLink({ ...options, signal: controller.signal, stream: makePipe()[0] })
    controller.abort()
    await expect(stopped).rejects.toMatchObject({ code: "ABORTED" })
  })
  it("refuses limits out of range", async () => {
    const self = makeSelf(1, { clock: new FakeClock(), limits: { windowBytes: 2 ** 21 } })
    const options = { ...self, ...call, role: "in" as const, stream: makePipe()[0] }
    await expect(openLink(options)).rejects.toThrow(RangeError)
  })
})

describe("Channel", () => {
  it("carries both directions, each to its own end", async () => {
    const { ann, bob, near, far } = await openChannel("/echo/1")
    near.end("how are you?")
    expect(far.protocol).toBe("/echo/1")
    expect(String(await readAll(far))).toBe("how are you?")
    await near.delivered
    far.end("well, thank you")
    expect(String(await readAll(near))).toBe("well, thank you")
    await far.delivered
    await ann[Symbol.asyncDispose]()
    expect([await bob.closed, await ann.closed]).toEqual([undefined, undefined])
  })
  it("carries on both sides' channels side by side, without mixing them", async () => {
    const { ann, bob } = await openPair({ clock: new FakeClock() })
    const sent = [ann, bob].flatMap((link) =>
      Array.from({ length: 20 }, (_, index) => link.open(`/n/${index}`, call)),
    )
    for (const channel of sent) channel.end(channel.protocol.repeat(3_000))
    for (const link of [ann, bob])
      for (let count = 0; count < 20; count++) {
        const channel = await first(link.incoming)
        expect(String(await readAll(channel))).toBe(channel.protocol.repeat(3_000))
        channel.end()
      }
    await Promise.all(sent.map(({ delivered }) => delivered))
  })
  it("stops the writer when the reader stops, at the window, and goes on with it", async () => {
    const { near, far } = await openChannel()
    const source = Readable.from(
      function* () {
        for (let count = 0; count < 64; count++) yield Buffer.alloc(65_536)
      }.call(undefined),
    )
    let taken = 0
    source.on("data", (chunk: Buffer) => {
      taken += chunk.length
    })
    source.pause()
    const sent = pipeline(source, near)
    await settle()
    await settle()
    // Window, what the channel may hold unsent, and what the pipe has in hand.
    expect(taken).toBeLessThan(262_144 + 4 * 65_536)
    expect(near.writableNeedDrain).toBe(true)
    expect((await readAll(far)).length).toBe(64 * 65_536)
    far.end()
    near.resume()
    await Promise.all([sent, near.delivered])
  })
  it("says delivered only when the application has taken everything", async () => {
    const { near, far } = await openChannel()
    let delivered = false
    void near.delivered.then(() => {
      delivered = true
    })
    near.end(Buffer.alloc(50_000))
    await once(near, "finish")
    await settle()
    expect(delivered).toBe(false)
    far.once("readable", () => far.read(49_999))
    await settle()
    expect(delivered).toBe(false)
    far.resume()
    await settle()
    expect(delivered).toBe(true)
  })
  it("frees its place even if one side never reads, when there was nothing to read", async () => {
    const { ann, near, far } = await openChannel()
    near.end("only this")
    far.end()
    await readAll(far)
    await near.delivered
    await far.delivered
    const closing = ann[Symbol.asyncDispose]()
    expect(await Promise.race([closing.then(() => "closed"), settle().then(() => "open")])).toBe(
      "closed",
    )
  })
  it("may be written after the peer has ended, however late", async () => {
    const { clock, near, far } = await openChannel()
    near.end()
    await readAll(far)
    await clock.pass(3_600_000)
    far.end("late")
    expect(String(await readAll(near))).toBe("late")
  })
  it.each([
    { name: "nothing", error: undefined, says: "gave it up" },
    { name: "BUSY", error: new AlliumError("BUSY", "no"), says: "busy" },
    { name: "BAD_PROTOCOL", error: new AlliumError("BAD_PROTOCOL", "no"), says: "does not serve" },
  ])("tells the peer when it is destroyed with $name", async ({ error, says }) => {
    const { near, far } = await openChannel()
    near.write("half of")
    far.destroy(error)
    const reset = { code: "CHANNEL_RESET", message: expect.stringContaining(says) }
    await expect(readAll(near)).rejects.toMatchObject(reset)
    await expect(near.delivered).rejects.toMatchObject(reset)
    await expect(far.delivered).rejects.toMatchObject({ code: error?.code ?? "CHANNEL_RESET" })
  })
  it("is reset when its signal aborts", async () => {
    const { ann, bob } = await openPair({ clock: new FakeClock() })
    const controller = new AbortController()
    const channels = Array.from({ length: 20 }, () => ann.open("/x/1", controller))
    controller.abort()
    const taken = await first(bob.incoming)
    await expect(taken.delivered).rejects.toMatchObject({ code: "CHANNEL_RESET" })
    expect(channels.every(({ destroyed }) => destroyed)).toBe(true)
    expect(() => ann.open("/x/1", controller)).toThrow(expect.objectContaining({ code: "ABORTED" }))
  })
  it("lets a message pass while a file of 4 MB is on its way", async () => {
    const { ann, bob, near, far } = await openChannel("/file/1")
    const order: string[] = []
    near.end(Buffer.alloc(4_000_000))
    void readAll(far).then(() => order.push("file"))
    const note = ann.open("/note/1", call)
    note.end("hi")
    void readAll(await first(bob.incoming)).then(() => order.push("note"))
    await near.delivered
    await settle()
    expect(order).toEqual(["note", "file"])
  })
})

describe("Link.open()", () => {
  it("refuses a malformed protocol name", async () => {
    const { ann } = await openPair({ clock: new FakeClock() })
    expect(() => ann.open("messages", call)).toThrow(
      expect.objectContaining({ code: "BAD_PROTOCOL" }),
    )
  })
  it("refuses more channels than the peer takes, until one is over", async () => {
    const { ann, bob } = await openPair({
      clock: new FakeClock(),
      bob: { limits: { channelsMax: 2 } },
    })
    const one = ann.open("/x/1", call)
    ann.open("/x/1", call)
    expect(() => ann.open("/x/1", call)).toThrow(expect.objectContaining({ code: "CHANNEL_LIMIT" }))
    one.resume().end()
    const taken = await first(bob.incoming)
    taken.resume().end()
    await Promise.all([one.delivered, taken.delivered])
    await settle()
    expect(ann.open("/x/2", call).protocol).toBe("/x/2")
  })
  it("is refused by a reset when nobody takes channels on the other side", async () => {
    const { ann } = await openPair({ clock: new FakeClock(), bob: { limits: { incomingMax: 1 } } })
    ann.open("/x/1", call)
    const second = ann.open("/x/1", call)
    await expect(second.delivered).rejects.toMatchObject({ code: "CHANNEL_RESET" })
  })
})

describe("Link closing", () => {
  it("waits for open channels, opens no new ones, and loses nothing", async () => {
    const { ann, bob, near, far } = await openChannel()
    const closing = bob[Symbol.asyncDispose]()
    await settle()
    const refusal = expect.objectContaining({ code: "LINK_CLOSED" })
    expect(() => ann.open("/x/1", call)).toThrow(refusal)
    expect(() => bob.open("/x/1", call)).toThrow(refusal)
    near.end(Buffer.alloc(1_000_000))
    expect((await readAll(far)).length).toBe(1_000_000)
    far.end("bye")
    expect(String(await readAll(near))).toBe("bye")
    await closing
    expect([await ann.closed, await bob.closed]).toEqual([undefined, undefined])
  })
  it("does not wait longer than 30 seconds for them", async () => {
    const { clock, ann, near, far } = await openChannel()
    const closing = ann[Symbol.asyncDispose]()
    await clock.pass(29_000)
    expect(near.destroyed).toBe(false)
    await clock.pass(2_000)
    await closing
    for (const channel of [near, far] as Channel[])
      await expect(channel.delivered).rejects.toMatchObject({ code: "LINK_LOST" })
  })
  it("is done in 5 seconds when the peer does not hang up", async () => {
    const { clock, ann, pipe } = await openPairWith()
    for (const end of pipe()) end.deaf = true
    const closing = ann[Symbol.asyncDispose]()
    await settle()
    await clock.pass(5_000)
    await closing
    expect(await ann.closed).toBeUndefined()
  })
  it("ends the iteration of incoming channels on both sides", async () => {
    const { ann, bob } = await openPairWith()
    const counts = Promise.all([ann, bob].map(count))
    await ann[Symbol.asyncDispose]()
    expect(await counts).toEqual([0, 0])
  })
})

async function openPairWith() {
  const clock = new FakeClock()
  return { clock, ...(await openPair({ clock })) }
}

async function count(link: Link): Promise<number> {
  let channels = 0
  for await (const _ of link.incoming) channels += 1
  return channels
}

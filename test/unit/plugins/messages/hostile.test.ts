/** What a contact may try on a `/messages/1` channel. */
import * as fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { messages } from "../../../../plugins/messages/index.ts"
import { listOffer, sendOffer } from "../../../../plugins/messages/offers.ts"
import { PROTOCOL, readAck, readText } from "../../../../plugins/messages/wire.ts"
import { frameRecord } from "../../../../src/base/records.ts"
import type { Channel } from "../../../../src/link/link.ts"
import { definePlugin, type PeerChannel } from "../../../../src/router/plugin.ts"
import { FakePair } from "../../../support/fake-plugin-context.ts"

const good = () => ({
  kind: "text",
  id: new Uint8Array(16).fill(1),
  sequence: 1,
  sentAt: 60_000,
  text: "hi",
})

describe("readText()", () => {
  it.each([
    ["not an object", 7],
    ["nothing", null],
    ["another kind", { ...good(), kind: "ack" }],
    ["a short id", { ...good(), id: new Uint8Array(15) }],
    ["an id that is text", { ...good(), id: "0123456789abcdef" }],
    ["sequence 0", { ...good(), sequence: 0 }],
    ["a fraction", { ...good(), sequence: 1.5 }],
    ["a time with seconds", { ...good(), sentAt: 60_001 }],
    ["a time before 1970", { ...good(), sentAt: -60_000 }],
    ["a time no calendar knows", { ...good(), sentAt: 9_007_199_254_720_000 }],
    ["no text", { ...good(), text: "" }],
    ["too long a text", { ...good(), text: "é".repeat(32_769) }],
    ["more than it should", { ...good(), extra: true }],
  ])("refuses %s", (_, value) => {
    expect(() => readText(value)).toThrow(expect.objectContaining({ code: "BAD_RECORD" }))
  })

  it("takes the longest text", () => {
    expect(readText({ ...good(), text: "é".repeat(32_768) }).text).toHaveLength(32_768)
  })

  it("never quotes what it refuses", () => {
    expect(() => readText({ ...good(), text: "secret".repeat(20_000) })).not.toThrow(/secret/)
  })
})

describe("readAck()", () => {
  it.each([
    ["no ids", { kind: "ack", ids: [] }],
    ["too many ids", { kind: "ack", ids: Array.from({ length: 65 }, () => new Uint8Array(16)) }],
    ["a text", good()],
  ])("refuses %s", (_, value) => {
    expect(() => readAck(value)).toThrow(expect.objectContaining({ code: "BAD_RECORD" }))
  })
})

describe("messages, against a hostile contact", () => {
  let pair: FakePair
  const calls: PeerChannel[] = []
  let dial: () => Promise<Channel>

  /** In Bob's place: takes every channel and does nothing, until the test says what. */
  const hostile = definePlugin({
    name: "hostile",
    offers: [],
    async start(context) {
      context.serve(PROTOCOL, async (call) => void calls.push(call))
      dial = async () => {
        const [identity] = context.identities.list()
        const [contact] = context.contacts.list(identity!)
        const to = { identity: identity!, contact: contact! }
        const channel = await context.open(to, PROTOCOL, context)
        channel.on("error", () => {})
        return channel
      }
      return undefined
    },
  })

  beforeAll(async () => {
    pair = new FakePair()
    await pair.left.start(messages)
    await pair.right.start(hostile)
    pair.connect()
  })
  afterAll(() => pair.left.stop())

  it.each([
    ["a length of nothing", Buffer.alloc(4)],
    ["a length beyond all messages", Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ["bytes that are no value", Buffer.from([0, 0, 0, 1, 0xc1])],
    ["another kind of value", frameRecord([1, 2, 3])],
    ["an acknowledgement", frameRecord({ kind: "ack", ids: [new Uint8Array(16)] })],
  ])("resets the channel for %s", async (_, bytes) => {
    const channel = await dial()
    channel.write(bytes)
    await pair.world.until(() => channel.destroyed)
    expect(channel.errored).toMatchObject({ code: "CHANNEL_RESET" })
    expect(pair.left.faults).toEqual([])
  })

  it("acknowledges a message that comes again, and shows it once", async () => {
    const channel = await dial()
    let answer = Buffer.alloc(0)
    channel.on("data", (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk])
    })
    const ack = frameRecord({ kind: "ack", ids: [good().id] })
    for (let time = 1; time <= 3; time++) {
      channel.write(frameRecord(good()))
      await pair.world.until(() => answer.length === time * ack.length)
    }
    expect(answer.subarray(0, ack.length).equals(ack)).toBe(true)
    channel.end()
    const shown = pair.left.told("received").filter(({ text }) => text === "hi")
    expect(shown).toHaveLength(1)
  })

  it("keeps only the newest of many channels", async () => {
    const channels = await Promise.all(Array.from({ length: 20 }, dial))
    await pair.world.settle()
    expect(channels.filter((channel) => !channel.destroyed)).toHaveLength(1)
    for (const channel of channels) channel.destroy()
  })

  it("reads no faster than its pace, and loses nothing by it", async () => {
    const channel = await dial()
    channel.resume()
    const before = pair.left.told("received").length
    for (let count = 0; count < 1_500; count++) {
      const id = Buffer.alloc(16)
      id.writeUInt32BE(count + 1_000)
      channel.write(frameRecord({ ...good(), id: new Uint8Array(id) }))
    }
    await pair.world.settle()
    expect(pair.left.told("received").length - before).toBeLessThanOrEqual(1_000)
    await pair.world.pass(10_000)
    expect(pair.left.told("received").length - before).toBe(1_500)
    channel.destroy()
  })

  it.each([
    ["for another message", () => frameRecord({ kind: "ack", ids: [new Uint8Array(16)] })],
    ["that is none", () => frameRecord("delivered!")],
    ["that never comes", () => new Uint8Array()],
  ])("does not believe an acknowledgement %s, and goes on trying", async (_, answer) => {
    const { text } = await pair.left.run(sendOffer, {
      contact: "bob",
      text: `to be ${calls.length}`,
    })
    await pair.world.until(() => calls.length > 0)
    const first = calls.pop()!.channel
    first.on("error", () => {})
    first.resume()
    first.write(answer())
    await pair.world.until(() => calls.length > 0)
    expect(first.destroyed).toBe(true)
    calls.pop()!.channel.destroy()
    const list = (await pair.left.run(listOffer, { contact: "bob" })) as {
      text: string
      state: string
    }[]
    expect(list.find((message) => message.text === text)?.state).toBe("queued")
  })

  it("survives 10,000 channels of anything", async () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .record({
          kind: fc.constantFrom("text", "ack", "", "__proto__"),
          id: fc.oneof(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.integer()),
          sequence: fc.oneof(fc.integer(), fc.double()),
          sentAt: fc.oneof(fc.integer(), fc.constant(60_000)),
          text: fc.string({ unit: "binary" }),
        })
        .map((value) => frameRecord(value)),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 4 }), async (pieces) => {
        const channel = await dial()
        for (const bytes of pieces) channel.write(bytes)
        channel.end()
        channel.resume()
        await pair.world.settle()
        expect(pair.left.faults).toEqual([])
        channel.destroy()
      }),
      { numRuns: 10_000 },
    )
    const [newest] = (await pair.left.run(listOffer, { limit: 1 })) as unknown[]
    expect(newest).toBeDefined()
  }, 120_000)
})

import { once } from "node:events"
import { afterEach, describe, expect, it } from "vitest"
import { callPeer } from "../../../src/link/exchange.ts"
import { blankFrame, encodeFrame, type Frame, FrameParser } from "../../../src/link/frames.ts"
import { NO_LINK } from "../../../src/link/handshake.ts"
import type { LinkLimits } from "../../../src/link/limits.ts"
import type { Link } from "../../../src/link/link.ts"
import { openLink } from "../../../src/link/open-link.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"
import { first, makePipe, makeSelf, makeSigner, type PipeEnd } from "./support.ts"

const opened: Link[] = []
afterEach(async () => {
  for (const link of opened.splice(0)) void link[Symbol.asyncDispose]()
  await settle()
})

/** Bob's link, and the bare stream of a caller who shook hands and may now send what he likes. */
async function meet(limits: Partial<LinkLimits> = {}) {
  const clock = new FakeClock()
  const { signal } = new AbortController()
  const [mallory, stream] = makePipe()
  const bob = openLink({ ...makeSelf(2, { clock, limits }), stream, role: "in", signal })
  await callPeer(mallory, {
    ...makeSelf(1, { clock }),
    terms: { channelsMax: 256, firstWindowBytes: 65_536, keeps: false },
    expectedPeer: makeSigner(2).publicKey,
    standing: { linkId: NO_LINK, received: 0 },
    signal,
  })
  const link = await bob
  opened.push(link)
  return { clock, link, mallory, say: (...frames: Frame[]) => send(mallory, frames) }
}

function send(stream: PipeEnd, frames: Frame[]): void {
  if (stream.writableEnded) return
  stream.write(Buffer.concat(frames.map((frame) => encodeFrame(frame))))
}

/** Everything Bob says from now on. */
function listen(stream: PipeEnd): Frame[] {
  const frames: Frame[] = []
  const parser = new FrameParser()
  stream.on("data", (chunk: Buffer) => frames.push(...parser.push(chunk)))
  stream.resume()
  return frames
}

const open = (channel: number, windowBytes = 65_536): Frame => ({
  type: "open",
  channel,
  windowBytes,
  protocol: "/x/1",
})
const data = (channel: number, byteCount: number): Frame => ({
  type: "data",
  channel,
  bytes: Buffer.alloc(byteCount),
})
/** A whole window: 256 KiB. */
const full = Array.from({ length: 16 }, () => data(1, 16_384))
const refused = Array.from({ length: 1_200 }, (_, index) => open(2 * index + 1))

describe("a link whose peer breaks the protocol", () => {
  it.each<{ name: string; frames: Frame[]; message: string }>([
    { name: "sends more than its window", frames: [open(1), ...full, data(1, 1)], message: "data" },
    { name: "sends data to nobody", frames: [data(1, 1)], message: "channel 1" },
    { name: "ends what is not open", frames: [{ type: "end", channel: 7 }], message: "channel 7" },
    { name: "opens a channel of ours", frames: [open(2)], message: "open of channel 2" },
    { name: "opens one twice", frames: [open(1), open(1)], message: "open of channel 1" },
    { name: "opens backwards", frames: [open(5), open(3)], message: "open of channel 3" },
    { name: "opens with a window of 2 MiB", frames: [open(1, 2 ** 21)], message: "window" },
    {
      name: "gives credit without end",
      frames: [open(1), { type: "credit", channel: 1, byteCount: 2 ** 20 }],
      message: "credit is too large",
    },
    {
      name: "sends after its end",
      frames: [open(1), data(1, 1), { type: "end", channel: 1 }, data(1, 1)],
      message: "after the end",
    },
    {
      name: "ends twice",
      frames: [open(1), data(1, 1), { type: "end", channel: 1 }, { type: "end", channel: 1 }],
      message: "second end",
    },
    {
      name: "has delivered what never ended",
      frames: [open(1), { type: "delivered", channel: 1 }],
      message: "not ended",
    },
    {
      name: "acknowledges what was never sent",
      frames: [{ type: "ack", received: 1_000_000 }],
      message: "not sent",
    },
    {
      name: "floods pings",
      frames: Array.from({ length: 1_100 }, () => ({ type: "ping", received: 0, token: 1 })),
      message: "flood",
    },
    { name: "floods opens", frames: refused, message: "channels above the limit" },
    {
      name: "opens and resets without end",
      frames: refused.flatMap((one) => [
        one,
        { type: "reset", channel: "channel" in one ? one.channel : 0, code: 1 },
      ]),
      message: "flood",
    },
  ])("ends with LINK_PROTOCOL when it $name", async ({ frames, message }) => {
    const { link, mallory, say } = await meet()
    const heard = listen(mallory)
    const hungUp = once(mallory, "close")
    say(...frames)
    expect(await link.closed).toEqual(
      expect.objectContaining({ code: "LINK_PROTOCOL", message: expect.stringContaining(message) }),
    )
    await hungUp
    expect(heard.at(-1)).toEqual({ type: "close", code: 1 })
  })
  it("ends when the frames cannot be parsed", async () => {
    const { link, mallory } = await meet()
    mallory.write(Buffer.from("GET / HTTP/1.1\r\n"))
    expect(await link.closed).toEqual(expect.objectContaining({ code: "LINK_PROTOCOL" }))
  })
  it("ends when it makes us talk and never says what it received", async () => {
    const { clock, link, mallory, say } = await meet({ heartbeatMs: 1_800_000, keptBytes: 131_072 })
    listen(mallory)
    let seconds = 0
    void link.closed.then(() => {
      seconds = -seconds
    })
    const pings = Array.from({ length: 30 }, (): Frame => ({ type: "ping", received: 0, token: 1 }))
    while (seconds >= 0 && seconds < 20_000) {
      seconds += 1
      for (const ping of pings) {
        say(ping)
        await new Promise((resolve) => setImmediate(resolve))
      }
      await clock.pass(1_000)
    }
    expect(await link.closed).toMatchObject({
      code: "LINK_PROTOCOL",
      message: expect.stringContaining("does not acknowledge"),
    })
  })
  it("is sent no more data than is kept for it", async () => {
    const { link, mallory, say } = await meet({ keptBytes: 131_072 })
    const heard = listen(mallory)
    const channel = link.open("/x/1", { signal: new AbortController().signal })
    channel.write(Buffer.alloc(900_000))
    await settle()
    say({ type: "credit", channel: 2, byteCount: 900_000 })
    await settle()
    const bytes = heard.reduce((sum, one) => sum + (one.type === "data" ? one.bytes.length : 0), 0)
    expect(bytes).toBeGreaterThan(131_072 - 16_384)
    expect(bytes).toBeLessThan(131_072 + 16_384)
  })
})

describe("a link whose peer is rude within the protocol", () => {
  it("refuses channels above the limit, and takes new ones when old ones are over", async () => {
    const { link, mallory, say } = await meet({ channelsMax: 2 })
    const heard = listen(mallory)
    say(open(1), open(3), open(5))
    await settle()
    expect(heard).toContainEqual({ type: "reset", channel: 5, code: 2 })
    say({ type: "reset", channel: 5, code: 1 }, { type: "reset", channel: 3, code: 1 }, open(7))
    await settle()
    expect(heard).not.toContainEqual({ type: "reset", channel: 7, code: 2 })
    expect(link.roundTripMs).toBeUndefined()
  })
  it("holds single bytes in blocks, not in a buffer each", async () => {
    const { link, say } = await meet()
    const byte = blankFrame("data", 1, 1)
    byte[7] = 42
    say(open(1), ...Array.from({ length: 30_000 }, () => data(1, 1)))
    const channel = await first(link.incoming)
    await settle()
    let chunks = 0
    let bytes = 0
    channel.on("data", (chunk: Buffer) => {
      chunks += 1
      bytes += chunk.length
    })
    await settle()
    expect(bytes).toBe(30_000)
    expect(chunks).toBeLessThan(20)
  })
  it("survives a listener-less channel that is reset", async () => {
    const { link, say } = await meet()
    say(open(1), { type: "reset", channel: 1, code: 4 })
    const channel = await first(link.incoming)
    await expect(channel.delivered).rejects.toMatchObject({
      code: "CHANNEL_RESET",
      message: expect.stringContaining("busy"),
    })
    expect(channel.destroyed).toBe(true)
  })
  it("loses its channels when the stream goes, and nobody can resume", async () => {
    const { link, mallory, say } = await meet()
    say(open(1), data(1, 3))
    const channel = await first(link.incoming)
    mallory.cut()
    expect(await link.closed).toEqual(expect.objectContaining({ code: "LINK_LOST" }))
    await expect(channel.delivered).rejects.toMatchObject({ code: "LINK_LOST" })
    expect(() => link.open("/x/1", { signal: new AbortController().signal })).toThrow(
      expect.objectContaining({ code: "LINK_LOST" }),
    )
  })
})

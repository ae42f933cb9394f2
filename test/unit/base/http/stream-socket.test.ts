import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { buffer } from "node:stream/consumers"
import { setTimeout as wait } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { StreamSocket } from "../../../../src/base/http/index.ts"
import { SpoolPlace } from "../../../../src/base/spool.ts"
import { fakeStreams } from "../../../support/fake-session.ts"

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "allium-socket-"))
})
afterAll(() => rm(folder, { recursive: true }))

describe("StreamSocket", () => {
  it("drains the stream into its place while nobody reads, so that no tail is lost", async () => {
    const [ours, peer] = fakeStreams({ tailLoss: true })
    const place = new SpoolPlace(folder, 2 ** 24)
    const socket = new StreamSocket(ours, { lingerMs: 100, place })
    const bytes = randomBytes(4 * 2 ** 20)
    let drained = 0
    ours.on("data", ({ length }: Buffer) => {
      drained += length
    })
    for (let at = 0; at < bytes.length; at += 65_536)
      await new Promise((resolve) => peer.write(bytes.subarray(at, at + 65_536), resolve))
    while (drained < bytes.length) await wait(5)
    peer.end()
    expect((await buffer(socket)).equals(bytes)).toBe(true)
    socket.destroy()
  })

  it("without a place, holds the other side back", async () => {
    const [ours, peer] = fakeStreams()
    const socket = new StreamSocket(ours, { lingerMs: 100 })
    peer.write(randomBytes(2 ** 20))
    for (let count = 0; count < 64; count++) peer.write(randomBytes(16_384))
    await wait(20)
    expect(peer.writableLength).toBeGreaterThan(2 ** 19)
    peer.on("error", () => {})
    socket.destroy()
  })

  it("joins what is written together into one piece", async () => {
    const [ours, peer] = fakeStreams()
    const socket = new StreamSocket(ours, { lingerMs: 100 })
    socket.cork()
    for (const part of ["head", "size", "chunk"]) socket.write(part)
    socket.uncork()
    expect(String((await once(peer, "data"))[0])).toBe("headsizechunk")
    socket.destroy()
  })

  it("emits timeout when nothing moves, counted from the last byte", async () => {
    const [ours, peer] = fakeStreams()
    const socket = new StreamSocket(ours, { lingerMs: 100 })
    socket.resume()
    const started = performance.now()
    socket.setTimeout(100)
    setTimeout(() => peer.write("x"), 60)
    await once(socket, "timeout")
    expect(performance.now() - started).toBeGreaterThan(150)
    socket.destroy()
  })

  it("fails with ECONNRESET when the stream is cut, so that nobody takes it for an end", async () => {
    const [ours] = fakeStreams()
    const socket = new StreamSocket(ours, { lingerMs: 100 })
    const failed = once(socket, "error")
    ours.destroy()
    expect((await failed)[0]).toMatchObject({ code: "ECONNRESET" })
  })

  it("ends the stream when it is destroyed", async () => {
    const [ours, peer] = fakeStreams()
    new StreamSocket(ours, { lingerMs: 100 }).destroy()
    peer.resume()
    await once(peer, "end")
    expect(ours.destroyed).toBe(true)
  })
})

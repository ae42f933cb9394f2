import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { buffer } from "node:stream/consumers"
import { setTimeout as wait } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { SpoolPlace } from "../../../src/base/spool.ts"
import { spoolRelay } from "../../../src/base/spool-relay.ts"
import { fakeStreams } from "../../support/fake-session.ts"

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "allium-relay-"))
})
afterAll(() => rm(folder, { recursive: true }))

/** A real TCP connection on loopback: the program's end, and ours. */
async function localPair(): Promise<{ program: Socket; ours: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  const program = connect({ port, host: "127.0.0.1", allowHalfOpen: true })
  const [ours] = (await once(server, "connection")) as [Socket]
  server.close()
  return { program, ours }
}

async function setUp(options: { lingerMs?: number; bytesMax?: number; tailLoss?: boolean } = {}) {
  const [ours, peer] = fakeStreams({ tailLoss: options.tailLoss ?? false })
  const local = await localPair()
  const place = new SpoolPlace(folder, options.bytesMax ?? 2 ** 26)
  const done = spoolRelay(ours, local.ours, { place, lingerMs: options.lingerMs ?? 5_000 })
  done.catch(() => {})
  peer.on("error", () => {})
  return { ours, peer, program: local.program, done, place }
}

describe("spoolRelay()", () => {
  it("delivers everything to a program that pauses while the other side closes", async () => {
    const { ours, peer, program, done } = await setUp({ tailLoss: true })
    const bytes = randomBytes(20 * 2 ** 20)
    program.pause()
    for (let at = 0; at < bytes.length; at += 65_536)
      await new Promise((resolve) => peer.write(bytes.subarray(at, at + 65_536), resolve))
    // As long as the program reads nothing, only the spool can take it.
    while (peer.writableLength + ours.readableLength > 0) await wait(10)
    peer.end()
    await wait(50)
    const got = buffer(program)
    expect((await got).equals(bytes)).toBe(true)
    program.end()
    expect(await done).toEqual({ bytesIn: bytes.length, bytesOut: 0 })
  })

  it("keeps the stream open after the program's half-close, so that the answer arrives", async () => {
    const { peer, program, done } = await setUp()
    program.end("GET")
    expect((await once(peer, "data"))[0].toString()).toBe("GET")
    await wait(30)
    peer.write("answer")
    peer.end()
    expect((await buffer(program)).toString()).toBe("answer")
    expect(await done).toEqual({ bytesIn: 6, bytesOut: 3 })
  })

  it("closes the stream itself when nothing more comes within lingerMs", async () => {
    const { peer, program, done } = await setUp({ lingerMs: 40 })
    program.end("bye")
    peer.resume()
    await once(peer, "end")
    program.resume()
    expect(await done).toEqual({ bytesIn: 0, bytesOut: 3 })
  })

  it("lingers from the last byte, not from the half-close", async () => {
    const { peer, program, done } = await setUp({ lingerMs: 120 })
    peer.resume()
    program.end("ask")
    const got = buffer(program)
    for (const part of ["a", "b", "c", "d"]) {
      await wait(60)
      peer.write(part)
    }
    expect((await got).toString()).toBe("abcd")
    await done
  })

  it("destroys the stream when the program resets its connection", async () => {
    const { peer, program, done } = await setUp()
    peer.resume()
    program.write("hello")
    await once(peer, "data")
    program.resetAndDestroy()
    await once(peer, "end")
    await expect(done).rejects.toMatchObject({ code: "ECONNRESET" })
  })

  it("ends with SPOOL_FULL, both sides closed, when the program reads too slowly for the place", async () => {
    const { peer, program, done, place } = await setUp({ bytesMax: 2 ** 20, tailLoss: true })
    program.on("error", () => {})
    program.on("end", () => program.destroy())
    program.pause()
    for (let sent = 0; sent < 200 && !peer.destroyed; sent++) peer.write(randomBytes(65_536))
    await expect(done).rejects.toMatchObject({ code: "SPOOL_FULL" })
    expect(place.bytesUsed).toBe(0)
    program.resume()
    await once(program, "close")
  })

  it("slows the program down when the stream is slow: nothing is spooled that way", async () => {
    const { peer, program } = await setUp()
    peer.pause()
    program.write(randomBytes(2 ** 25))
    await wait(200)
    expect(program.writableLength).toBeGreaterThan(0)
    program.destroy()
  })

  it("rejects with the signal's reason, both sides destroyed", async () => {
    const [ours, peer] = fakeStreams()
    const local = await localPair()
    local.program.on("error", () => {})
    const abort = new AbortController()
    const place = new SpoolPlace(folder, 2 ** 20)
    const done = spoolRelay(ours, local.ours, { place, lingerMs: 10, signal: abort.signal })
    abort.abort(new Error("the tunnel ends"))
    await expect(done).rejects.toThrow("the tunnel ends")
    expect([ours.destroyed, local.ours.destroyed]).toEqual([true, true])
    peer.destroy()
    local.program.destroy()
  })

  it("says STREAM_LOST when the stream breaks without an end", async () => {
    const [ours] = fakeStreams()
    const local = await localPair()
    local.program.on("error", () => {})
    const place = new SpoolPlace(folder, 2 ** 20)
    const done = spoolRelay(ours, local.ours, { place, lingerMs: 10 })
    ours.destroy()
    await expect(done).rejects.toMatchObject({ code: "STREAM_LOST" })
    local.program.destroy()
  })
})

import { once } from "node:events"
import { connect } from "node:net"
import { describe, expect, it } from "vitest"
import { FakeClock, settle } from "../../support/fake-clock.ts"
import { openCore, openLoose } from "./core.ts"
import { openStage, TRANSIENT } from "./stage.ts"

const MEBIBYTE = 1024 * 1024

/** Heap and buffers, after a collection where the run allows one. */
function memoryBytes(): number {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

describe("a hostile client", () => {
  it("does not fill the memory with a line that never ends: it is cut off after 8191 bytes", async () => {
    await using stage = await openStage()
    const sam = await stage.sam()
    const before = memoryBytes()
    const piece = Buffer.alloc(64 * 1024, "x")
    for (let sent = 0; sent < 256 && !sam.socket.destroyed; sent++) {
      sam.socket.write(piece)
      await settle()
    }
    await sam.closed()
    expect(memoryBytes() - before).toBeLessThan(64 * MEBIBYTE)
  })

  it("is not read on while its command is under way", async () => {
    const clock = new FakeClock()
    await using stage = await openStage({ clock, knobs: { sessionCreateMs: 60_000 } })
    const sam = await stage.sam()
    sam.tell(`SESSION CREATE STYLE=STREAM ID=a ${TRANSIENT}`)
    const ping = Buffer.from(`PING ${"x".repeat(8000)}\n`.repeat(8))
    for (let sent = 0; sent < 64 * MEBIBYTE; sent += ping.length) {
      if (sam.socket.write(ping)) continue
      const drained = once(sam.socket, "drain", { signal: AbortSignal.timeout(100) })
      if (!(await drained.then(() => true).catch(() => false))) break
    }
    expect(sam.socket.writableLength).toBeGreaterThan(0)
    await clock.pass(60_000)
    expect(await sam.line()).toMatch(/^SESSION STATUS RESULT=OK/)
    expect(await sam.line()).toMatch(/^PONG x+$/)
  })

  it("may open far more connections than there are: the rest is closed at once, others are served", async () => {
    const clock = new FakeClock()
    await using stage = await openStage({ clock, connectionsMax: 100 })
    const polite = await stage.session()
    let closed = 0
    for (let count = 0; count < 500; count++)
      connect(stage.bridge.address.port, "127.0.0.1")
        .on("error", () => {})
        .once("close", () => closed++)
    await expect.poll(() => closed, { timeout: 8000 }).toBe(401)
    expect(await polite.control.ask("PING here")).toBe("PONG here")
    await clock.pass(80_000)
    await expect.poll(() => closed, { timeout: 8000 }).toBe(500)
    const next = await stage.sam()
    expect(await next.ask("PING welcome")).toBe("PONG welcome")
  })

  it("may leave 10,000 connections half open, each in the middle of a line of 4 KiB", async () => {
    const { context, failures } = openCore("strict")
    const before = memoryBytes()
    const half = Buffer.alloc(4096, "x")
    const all = Array.from({ length: 10_000 }, () => openLoose(context))
    for (const { socket } of all) socket.push(half)
    await settle()
    expect(memoryBytes() - before).toBeLessThan(160 * MEBIBYTE)
    for (const { socket } of all) socket.push(Buffer.alloc(4096, "x"))
    await settle()
    expect(all.every(({ socket }) => socket.destroyed)).toBe(true)
    expect(failures).toEqual([])
  })

  it("gets only so many sessions", async () => {
    await using stage = await openStage()
    const sam = await stage.session(`STYLE=PRIMARY ${TRANSIENT}`)
    let refused = ""
    for (let count = 0; count < 1100 && refused === ""; count++) {
      const reply = await sam.control.ask(
        `SESSION ADD STYLE=STREAM ID=s${count} LISTEN_PORT=${count}`,
      )
      if (!reply.includes("RESULT=OK")) refused = `${count}: ${reply}`
    }
    expect(refused).toBe('1023: SESSION STATUS RESULT=I2P_ERROR MESSAGE="too many sessions"')
  })

  it("that does not read its datagrams loses them", async () => {
    await using stage = await openStage()
    const style = `STYLE=RAW ${TRANSIENT}`
    const [ann, ben] = [await stage.session(style), await stage.session(style)]
    ben.control.socket.pause()
    const payload = Buffer.alloc(30_000, 1)
    const send = Buffer.concat([
      Buffer.from(`RAW SEND DESTINATION=${ben.destination} SIZE=30000\n`),
      payload,
    ])
    for (let count = 0; count < 600 && stage.bridge.stats.datagramsLost === 0; count++) {
      ann.control.socket.write(send)
      await ann.control.ask("PING next")
    }
    expect(stage.bridge.stats.datagramsLost).toBeGreaterThan(0)
  })

  it("that was hung up on and stays is closed after a minute", async () => {
    const clock = new FakeClock()
    await using stage = await openStage({ clock })
    const socket = connect({
      port: stage.bridge.address.port,
      host: "127.0.0.1",
      allowHalfOpen: true,
    })
    socket.on("error", () => {})
    socket.write("HELLO VERSION\nQUIT\n")
    await once(socket.resume(), "end")
    const closed = new Promise((resolve) => socket.once("close", resolve))
    await clock.pass(80_000)
    socket.write("still here")
    await settle()
    socket.write("still here")
    await closed
  })
})

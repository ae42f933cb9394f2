import { once, setMaxListeners } from "node:events"
import { pipeline } from "node:stream/promises"
import { afterEach, describe, expect, it } from "vitest"
import { contextOf } from "../../../src/sam/context.ts"
import { readDestination } from "../../../src/sam/destination.ts"
import { acceptStream, connectStream, type StreamSession } from "../../../src/sam/stream.ts"
import { settle } from "../../support/fake-clock.ts"
import {
  type BridgeConnection,
  openScriptedBridge,
  PEER,
  type Replies,
  type Script,
  type ScriptedBridge,
} from "../../support/scripted-bridge.ts"

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]()
})

const never = new AbortController().signal
setMaxListeners(0, never)
const call = { signal: never }
const failing = (code: string, message = "") =>
  expect.objectContaining({ code, message: expect.stringContaining(message) })

async function sessionAt(script: Script = {}): Promise<[StreamSession, ScriptedBridge]> {
  const bridge = await openScriptedBridge(script)
  open.push(bridge)
  return [{ id: "an-id", context: contextOf({ bridge: bridge.address }) }, bridge]
}

/** Everything a stream brings until its end. */
async function whole(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString("latin1")
}

const onConnect = (reply: string | ((connection: BridgeConnection) => string)): Replies => ({
  "STREAM CONNECT": (_, connection) => {
    connection.stream = true
    return typeof reply === "string" ? reply : reply(connection)
  },
})

describe("connectStream()", () => {
  it("names session and destination, and sends no ports to a router that knows none", async () => {
    const [session, bridge] = await sessionAt()
    const stream = await connectStream(session, PEER, { ...call, fromPort: 1, toPort: 2 })
    expect(bridge.lines[1]).toBe(`STREAM CONNECT ID=an-id DESTINATION=${PEER.base64} SILENT=false`)
    expect([stream.peer, stream.direction]).toEqual([PEER, "out"])
    stream.destroy()
  })
  it("sends ports to a router that knows them", async () => {
    const [session, bridge] = await sessionAt({ version: "3.3" })
    const stream = await connectStream(session, PEER, { ...call, fromPort: 1, toPort: 65_535 })
    expect(bridge.lines[1]).toContain(" FROM_PORT=1 TO_PORT=65535")
    stream.destroy()
  })
  it.each([
    ["in one segment with the status", false, (text: string) => text],
    ["byte by byte", true, (text: string) => text],
  ])("keeps the peer's first bytes when they come %s", async (_, byteByByte) => {
    const [session] = await sessionAt({
      byteByByte,
      replies: onConnect("STREAM STATUS RESULT=OK\nfirst\nbytes\0\xff"),
    })
    const stream = await connectStream(session, PEER, call)
    let got = ""
    stream.on("data", (chunk: Buffer) => {
      got += chunk.toString("latin1")
    })
    while (got.length < 13) await settle()
    expect(got).toBe("first\nbytes\0\xff")
    stream.destroy()
  })
  it("keeps them even when status, bytes and end come at once", async () => {
    for (const surplus of ["", "x", "last words".repeat(500)]) {
      const [session] = await sessionAt({
        replies: onConnect(({ socket }) => {
          socket.end(`STREAM STATUS RESULT=OK\n${surplus}`, "latin1")
          return ""
        }),
      })
      const stream = await connectStream(session, PEER, call)
      await settle()
      expect(await whole(stream)).toBe(surplus)
    }
  })
  it("T15: writes nothing behind CONNECT until the router says OK", async () => {
    const [session, bridge] = await sessionAt({ replies: { "STREAM CONNECT": () => undefined } })
    const opening = connectStream(session, PEER, call)
    const connection = await bridge.waiting("STREAM CONNECT")
    await settle()
    expect(connection.socket.bytesRead).toBe(
      connection.lines.reduce((sum, line) => sum + line.length + 1, 0),
    )
    connection.stream = true
    connection.socket.write("STREAM STATUS RESULT=OK\n")
    const stream = await opening
    stream.write("now")
    const [chunk] = await once(connection.socket, "data")
    expect(String(chunk)).toBe("now")
    stream.destroy()
  })
  it.each([
    ["STREAM STATUS RESULT=CANT_REACH_PEER", "PEER_UNREACHABLE"],
    ["STREAM STATUS RESULT=TIMEOUT", "PEER_TIMED_OUT"],
    ["STREAM STATUS RESULT=CONNECTION_REFUSED", "PEER_REFUSED"],
    ["STREAM STATUS RESULT=LEASESET_NOT_FOUND", "PEER_UNREACHABLE"],
    ["STREAM STATUS RESULT=INVALID_KEY", "BAD_DESTINATION"],
    ["STREAM STATUS RESULT=INVALID_ID", "SESSION_LOST"],
    ["STREAM STATUS RESULT=I2P_ERROR MESSAGE=Incompatible crypto", "BRIDGE_FAILED"],
    ['SESSION STATUS RESULT=I2P_ERROR MESSAGE="not for you"', "BRIDGE_FAILED"], // i2pd does that
    ["STREAM STATUS RESULT=SOMETHING_NEW", "BRIDGE_FAILED"],
    ["STREAM STATUS", "BRIDGE_BAD_REPLY"],
    ["HELLO REPLY RESULT=OK", "BRIDGE_BAD_REPLY"],
    ["SESSION STATUS RESULT=OK", "BRIDGE_BAD_REPLY"],
  ])("understands %j as %s, says what was asked, and hangs up", async (reply, code) => {
    const [session, bridge] = await sessionAt({ replies: onConnect(`${reply}\n`) })
    await expect(connectStream(session, PEER, call)).rejects.toEqual(
      failing(code, "STREAM CONNECT ID=[hidden] DESTINATION=[hidden]"),
    )
    while (bridge.openCount > 0) await settle()
  })
  it("late OK: nobody waits any more, so the socket is closed", async () => {
    const [session, bridge] = await sessionAt({ replies: { "STREAM CONNECT": () => undefined } })
    const caller = new AbortController()
    const opening = connectStream(session, PEER, { signal: caller.signal })
    const { socket } = await bridge.waiting("STREAM CONNECT")
    socket.write("STREAM STATUS RESULT=OK\nbytes")
    caller.abort()
    await expect(opening).rejects.toEqual(failing("ABORTED"))
    while (bridge.openCount > 0) await settle()
  })
  it("T10: knows no half-close: the end of one direction is the end of both", async () => {
    const [session, bridge] = await sessionAt()
    const stream = await connectStream(session, PEER, call)
    stream.resume()
    const { socket } = bridge.connections[0]!
    socket.end()
    await once(stream, "close")
    expect(stream.writable).toBe(false)
  })
  it("a reset is the consumer's to see, and never an uncaught exception", async () => {
    const [session, bridge] = await sessionAt()
    const stream = await connectStream(session, PEER, call)
    bridge.connections[0]!.socket.resetAndDestroy()
    while (!stream.destroyed) {
      stream.read()
      await settle()
    }
    const looked = await connectStream(session, PEER, call)
    bridge.connections[1]!.socket.resetAndDestroy()
    await expect(whole(looked)).rejects.toThrow("ECONNRESET")
  })
  it("1,000 times over leaves no socket behind", async () => {
    const [session, bridge] = await sessionAt()
    for (let round = 0; round < 100; round++) {
      const streams = await Promise.all(
        Array.from({ length: 10 }, () => connectStream(session, PEER, call)),
      )
      for (const stream of streams) stream.destroy()
    }
    expect(bridge.connections).toHaveLength(1_000)
    while (bridge.openCount > 0) await settle()
    expect(bridge.connections.some(({ pipelined }) => pipelined)).toBe(false)
  })
})

describe("back-pressure", () => {
  const MEGABYTE = 1 << 20
  it("holds what we write while the router reads nothing", async () => {
    const [session, bridge] = await sessionAt()
    const stream = await connectStream(session, PEER, call)
    const chunk = Buffer.alloc(64 << 10, "a")
    let accepted = 0
    while (stream.write(chunk)) {
      accepted += chunk.length
      await settle()
      if (accepted > 64 * MEGABYTE) break
    }
    expect(accepted).toBeLessThan(16 * MEGABYTE) // the kernel's buffers
    expect(stream.writableLength).toBeLessThan(MEGABYTE)
    bridge.connections[0]!.socket.resume()
    await once(stream, "drain")
    stream.destroy()
  })
  it("holds back the router while we read nothing, and then gives every byte", async () => {
    const [session, bridge] = await sessionAt()
    const stream = await connectStream(session, PEER, call)
    const { socket } = bridge.connections[0]!
    const byteCount = 32 * MEGABYTE
    const pieces = Array.from({ length: 512 }, () => Buffer.alloc(64 << 10, "b"))
    const sending = pipeline(pieces, socket)
    for (let turn = 0; turn < 20; turn++) await settle()
    expect(stream.readableLength).toBeLessThan(MEGABYTE)
    expect(socket.bytesWritten).toBeLessThan(byteCount)
    let got = 0
    for await (const chunk of stream) got += chunk.length
    expect(got).toBe(byteCount)
    await sending
  })
})

describe("acceptStream()", () => {
  const onAccept = (reply: string): Replies => ({ "STREAM ACCEPT": () => reply })
  it.each([
    ["", false],
    [" FROM_PORT=0 TO_PORT=8080", false],
    [" SOMETHING=NEW", true],
  ])(
    "says who came, and keeps the bytes behind (%j, byte by byte: %s)",
    async (tail, byteByByte) => {
      const text = `STREAM STATUS RESULT=OK\n${PEER.base64}${tail}\nhello\nworld`
      const [session, bridge] = await sessionAt({ byteByByte, replies: onAccept(text) })
      const stream = await acceptStream(session, call)
      expect([stream.peer.b32, stream.direction]).toEqual([PEER.b32, "in"])
      expect(bridge.lines[1]).toBe("STREAM ACCEPT ID=an-id SILENT=false")
      bridge.connections[0]!.socket.end()
      expect(await whole(stream)).toBe("hello\nworld")
    },
  )
  it("waits as long as it takes, and answers PING meanwhile", async () => {
    const [session, bridge] = await sessionAt({ version: "3.3" })
    const arriving = acceptStream(session, call)
    const connection = await bridge.waiting("STREAM ACCEPT")
    await settle()
    connection.socket.write("PING 17\n")
    while (connection.lines.length < 3) await settle()
    expect(connection.lines[2]).toBe("PONG 17")
    connection.socket.write(`${PEER.base64}\n`)
    expect((await arriving).peer.b32).toBe(PEER.b32)
    ;(await arriving).destroy()
  })
  it("reads any destination that agrees with its certificate", async () => {
    const dsa = readDestination(new Uint8Array(387))
    const [session] = await sessionAt({
      replies: onAccept(`STREAM STATUS RESULT=OK\n${dsa.base64}\n`),
    })
    const stream = await acceptStream(session, call)
    expect(stream.peer.b32).toBe(dsa.b32)
    stream.destroy()
  })
  it.each([
    ["STREAM STATUS RESULT=I2P_ERROR MESSAGE=session closed\n", "SESSION_LOST"], // instead of a destination
    ["STREAM STATUS RESULT=INVALID_ID\n", "SESSION_LOST"],
    ["SESSION STATUS RESULT=I2P_ERROR\n", "SESSION_LOST"],
    ["\n", "BRIDGE_BAD_REPLY"],
    [`${PEER.base64.slice(0, -2)}\n`, "BRIDGE_BAD_REPLY"],
    ["hello, I am no destination\n", "BRIDGE_BAD_REPLY"],
    ["x".repeat(9000), "BRIDGE_BAD_REPLY"],
  ])("takes %j in place of a destination for %s", async (line, code) => {
    const [session, bridge] = await sessionAt({
      replies: onAccept(`STREAM STATUS RESULT=OK\n${line}`),
    })
    await expect(acceptStream(session, call)).rejects.toEqual(failing(code))
    while (bridge.openCount > 0) await settle()
  })
  it.each([
    ["STREAM STATUS RESULT=INVALID_ID\n", "SESSION_LOST"],
    ["STREAM STATUS RESULT=ALREADY_ACCEPTING\n", "BUSY"],
    ["STREAM STATUS RESULT=I2P_ERROR\n", "BRIDGE_FAILED"],
  ])("understands %j", async (reply, code) => {
    const [session] = await sessionAt({ replies: onAccept(reply) })
    await expect(acceptStream(session, call)).rejects.toEqual(failing(code))
  })
  it("gives up when told to, and closes the socket", async () => {
    const [session, bridge] = await sessionAt()
    const caller = new AbortController()
    const arriving = acceptStream(session, { signal: caller.signal })
    await bridge.waiting("STREAM ACCEPT")
    caller.abort()
    await expect(arriving).rejects.toEqual(failing("ABORTED"))
    while (bridge.openCount > 0) await settle()
  })
})

import { once, setMaxListeners } from "node:events"
import { createServer } from "node:net"
import { pipeline } from "node:stream/promises"
import { afterEach, describe, expect, it } from "vitest"
import { systemClock } from "../../../src/base/clock.ts"
import type { AlliumError } from "../../../src/base/errors.ts"
import { silentLog } from "../../../src/base/log.ts"
import { type Conversation, openConversation } from "../../../src/sam/conversation.ts"
import { generateRequest, lookupRequest } from "../../../src/sam/requests.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"
import {
  openScriptedBridge,
  PEER,
  type Script,
  type ScriptedBridge,
} from "../../support/scripted-bridge.ts"

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]()
})

const never = new AbortController().signal
setMaxListeners(0, never)
const failing = (code: string, message = "") =>
  expect.objectContaining({ code, message: expect.stringContaining(message) })

async function bridgeWith(script: Script = {}): Promise<ScriptedBridge> {
  const bridge = await openScriptedBridge(script)
  open.push(bridge)
  return bridge
}

async function talkTo(
  bridge: Pick<ScriptedBridge, "address">,
  options: { clock?: FakeClock; user?: string; password?: string; signal?: AbortSignal } = {},
): Promise<Conversation & { version?: string }> {
  const { clock = systemClock, signal = never, ...login } = options
  const context = { bridge: { ...bridge.address, ...login }, clock, log: silentLog }
  const { conversation, profile } = await openConversation(context, { signal })
  open.push(conversation)
  return Object.assign(conversation, { version: profile.version })
}

const me = (conversation: Conversation, signal = never, timeoutMs = 5_000) =>
  conversation.ask(lookupRequest("peer.i2p"), { signal, timeoutMs })

describe("openConversation()", () => {
  it.each(["3.1", "3.2", "3.3"])("offers 3.1 to 3.3 and speaks %s", async (version) => {
    const bridge = await bridgeWith({ version })
    expect(await talkTo(bridge)).toMatchObject({ version })
    expect(bridge.lines).toEqual(["HELLO VERSION MIN=3.1 MAX=3.3"])
  })
  it("gives user and password, quoted, to bridges that want them", async () => {
    const bridge = await bridgeWith()
    await talkTo(bridge, { user: "ann", password: 'two "words' })
    expect(bridge.lines).toEqual([
      String.raw`HELLO VERSION MIN=3.1 MAX=3.3 USER=ann PASSWORD="two \"words"`,
    ])
  })
  it.each([
    ["HELLO REPLY RESULT=NOVERSION\n", "BRIDGE_REFUSED", "NOVERSION"],
    [
      'HELLO REPLY RESULT=I2P_ERROR MESSAGE="Authorization failed"\n',
      "BRIDGE_REFUSED",
      "(Authorization failed)",
    ],
    ["HELLO REPLY RESULT=OK VERSION=4.0\n", "BRIDGE_REFUSED", "did not offer"],
    ["HELLO REPLY RESULT=OK\n", "BRIDGE_REFUSED", "did not offer"],
    ["HELLO REPLY VERSION=3.1\n", "BRIDGE_BAD_REPLY", "expected HELLO REPLY RESULT=OK"],
    ["STREAM STATUS RESULT=OK\n", "BRIDGE_BAD_REPLY", "got STREAM STATUS RESULT=OK"],
    ["HTTP/1.1 400 Bad Request\r\n\r\n", "BRIDGE_BAD_REPLY", "got HTTP/1.1 400 Bad Request"],
    ["SSH-2.0-OpenSSH_9.2\r\n", "BRIDGE_BAD_REPLY", "SSH-2.0"],
    ["\n", "BRIDGE_BAD_REPLY", "expected a SAM reply"],
    ["\x16\x03\x01\x00\xa5\n", "BRIDGE_BAD_REPLY", "expected a SAM reply"],
    [`HELLO REPLY ${"x".repeat(9000)}\n`, "BRIDGE_BAD_REPLY", "no end within 8192 bytes"],
  ])("answers %j with a clear error", async (reply, code, message) => {
    const bridge = await bridgeWith({ replies: { HELLO: () => reply } })
    const attempt = talkTo(bridge, { user: "ann", password: "not-telling" })
    await expect(attempt).rejects.toEqual(failing(code, message))
    expect(((await attempt.catch((error) => error)) as Error).message).not.toContain("not-telling")
  })
  it("says that nothing listens", async () => {
    const server = createServer().listen(0, "127.0.0.1")
    await once(server, "listening")
    const { port } = server.address() as { port: number }
    server.close()
    await once(server, "close")
    await expect(talkTo({ address: { host: "127.0.0.1", port } })).rejects.toEqual(
      failing("BRIDGE_UNREACHABLE", `nothing answers at 127.0.0.1:${port} (ECONNREFUSED)`),
    )
  })
  it("tells a bridge that says nothing from one that is slow", async () => {
    const bridge = await bridgeWith({ replies: { HELLO: () => undefined } })
    const clock = new FakeClock()
    const attempt = talkTo(bridge, { clock })
    attempt.catch(() => {})
    await bridge.waiting("HELLO")
    await clock.pass(19_999)
    expect(bridge.openCount).toBe(1)
    await clock.pass(1)
    await expect(attempt).rejects.toEqual(failing("BRIDGE_SILENT", "20000 ms"))
  })
  it("tells a bridge that hangs up, politely or not", async () => {
    for (const deed of ["end", "resetAndDestroy"] as const) {
      const hangUp = (_: string, { socket }: { socket: import("node:net").Socket }) => {
        socket[deed]()
        return undefined
      }
      const bridge = await bridgeWith({ replies: { HELLO: hangUp } })
      await expect(talkTo(bridge)).rejects.toEqual(failing("BRIDGE_UNREACHABLE", "closed"))
    }
  })
  it("hangs up on a line that never ends, long before 64 MB of it", async () => {
    const bridge = await bridgeWith({ replies: { HELLO: () => undefined } })
    const attempt = talkTo(bridge)
    attempt.catch(() => {})
    const { socket } = await bridge.waiting("HELLO")
    const pieces = Array.from({ length: 1024 }, () => Buffer.alloc(64 << 10, "x"))
    await expect(pipeline(pieces, socket)).rejects.toThrow() // cut off by the client
    await expect(attempt).rejects.toEqual(failing("BRIDGE_BAD_REPLY", "no end within 8192 bytes"))
    expect(socket.bytesWritten).toBeLessThan(16 << 20) // what the kernel holds
  })
  it("takes its answer byte by byte", async () => {
    const bridge = await bridgeWith({ byteByByte: true })
    const conversation = await talkTo(bridge)
    expect((await me(conversation)).b32).toBe(PEER.b32)
  })
  it.each([
    ["ABORTED", () => AbortSignal.abort()],
    ["TIMED_OUT", () => AbortSignal.timeout(5)],
  ])("stops with %s, and leaves no socket behind", async (code, makeSignal) => {
    const bridge = await bridgeWith({ replies: { HELLO: () => undefined } })
    await expect(talkTo(bridge, { signal: makeSignal() })).rejects.toEqual(failing(code))
    while (bridge.openCount > 0) await settle()
  })
})

describe("Conversation.ask()", () => {
  it("T14: keeps one command in flight, each in a write of its own", async () => {
    const bridge = await bridgeWith()
    const conversation = await talkTo(bridge)
    const answers = await Promise.all(Array.from({ length: 10 }, () => me(conversation)))
    expect(answers).toHaveLength(10)
    expect(bridge.seen("NAMING")).toHaveLength(10)
    expect(bridge.connections.every(({ pipelined }) => !pipelined)).toBe(true)
  })
  it("does not write before the answer to the last question", async () => {
    const bridge = await bridgeWith({ replies: { NAMING: () => undefined } })
    const conversation = await talkTo(bridge)
    const [first, second] = [me(conversation), me(conversation)]
    const { socket } = await bridge.waiting("NAMING")
    await settle()
    expect(bridge.seen("NAMING")).toHaveLength(1)
    const reply = `NAMING REPLY RESULT=OK NAME=x VALUE=${PEER.base64}\n`
    // Both answers in one segment: the second belongs to a question that is written afterwards.
    socket.write(reply)
    await first
    await bridge.waiting("NAMING")
    socket.write(reply)
    expect((await second).b32).toBe(PEER.b32)
  })
  it("T11: answers PING with what stood in it, whoever waits, and never pings", async () => {
    const bridge = await bridgeWith()
    const conversation = await talkTo(bridge)
    const connection = await bridge.waiting("HELLO")
    connection.socket.write("PING 1700000000000 x\nPONG\nPING\n")
    while (connection.lines.length < 3) await settle()
    expect(connection.lines.slice(1)).toEqual(["PONG 1700000000000 x", "PONG"])
    expect((await me(conversation)).b32).toBe(PEER.b32)
    expect(bridge.seen("PING")).toEqual([])
  })
  it("does not pile up answers for a bridge that pings and never reads", async () => {
    const bridge = await bridgeWith({
      replies: {
        HELLO: (_, connection) => {
          connection.stream = true
          return "HELLO REPLY RESULT=OK VERSION=3.3\n"
        },
      },
    })
    const conversation = await talkTo(bridge)
    const { socket } = await bridge.waiting("HELLO")
    const flood = Buffer.from(`PING ${"x".repeat(4000)}\n`.repeat(250))
    const keepOn = () => {
      while (!socket.destroyed && socket.write(flood));
    }
    socket.on("drain", keepOn)
    keepOn()
    expect(await conversation.closed).toEqual(failing("BRIDGE_BAD_REPLY", "reads nothing"))
  })
  it("drops the late answer of somebody who gave up, and does not give it to the next", async () => {
    const bridge = await bridgeWith({ replies: { NAMING: () => undefined } })
    const conversation = await talkTo(bridge)
    const caller = new AbortController()
    const given = conversation.ask(lookupRequest("one.i2p"), { signal: caller.signal })
    const { socket } = await bridge.waiting("NAMING")
    caller.abort()
    await expect(given).rejects.toEqual(failing("ABORTED"))
    const next = conversation.ask(generateRequest(), { signal: never })
    socket.write(`NAMING REPLY RESULT=OK NAME=one.i2p VALUE=${PEER.base64}\n`)
    expect(await next).toHaveLength(679)
  })
  it("does not ask at all for somebody who gave up while waiting", async () => {
    const bridge = await bridgeWith({ replies: { NAMING: () => undefined } })
    const conversation = await talkTo(bridge)
    const caller = new AbortController()
    const first = me(conversation)
    const second = me(conversation, caller.signal)
    caller.abort()
    await expect(second).rejects.toEqual(failing("ABORTED"))
    const { socket } = await bridge.waiting("NAMING")
    socket.write(`NAMING REPLY RESULT=OK NAME=one.i2p VALUE=${PEER.base64}\n`)
    await first
    await settle()
    expect(bridge.seen("NAMING")).toHaveLength(1)
  })
  it("ends all when one answer is overdue: the next could not be told from it", async () => {
    const bridge = await bridgeWith({ replies: { NAMING: () => undefined } })
    const clock = new FakeClock()
    const conversation = await talkTo(bridge, { clock })
    const both = Promise.allSettled([me(conversation), me(conversation)])
    await bridge.waiting("NAMING")
    await clock.pass(5_000)
    for (const result of await both)
      expect(result).toMatchObject({ status: "rejected", reason: { code: "BRIDGE_SILENT" } })
    expect(((await conversation.closed) as AlliumError).code).toBe("BRIDGE_SILENT")
  })
  it("lets 64 wait, and tells the next that it is busy", async () => {
    const bridge = await bridgeWith({ replies: { NAMING: () => undefined } })
    const conversation = await talkTo(bridge)
    const waiting = Array.from({ length: 64 }, () => me(conversation))
    await expect(me(conversation)).rejects.toEqual(failing("BUSY"))
    conversation.close()
    for (const one of await Promise.allSettled(waiting)) expect(one.status).toBe("rejected")
  })
  it("passes over lines nobody asked for, unless they are no SAM", async () => {
    const bridge = await bridgeWith()
    const conversation = await talkTo(bridge)
    const { socket } = await bridge.waiting("HELLO")
    socket.write("SOMETHING NEW A=1\nPING\n")
    await bridge.waiting("PONG")
    expect((await me(conversation)).b32).toBe(PEER.b32)
    socket.write("\x00\x01\n")
    expect(await conversation.closed).toEqual(failing("BRIDGE_BAD_REPLY"))
  })
  it("knows when the router ends the session unasked", async () => {
    const bridge = await bridgeWith()
    const conversation = await talkTo(bridge)
    const { socket } = await bridge.waiting("HELLO")
    socket.write('SESSION STATUS RESULT=I2P_ERROR MESSAGE="tunnels failed"\n')
    expect(await conversation.closed).toEqual(failing("SESSION_LOST"))
    await expect(me(conversation)).rejects.toEqual(failing("SESSION_LOST"))
  })
})

import { setMaxListeners } from "node:events"
import { afterEach, describe, expect, it } from "vitest"
import { openLog } from "../../../src/base/log.ts"
import { seededChance } from "../../../src/base/random.ts"
import { encodeBase64 } from "../../../src/sam/base64.ts"
import { deriveDestinationKeys } from "../../../src/sam/derive.ts"
import { openKeyGuard } from "../../../src/sam/key-guard.ts"
import { parseSamLine } from "../../../src/sam/message.ts"
import type { SamStream, Session, SessionState } from "../../../src/sam/session.ts"
import {
  openSupervisedSession,
  type SupervisedSessionOptions,
} from "../../../src/sam/supervised-session.ts"
import { FakeClock, settle } from "../../support/fake-clock.ts"
import {
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

const { privateKeyFile, destination } = deriveDestinationKeys(new Uint8Array(32).fill(0x77))
const never = new AbortController().signal
setMaxListeners(0, never)
const call = { signal: never }
const failing = (code: string, message = "") =>
  expect.objectContaining({ code, message: expect.stringContaining(message) })

async function bridgeWith(script: Script = {}): Promise<ScriptedBridge> {
  const bridge = await openScriptedBridge(script)
  open.push(bridge)
  return bridge
}

interface Stage {
  readonly session: Session
  readonly clock: FakeClock
  readonly log: string[]
  readonly states: string[]
}

function superviseAt(
  bridge: Pick<ScriptedBridge, "address">,
  options: Partial<SupervisedSessionOptions> = {},
): Stage {
  const clock = new FakeClock()
  const log: string[] = []
  const session = openSupervisedSession({
    bridge: bridge.address,
    keys: privateKeyFile,
    clock,
    chance: seededChance(1),
    log: openLog({ level: "debug", write: (line) => log.push(line), now: () => clock.now() }),
    ...options,
  })
  open.push(session)
  const states: string[] = []
  session.watch((state) => states.push(nameOf(state)))
  return { session, clock, log, states }
}

const nameOf = (state: SessionState): string =>
  state.name === "down" ? `down: ${state.reason.code}` : state.name

/** Lets time pass in small steps until it is so. */
async function passUntil(clock: FakeClock, isSo: () => boolean, stepMs = 500): Promise<number> {
  const begin = clock.now()
  for (let step = 0; !isSo(); step++) {
    if (step > 2_000) throw new Error("It never came to that")
    await clock.pass(stepMs)
    await settle()
  }
  return clock.now() - begin
}

describe("openSupervisedSession()", () => {
  it("returns at once, and is up when the router says so", async () => {
    const bridge = await bridgeWith()
    const { session, states } = superviseAt(bridge)
    expect(session.state.name).toBe("opening")
    expect(session.destination.b32).toBe(destination.b32)
    await session.ready(call)
    expect(states).toEqual(["up"])
    const create = parseSamLine(bridge.seen("SESSION CREATE")[0]!)
    expect(Object.fromEntries(create.values)).toEqual({
      STYLE: "STREAM",
      ID: expect.stringMatching(/^[0-9a-f]{20}$/),
      DESTINATION: encodeBase64(privateKeyFile),
      "inbound.quantity": "3",
      "outbound.quantity": "3",
      "i2cp.leaseSetEncType": "4",
      "i2p.streaming.answerPings": "false",
    })
  })
  it("sends a nickname only when asked to, and options over its own", async () => {
    const bridge = await bridgeWith()
    const i2cpOptions = { "inbound.length": "1", "inbound.quantity": "5" }
    await superviseAt(bridge, { nickname: "my-app", i2cpOptions }).session.ready(call)
    const { values } = parseSamLine(bridge.seen("SESSION CREATE")[0]!)
    expect(values.get("inbound.nickname")).toBe("my-app")
    expect(values.get("inbound.quantity")).toBe("5")
    expect(values.get("inbound.length")).toBe("1")
  })
  it.each([
    ["keys that are none", { keys: new Uint8Array(679) }, "BAD_DESTINATION_KEYS"],
    ["a nickname with a space", { nickname: "my app" }, "BAD_INPUT"],
    ["SIGNATURE_TYPE as an option", { i2cpOptions: { SIGNATURE_TYPE: "99" } }, "BAD_INPUT"],
  ])("refuses %s at once", (_, options, code) => {
    const address = { host: "127.0.0.1", port: 1 }
    expect(() => superviseAt({ address }, options)).toThrow(failing(code))
  })
  it("T2: waits for minutes when the router takes minutes", async () => {
    const bridge = await bridgeWith({ replies: { "SESSION CREATE": () => undefined } })
    const { session, clock } = superviseAt(bridge)
    const { socket, lines } = await bridge.waiting("SESSION CREATE")
    for (let minute = 0; minute < 5; minute++) {
      await passUntil(clock, () => false || clock.now() > 1_000_000 + (minute + 1) * 60_000, 5_000)
      expect(session.state.name).toBe("opening")
    }
    const keys = parseSamLine(lines.at(-1)!).values.get("DESTINATION")
    socket.write(`SESSION STATUS RESULT=OK DESTINATION=${keys}\n`)
    await session.ready(call)
  })
  it("tells a bridge that hangs from one that is slow", async () => {
    const bridge = await bridgeWith({ replies: { "SESSION CREATE": () => undefined } })
    const { clock, states } = superviseAt(bridge)
    await bridge.waiting("SESSION CREATE")
    bridge.replies = { "": () => undefined }
    const ms = await passUntil(clock, () => states.length > 0)
    expect(states).toEqual(["down: BRIDGE_SILENT"])
    expect(ms).toBeLessThan(120_000)
  })
  it("waits for a bridge that is not there yet, and asks where it is each time", async () => {
    const bridge = await bridgeWith()
    let asked = 0
    const nowhere = { host: "127.0.0.1", port: 1 }
    const { session, clock, states } = superviseAt(bridge, {
      bridge: async () => (++asked < 4 ? nowhere : bridge.address),
    })
    const ms = await passUntil(clock, () => session.state.name === "up")
    expect(states).toEqual(["down: BRIDGE_UNREACHABLE", "down: SESSION_LOST", "up"])
    expect(asked).toBe(4)
    expect(ms).toBeLessThan(10_000) // no cool-down: the keys were never shown to anybody
  })
  it("T4: comes back with the same keys, after they have rested for ten seconds", async () => {
    const bridge = await bridgeWith()
    const { session, clock, states } = superviseAt(bridge)
    await session.ready(call)
    bridge.connections[0]!.socket.resetAndDestroy()
    while (session.state.name === "up") await settle()
    const lostMs = clock.now()
    await passUntil(clock, () => session.state.name === "up", 100)
    expect(clock.now() - lostMs).toBeGreaterThanOrEqual(10_000)
    expect(clock.now() - lostMs).toBeLessThan(16_000)
    expect(states).toEqual(["up", "down: BRIDGE_UNREACHABLE", "down: SESSION_LOST", "up"])
    const creates = bridge.seen("SESSION CREATE").map((line) => parseSamLine(line).values)
    expect(creates).toHaveLength(2)
    expect(creates[1]?.get("DESTINATION")).toBe(creates[0]?.get("DESTINATION"))
    expect(creates[1]?.get("ID")).not.toBe(creates[0]?.get("ID"))
  })
  it("A15: renewed keys are others each time, and have no rest to wait for", async () => {
    const bridge = await bridgeWith()
    const { session, clock } = superviseAt(bridge, { keys: "renewed" })
    await session.ready(call)
    const { b32 } = session.destination
    bridge.connections[0]!.socket.destroy()
    while (session.state.name === "up") await settle()
    const ms = await passUntil(clock, () => session.state.name === "up", 100)
    expect(ms).toBeLessThan(5_000)
    const [first, second] = bridge
      .seen("SESSION CREATE")
      .map((line) => parseSamLine(line).values.get("DESTINATION")!)
    expect(second).not.toBe(first)
    expect(session.destination.b32).not.toBe(b32)
    expect(second?.startsWith(session.destination.base64.slice(0, 500))).toBe(true)
  })
  it("renewed keys stay the same while a bridge that is away never saw them", async () => {
    const bridge = await bridgeWith()
    let asked = 0
    const nowhere = { host: "127.0.0.1", port: 1 }
    const { session, clock } = superviseAt(bridge, {
      keys: "renewed",
      bridge: async () => (++asked < 4 ? nowhere : bridge.address),
    })
    const { b32 } = session.destination
    await passUntil(clock, () => session.state.name === "up")
    expect(session.destination.b32).toBe(b32)
  })
  it("keeps transient keys as long as it lives", async () => {
    const bridge = await bridgeWith()
    const { session, clock } = superviseAt(bridge, { keys: "transient", coolDownMs: 0 })
    await session.ready(call)
    bridge.connections[0]!.socket.destroy()
    while (session.state.name === "up") await settle()
    await passUntil(clock, () => session.state.name === "up")
    const keys = bridge
      .seen("SESSION CREATE")
      .map((line) => parseSamLine(line).values.get("DESTINATION"))
    expect(keys[0]).toHaveLength(908)
    expect(keys[1]).toBe(keys[0])
    expect(keys[0]?.startsWith(session.destination.base64.slice(0, 500))).toBe(true)
  })
  it.each([
    ["DUPLICATED_DEST", "down: DESTINATION_TAKEN"],
    ["DUPLICATED_ID", "down: SESSION_ID_TAKEN"],
    ["I2P_ERROR MESSAGE=no tunnels", "down: BRIDGE_FAILED"],
    ["INVALID_KEY", "down: BAD_DESTINATION_KEYS"],
  ])("tries again after %s", async (result, state) => {
    const bridge = await bridgeWith({
      replies: { "SESSION CREATE": () => `SESSION STATUS RESULT=${result}\n` },
    })
    const { session, clock, states } = superviseAt(bridge)
    await passUntil(clock, () => states.length > 0, 1)
    expect(states).toEqual([state])
    bridge.replies = {}
    const ms = await passUntil(clock, () => session.state.name === "up")
    expect(ms).toBeGreaterThanOrEqual(10_000)
  })
  it("takes an empty DESTINATION in SESSION STATUS for what it is, and another one for a fault", async () => {
    const bridge = await bridgeWith({
      replies: { "SESSION CREATE": () => "SESSION STATUS RESULT=OK DESTINATION=\n" },
    })
    await superviseAt(bridge).session.ready(call)
    const other = encodeBase64(deriveDestinationKeys(new Uint8Array(32)).privateKeyFile)
    bridge.replies = { "SESSION CREATE": () => `SESSION STATUS RESULT=OK DESTINATION=${other}\n` }
    const second = superviseAt(bridge)
    await passUntil(second.clock, () => second.states.length > 0, 1)
    expect(second.states).toEqual(["down: BRIDGE_BAD_REPLY"])
  })
})

describe("the heartbeat", () => {
  it("asks NAMING LOOKUP ME every 30 s on the control socket, and never PING", async () => {
    const bridge = await bridgeWith()
    const { session, clock } = superviseAt(bridge)
    await session.ready(call)
    await passUntil(clock, () => clock.now() >= 1_000_000 + 95_000)
    expect(session.state.name).toBe("up")
    expect(bridge.connections[0]!.lines.slice(2)).toEqual(Array(3).fill("NAMING LOOKUP NAME=ME"))
    expect(bridge.seen("PING")).toEqual([])
  })
  it("T17: finds a dead router which keeps its sockets open, within a minute", async () => {
    const bridge = await bridgeWith()
    const { session, clock, log, states } = superviseAt(bridge)
    await session.ready(call)
    bridge.replies = { "": () => undefined }
    const ms = await passUntil(clock, () => states.length > 1)
    expect(states).toEqual(["up", "down: BRIDGE_SILENT"])
    expect(ms).toBeLessThanOrEqual(60_000)
    expect(log.join("\n")).toContain("sam.heartbeat-late")
  })
  it("is patient once: an answer after 15 s is late, but an answer", async () => {
    const bridge = await bridgeWith()
    const { session, clock, states } = superviseAt(bridge)
    await session.ready(call)
    bridge.replies = { "NAMING LOOKUP": () => undefined }
    await passUntil(clock, () => bridge.seen("NAMING").length > 0)
    await clock.pass(15_000)
    const own = `NAMING REPLY RESULT=OK NAME=ME VALUE=${destination.base64}\n`
    bridge.connections[0]!.socket.write(own)
    bridge.replies = {}
    await passUntil(clock, () => bridge.seen("NAMING").length > 1)
    expect(states).toEqual(["up"])
  })
  it("finds a session which is no longer ours: ME is somebody else", async () => {
    const bridge = await bridgeWith()
    const { session, clock, states } = superviseAt(bridge)
    await session.ready(call)
    const shared = `NAMING REPLY RESULT=OK NAME=ME VALUE=${PEER.base64}\n`
    bridge.replies = { "NAMING LOOKUP": () => shared }
    await passUntil(clock, () => states.length > 1)
    expect(states).toEqual(["up", "down: SESSION_LOST"])
  })
})

describe("a zombie (T4: keys used again too soon, by somebody else)", () => {
  const toSelf = `DESTINATION=${destination.base64}`
  const onSelf = (reply: string): Replies => ({
    "STREAM CONNECT": (line, connection) => {
      if (line.includes(toSelf)) return reply
      connection.stream = true
      return "STREAM STATUS RESULT=OK\n"
    },
  })
  it("is found by its own destination, which it no longer reaches", async () => {
    const bridge = await bridgeWith()
    const { session, clock, states } = superviseAt(bridge)
    await session.ready(call)
    await passUntil(clock, () => bridge.seen("STREAM CONNECT").length === 1)
    bridge.replies = onSelf("STREAM STATUS RESULT=CANT_REACH_PEER\n")
    const ms = await passUntil(clock, () => states.length > 1)
    expect(states).toEqual(["up", "down: SESSION_LOST"])
    expect(ms).toBeLessThan(30_000)
  })
  it("is not seen in a router which never connects to itself", async () => {
    const bridge = await bridgeWith({ replies: onSelf("STREAM STATUS RESULT=CANT_REACH_PEER\n") })
    const { session, clock, states } = superviseAt(bridge)
    await session.ready(call)
    await passUntil(clock, () => clock.now() >= 1_000_000 + 700_000, 5_000)
    expect(states).toEqual(["up"])
    expect(bridge.seen("STREAM CONNECT").length).toBeGreaterThan(2)
  })
  it("is found by INVALID_ID at any time, by the probe or by whoever connects", async () => {
    const bridge = await bridgeWith()
    const { session, clock, states } = superviseAt(bridge)
    await session.ready(call)
    bridge.replies = {
      "STREAM CONNECT": () => {
        bridge.replies = {}
        return "STREAM STATUS RESULT=INVALID_ID\n"
      },
    }
    const connecting = session.connect(PEER.base64, call)
    await passUntil(clock, () => states.length === 3)
    expect(states).toEqual(["up", "down: SESSION_LOST", "up"])
    ;(await connecting).destroy() // on the new session; the caller has noticed nothing
  })
})

describe("two sessions with one key (T5)", () => {
  it("are never opened in one process", async () => {
    const bridge = await bridgeWith()
    const { session, clock } = superviseAt(bridge)
    await session.ready(call)
    const second = superviseAt(bridge, { clock })
    await passUntil(clock, () => second.states.length > 0, 1)
    expect(second.states).toEqual(["down: DESTINATION_TAKEN"])
    expect(bridge.seen("SESSION CREATE")).toHaveLength(1)
    await session[Symbol.asyncDispose]()
    await passUntil(clock, () => second.session.state.name === "up")
    expect(bridge.seen("SESSION CREATE")).toHaveLength(2)
  })
  it("nor right after a crash, when the guard remembers", async () => {
    const bridge = await bridgeWith()
    const clock = new FakeClock()
    const memory = {
      read: async () => ({ state: "held" as const, atMs: 5 }),
      write: async () => {},
    }
    const { session } = superviseAt(bridge, { clock, guard: openKeyGuard({ clock, memory }) })
    const ms = await passUntil(clock, () => session.state.name === "up", 100)
    expect(ms).toBeGreaterThanOrEqual(10_000)
  })
})

describe("Session.connect()", () => {
  it("waits for the session to be up", async () => {
    const bridge = await bridgeWith({ replies: { "SESSION CREATE": () => undefined } })
    const { session } = superviseAt(bridge)
    const connecting = session.connect(PEER.base64, call)
    const { socket } = await bridge.waiting("SESSION CREATE")
    await settle()
    expect(bridge.seen("STREAM")).toEqual([])
    socket.write("SESSION STATUS RESULT=OK DESTINATION=\n")
    expect((await connecting).peer.b32).toBe(PEER.b32)
  })
  it("T7: takes OK for no more than it is: data may still fail", async () => {
    const bridge = await bridgeWith()
    const { session } = superviseAt(bridge)
    const stream = await session.connect(PEER.base64, call)
    const { socket } = bridge.connections.at(-1)!
    socket.destroy()
    stream.resume()
    while (!stream.destroyed) await settle()
    expect(session.state.name).toBe("up")
  })
  it("asks once who is behind an address, and only after it has connected", async () => {
    const bridge = await bridgeWith()
    const { session } = superviseAt(bridge)
    for (const name of [PEER.b32, PEER.b32.toUpperCase(), PEER.base64])
      (await session.connect(name, call)).destroy()
    expect(bridge.connections[0]!.lines.slice(2)).toEqual([`NAMING LOOKUP NAME=${PEER.b32}`])
    const connects = bridge.seen("STREAM CONNECT").map((line) => parseSamLine(line).values)
    const targets = connects.map((values) => values.get("DESTINATION"))
    expect(targets).toEqual([PEER.b32, PEER.base64, PEER.base64])
    expect(bridge.lines.indexOf(`NAMING LOOKUP NAME=${PEER.b32}`)).toBeGreaterThan(
      bridge.lines.findIndex((line) => line.startsWith("STREAM CONNECT")),
    )
  })
  it("is not held up by a peer who is away", async () => {
    const away = `${"a".repeat(52)}.b32.i2p`
    const bridge = await bridgeWith({
      replies: {
        "STREAM CONNECT": (line, connection) => {
          if (line.includes(away)) return undefined
          connection.stream = true
          return "STREAM STATUS RESULT=OK\n"
        },
      },
    })
    const { session } = superviseAt(bridge)
    const caller = new AbortController()
    const waiting = session.connect(away, { signal: caller.signal })
    await bridge.waiting("STREAM CONNECT")
    ;(await session.connect(PEER.b32, call)).destroy()
    caller.abort()
    await expect(waiting).rejects.toEqual(failing("ABORTED"))
  })
  it("refuses an answer that is not what the address stands for", async () => {
    const bridge = await bridgeWith()
    const { session } = superviseAt(bridge)
    const connecting = session.connect(`${"a".repeat(52)}.b32.i2p`, call)
    await expect(connecting).rejects.toEqual(failing("BRIDGE_BAD_REPLY", "with that hash"))
    while (bridge.openCount > 1) await settle()
  })
  it.each([
    ["its own destination", destination.base64, "PEER_UNREACHABLE"],
    ["a destination without padding (T20)", PEER.base64.replace(/=+$/, ""), "BAD_DESTINATION"],
    ["no name", "a b.i2p", "BAD_NAME"],
    ["a name with a second value", "a.i2p FROM_PORT=1", "BAD_NAME"],
    ["a name of another world", "example.com", "BAD_NAME"],
  ])("refuses %s", async (_, target, code) => {
    const bridge = await bridgeWith()
    const { session } = superviseAt(bridge)
    await expect(session.connect(target, call)).rejects.toEqual(failing(code))
    expect(bridge.seen("STREAM CONNECT")).toEqual([])
  })
  it("tells a peer that is away from a bridge that is broken", async () => {
    const bridge = await bridgeWith({
      replies: {
        "NAMING LOOKUP": () => "NAMING REPLY RESULT=INVALID_KEY NAME=x\n",
        "STREAM CONNECT": () => "STREAM STATUS RESULT=INVALID_KEY\n",
      },
    })
    const { session } = superviseAt(bridge)
    await expect(session.connect(PEER.b32, call)).rejects.toEqual(failing("PEER_UNREACHABLE"))
    await expect(session.lookup("nobody.i2p", call)).rejects.toEqual(failing("NAME_NOT_FOUND"))
    await expect(session.connect("nobody.i2p", call)).rejects.toEqual(failing("NAME_NOT_FOUND"))
  })
  it("stops when its caller gives up, and when the session closes", async () => {
    const bridge = await bridgeWith({ replies: { "SESSION CREATE": () => undefined } })
    const { session } = superviseAt(bridge)
    await expect(session.connect(PEER.base64, { signal: AbortSignal.timeout(5) })).rejects.toEqual(
      failing("TIMED_OUT"),
    )
    const waiting = session.connect(PEER.base64, call)
    const settled = expect(waiting).rejects.toEqual(failing("SESSION_CLOSED"))
    await session[Symbol.asyncDispose]()
    await settled
    await expect(session.ready(call)).rejects.toEqual(failing("SESSION_CLOSED"))
    while (bridge.openCount > 0) await settle()
  })
})

describe("Session.incoming", () => {
  const arrival = `${PEER.base64}\n`
  /** One stream arrives on whichever ACCEPT is pending. */
  const arrive = async (bridge: ScriptedBridge, text = ""): Promise<void> => {
    const connection = await bridge.waiting("STREAM ACCEPT")
    connection.lines.push("arrived")
    connection.stream = true
    connection.socket.write(arrival + text)
  }
  it("accepts nothing while nobody iterates", async () => {
    const bridge = await bridgeWith()
    const { session } = superviseAt(bridge)
    await session.ready(call)
    for (let turn = 0; turn < 10; turn++) await settle()
    expect(bridge.seen("STREAM ACCEPT")).toEqual([])
  })
  it("T13: has exactly one ACCEPT pending, and arms it again at once", async () => {
    const bridge = await bridgeWith()
    const { session } = superviseAt(bridge)
    const got: SamStream[] = []
    void (async () => {
      for await (const stream of session.incoming) got.push(stream)
    })()
    for (let count = 1; count <= 20; count++) {
      await arrive(bridge)
      while (bridge.seen("STREAM ACCEPT").length <= count) await settle()
      const armed = bridge.connections.filter(({ lines }) =>
        lines.at(-1)?.startsWith("STREAM ACCEPT"),
      )
      expect(armed).toHaveLength(1)
    }
    expect(got).toHaveLength(20)
  })
  it("pauses when the backlog is full, and goes on when there is room", async () => {
    const bridge = await bridgeWith()
    const { session } = superviseAt(bridge, { backlog: 2 })
    const streams = session.incoming[Symbol.asyncIterator]()
    const first = streams.next()
    for (let count = 0; count < 3; count++) await arrive(bridge)
    await first
    for (let turn = 0; turn < 20; turn++) await settle()
    expect(bridge.seen("STREAM ACCEPT")).toHaveLength(3) // one taken, two wait, none armed
    await streams.next()
    await bridge.waiting("STREAM ACCEPT")
    expect(bridge.seen("STREAM ACCEPT")).toHaveLength(4)
  })
  it("takes a closed ACCEPT for nothing special", async () => {
    const bridge = await bridgeWith()
    const { session, clock, states } = superviseAt(bridge)
    const streams = session.incoming[Symbol.asyncIterator]()
    const first = streams.next()
    const { socket } = await bridge.waiting("STREAM ACCEPT")
    socket.end()
    await passUntil(clock, () => bridge.seen("STREAM ACCEPT").length > 1, 10)
    await arrive(bridge, "hello")
    expect((await first).value?.direction).toBe("in")
    expect(states).toEqual(["up"])
  })
  it("survives a session that dies, told by an error in place of a destination", async () => {
    const bridge = await bridgeWith()
    const { session, clock, states } = superviseAt(bridge)
    const streams = session.incoming[Symbol.asyncIterator]()
    const first = streams.next()
    const { socket } = await bridge.waiting("STREAM ACCEPT")
    socket.write('STREAM STATUS RESULT=I2P_ERROR MESSAGE="session closed"\n')
    await passUntil(clock, () => states.length === 3)
    expect(states).toEqual(["up", "down: SESSION_LOST", "up"])
    await arrive(bridge)
    expect((await first).value?.peer.b32).toBe(PEER.b32)
  })
  it("gives up a session that refuses to accept again and again", async () => {
    const bridge = await bridgeWith({
      replies: { "STREAM ACCEPT": () => "STREAM STATUS RESULT=I2P_ERROR\n" },
    })
    const { session, clock, states } = superviseAt(bridge)
    void session.incoming[Symbol.asyncIterator]().next()
    await passUntil(clock, () => states.length > 1)
    expect(states).toEqual(["up", "down: SESSION_LOST"])
  })
  it("hides our own probes, which Java I2P connects", async () => {
    const bridge = await bridgeWith({ version: "3.3" })
    const { session } = superviseAt(bridge)
    const first = session.incoming[Symbol.asyncIterator]().next()
    const connection = await bridge.waiting("STREAM ACCEPT")
    connection.socket.write(`${destination.base64} FROM_PORT=0 TO_PORT=0\n`)
    while (bridge.seen("STREAM ACCEPT").length < 2) await settle()
    await arrive(bridge)
    expect((await first).value?.peer.b32).toBe(PEER.b32)
  })
  it("ends with the session, and closes what nobody took", async () => {
    const bridge = await bridgeWith()
    const { session } = superviseAt(bridge)
    const streams = session.incoming[Symbol.asyncIterator]()
    const first = streams.next()
    await arrive(bridge)
    const { value } = await first
    await arrive(bridge)
    while (bridge.seen("STREAM ACCEPT").length < 3) await settle()
    await session[Symbol.asyncDispose]()
    expect(await streams.next()).toEqual({ done: true, value: undefined })
    expect(value?.destroyed).toBe(true)
    while (bridge.openCount > 0) await settle()
  })
})

describe("loss of a session", () => {
  it("ends its streams with the reason: a router that hangs would keep them for ever", async () => {
    const bridge = await bridgeWith()
    const { session, clock } = superviseAt(bridge)
    const stream = await session.connect(PEER.base64, call)
    const failed = new Promise((resolve) => stream.once("error", resolve))
    bridge.replies = { "": () => undefined }
    await passUntil(clock, () => stream.destroyed)
    expect(await failed).toEqual(failing("BRIDGE_SILENT"))
  })
  it("never shows a key, a name or an address in the log", async () => {
    const bridge = await bridgeWith()
    const { session, clock, log, states } = superviseAt(bridge, { nickname: "secret-nick" })
    await session.ready(call)
    bridge.replies = { STREAM: () => "STREAM STATUS RESULT=I2P_ERROR MESSAGE=x\n" }
    await expect(session.connect(PEER.base64, call)).rejects.toEqual(failing("BRIDGE_FAILED"))
    bridge.replies = { SESSION: (line) => `SESSION STATUS RESULT=I2P_ERROR MESSAGE=${line}\n` }
    bridge.connections[0]?.socket.destroy()
    await passUntil(clock, () => states.length > 3)
    const { state } = session
    const reason = state.name === "down" ? state.reason.message : ""
    expect(reason).toContain("Cannot open session")
    const everything = [...log, ...states, reason].join("\n")
    expect(everything).toContain("sam.session-down")
    for (const secret of [
      encodeBase64(privateKeyFile).slice(-40),
      destination.base64.slice(0, 40),
      destination.b32.slice(0, 20),
      PEER.base64.slice(0, 40),
      "secret-nick",
    ])
      expect(everything).not.toContain(secret)
  })
})

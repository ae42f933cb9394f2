/**
 * What befalls a router from below and from outside: no bridge, a broken one, one that goes away; a
 * second router on its home; the end of the process that hosts the network.
 */
import { once } from "node:events"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { seededChance } from "../../src/base/random.ts"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { AlliumProcess } from "../support/allium-process.ts"
import { befriend, isReachable } from "../support/friends.ts"
import { openSamTap, type SamTap } from "../support/sam-tap.ts"
import { eventually } from "../support/story.ts"

const PATIENCE_MS = 30_000
/** A router that does nothing but try again. */
const RSS_MAX_BYTES = 220 * 2 ** 20

interface Status {
  readonly network: { readonly kind: string; readonly anonymous: boolean }
  readonly sessions: readonly { owner: string; state: string; reason?: string }[]
}
interface Finding {
  readonly check: string
  readonly state: string
  readonly found: string
  readonly todo?: string
}
interface Message {
  readonly id: string
  readonly direction: string
  readonly state: string
  readonly text: string
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "allium-survival-"))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const isUp = ({ sessions }: Status) =>
  sessions.length > 0 && sessions.every(({ state }) => state === "up")
const up = (who: AlliumProcess) => eventually(() => who.call<Status>("status"), isUp, PATIENCE_MS)
const delivered = (who: AlliumProcess, identity: string, id: string) =>
  eventually(
    async () =>
      (await who.call<Message[]>("message list", { identity })).find((one) => one.id === id),
    (one) => one?.state === "delivered",
    PATIENCE_MS,
  )
const timesReceived = async (who: AlliumProcess, identity: string, text: string) =>
  (await who.call<Message[]>("message list", { identity })).filter(
    (one) => one.direction === "in" && one.text === text,
  ).length

describe("a router whose bridge is not there yet", () => {
  let port: number
  let router: AlliumProcess

  beforeAll(async () => {
    port = await freePort()
    router = new AlliumProcess(join(folder, "early"), [
      "--network",
      "sam",
      "--sam",
      `127.0.0.1:${port}`,
    ])
  })
  afterAll(() => router?.stop())

  const session = async () => (await router.call<Status>("status")).sessions[0]
  const bridgeFinding = async () =>
    (await router.call<Finding[]>("doctor")).find(({ check }) => check === "bridge")

  it("starts, and says in status what is missing", async () => {
    await router.start()
    await router.call("identity create", { name: "ann" })
    const down = await eventually(session, (one) => one?.state === "down", PATIENCE_MS)
    expect(down?.reason).toMatch(/^Cannot .*BRIDGE_UNREACHABLE/)
    const { network } = await router.call<Status>("status")
    expect(network).toMatchObject({ kind: "sam", anonymous: true })
  })

  it("says in doctor what to do", async () => {
    const found = await router.json<Finding[]>("doctor")
    const bridge = found.find(({ check }) => check === "bridge")
    expect(bridge).toMatchObject({ state: "fault", todo: expect.stringMatching(/SAM/) })
    expect(bridge?.found).toContain(`127.0.0.1:${port}`)
  })

  it("ends commands that need the network with exit code 4", async () => {
    const { exit, stderr } = await router.command(["name", "lookup", "forum.i2p"])
    expect(exit).toBe(4)
    expect(stderr).toMatch(/BRIDGE_UNREACHABLE\)\. \w+/)
  })

  it.each([
    { bridge: "says nothing", talk: silent, code: "BRIDGE_SILENT" },
    { bridge: "sends a line without end", talk: endless, code: "BRIDGE_BAD_REPLY" },
    { bridge: "sends lines without end", talk: chatter, code: "BRIDGE_REFUSED" },
    { bridge: "sends half a line and hangs up", talk: half, code: "BRIDGE_UNREACHABLE" },
    { bridge: "gives wrong replies", talk: wrong, code: "BRIDGE_BAD_REPLY" },
    { bridge: "speaks HTTP", talk: web, code: "BRIDGE_BAD_REPLY" },
    { bridge: "sends noise", talk: noise, code: "BRIDGE_BAD_REPLY" },
    { bridge: "hangs up at once", talk: hangUp, code: "BRIDGE_UNREACHABLE" },
  ])(
    "knows a bridge that $bridge: doctor says $code, memory is bounded",
    async ({ talk, code }) => {
      await using _ = await openGarbage(port, talk)
      expect(await bridgeFinding()).toMatchObject({
        state: "fault",
        found: expect.stringContaining(`(${code})`),
        todo: expect.stringMatching(/\.$/),
      })
      expect(await rssBytes(router)).toBeLessThan(RSS_MAX_BYTES)
    },
  )

  it("is not harmed by meeting them again and again, and status tells", async () => {
    const talks = [endless, chatter, wrong, noise, hangUp]
    let met = 0
    const inTurn: Talk = (socket) => talks[met++ % talks.length]?.(socket)
    await using _ = await openGarbage(port, inTurn)
    const doctor = () => router.call("doctor")
    for (let time = 0; time < 100; time++) await Promise.all([doctor(), doctor()])
    const told = await eventually(
      session,
      (one) => !/UNREACHABLE/.test(one?.reason ?? ""),
      PATIENCE_MS,
    )
    expect(told).toMatchObject({ state: "down", reason: expect.stringMatching(/^Cannot .*\)$/) })
    expect(met).toBeGreaterThan(200)
    expect(await rssBytes(router)).toBeLessThan(RSS_MAX_BYTES)
  })

  it("takes no embedded network for I2P", async () => {
    await using _ = await openEmbeddedBridge({ port })
    const refused = /EMBEDDED_NOT_ASKED/
    await eventually(session, (one) => refused.test(one?.reason ?? ""), PATIENCE_MS)
    expect(await bridgeFinding()).toMatchObject({
      state: "fault",
      found: expect.stringMatching(refused),
    })
  })

  it("works when the bridge comes at last", async () => {
    await using bridge = await openEmbeddedBridge()
    const bridgePort = () => bridge.address.port
    await using _ = await openSamTap({ port, bridgePort, hidesMarker: true })
    await up(router)
    expect(await bridgeFinding()).toMatchObject({ state: "ok" })
    await router.call("identity create", { name: "bob" })
    await befriend(
      { who: router, identity: "ann", calls: "bob" },
      { who: router, identity: "bob", calls: "ann" },
    )
    const message = { contact: "bob", identity: "ann", text: "at last", wait: true }
    expect(await router.call("message send", message)).toMatchObject({ state: "delivered" })
  })

  it("ends at SIGTERM within seconds, also without a bridge", async () => {
    const began = Date.now()
    expect(await router.stop()).toBe(0)
    expect(Date.now() - began).toBeLessThan(8_000)
  })
})

describe("a router whose bridge goes away", () => {
  let bridge: EmbeddedBridge
  let tap: SamTap
  let router: AlliumProcess
  let annAddress = ""

  beforeAll(async () => {
    bridge = await openEmbeddedBridge()
    tap = await openSamTap({ bridgePort: () => bridge.address.port })
    router = new AlliumProcess(join(folder, "late"), [
      "--network",
      "embedded",
      "--sam",
      `127.0.0.1:${tap.port}`,
    ])
    await router.start()
    const ann = await router.call<{ address: string }>("identity create", { name: "ann" })
    annAddress = ann.address
    await router.call("identity create", { name: "bob" })
    await befriend(
      { who: router, identity: "ann", calls: "bob" },
      { who: router, identity: "bob", calls: "ann" },
    )
  })
  afterAll(async () => {
    await router?.stop()
    await tap?.[Symbol.asyncDispose]()
    await bridge?.[Symbol.asyncDispose]()
  })

  /** Sends while the bridge is as it is; it must arrive, and once. */
  async function sendsOnce(text: string, meanwhile: () => Promise<unknown>): Promise<void> {
    const message = { contact: "bob", identity: "ann", text }
    const { id } = await router.call<Message>("message send", message)
    await meanwhile()
    await delivered(router, "ann", id)
    expect(await timesReceived(router, "bob", text)).toBe(1)
    await up(router)
  }

  it("is told down, comes back by itself, and loses nothing", async () => {
    const restarted = bridge.faults.restart({ downMs: 1_500 })
    const down = await eventually(
      () => router.call<Status>("status"),
      ({ sessions }) => sessions.every(({ state }) => state === "down"),
      PATIENCE_MS,
    )
    expect(down.sessions[0]?.reason).toMatch(/BRIDGE_|SESSION_LOST/)
    await sendsOnce("while the bridge restarts", () => restarted)
  })

  it("opens a session anew that was killed, and only that one", async () => {
    const { length } = bridge.record
    expect(bridge.faults.killSession(annAddress)).toBe(1)
    await sendsOnce("after the session was killed", () => Promise.resolve())
    expect(bridge.record.slice(length).map(({ destinationB32 }) => destinationB32)).toEqual([
      annAddress,
    ])
  })

  it("survives ten restarts in a row", async () => {
    for (let time = 0; time < 10; time++) {
      await bridge.faults.restart()
      await sleep(100)
    }
    await sendsOnce("after ten restarts", () => up(router))
    expect(await rssBytes(router)).toBeLessThan(RSS_MAX_BYTES)
  })

  it("survives every stream being cut, again and again", async () => {
    const began = await router.call<Message>("message send", {
      contact: "bob",
      identity: "ann",
      text: "0",
    })
    for (let time = 1; time <= 10; time++) {
      bridge.faults.cutStreams()
      await router.call("message send", { contact: "bob", identity: "ann", text: `${time}` })
      await sleep(50)
    }
    await sendsOnce("after the cuts", () => Promise.resolve())
    await delivered(router, "ann", began.id)
    for (let time = 0; time <= 10; time++)
      expect(await timesReceived(router, "bob", `${time}`)).toBe(1)
  })
})

describe("two routers that share one embedded network", () => {
  let first: AlliumProcess
  let second: AlliumProcess
  let port: number
  const ann = () => ({ who: first, identity: "ann", calls: "bob" })
  const bob = () => ({ who: second, identity: "bob", calls: "ann" })

  beforeAll(async () => {
    port = await freePort()
    const flags = ["--network", "embedded", "--sam", `127.0.0.1:${port}`]
    first = new AlliumProcess(join(folder, "first"), flags)
    second = new AlliumProcess(join(folder, "second"), flags)
    await first.start()
    await second.start()
    await Promise.all([
      first.call("identity create", { name: "ann" }),
      second.call("identity create", { name: "bob" }),
    ])
  })
  afterAll(() => Promise.all([first?.stop(), second?.stop()]))

  const send = (from: typeof ann, text: string) => {
    const { who, calls } = from()
    return who.call<Message>("message send", { contact: calls, text, wait: true })
  }

  it("find each other", async () => {
    await befriend(ann(), bob())
    expect(await send(ann, "hi")).toMatchObject({ state: "delivered" })
  })

  it("go on when the one that hosts it is killed, and comes back as a guest", async () => {
    await first.kill()
    await up(second)
    const { id } = await second.call<Message>("message send", {
      contact: "ann",
      text: "still there?",
    })
    await first.start()
    await delivered(second, "bob", id)
    await eventually(
      () => isReachable(ann()),
      (is) => is,
      PATIENCE_MS,
    )
    expect(await send(ann, "yes")).toMatchObject({ state: "delivered" })
  })

  it("go on when the new host is stopped, too", async () => {
    expect(await second.stop()).toBe(0)
    await up(first)
    await second.start()
    expect(await send(bob, "back")).toMatchObject({ state: "delivered" })
    expect(await timesReceived(first, "ann", "back")).toBe(1)
  })
})

describe("a home", () => {
  let router: AlliumProcess
  let bridge: EmbeddedBridge
  const flags = () => ["--network", "embedded", "--sam", `127.0.0.1:${bridge.address.port}`]

  beforeAll(async () => {
    bridge = await openEmbeddedBridge()
    router = new AlliumProcess(join(folder, "home"), flags())
    await router.start()
    for (const name of ["ann", "bob"]) await router.call("identity create", { name })
    await befriend(
      { who: router, identity: "ann", calls: "bob" },
      { who: router, identity: "bob", calls: "ann" },
    )
  })
  afterAll(async () => {
    await router?.stop()
    await bridge?.[Symbol.asyncDispose]()
  })

  it("has one router: a second one is told so with exit code 1, and the first lives on", async () => {
    const { exit, stderr } = await router.command(["run", ...flags()])
    expect(exit).toBe(1)
    expect(stderr).toMatch(/ALREADY_RUNNING|STORE_LOCKED/)
    expect(await router.call("identity list")).toHaveLength(2)
  })

  it("is left clean by SIGTERM in the middle of a file, and everything is there afterwards", async () => {
    const path = join(folder, "big.bin")
    await writeFile(path, Buffer.alloc(40 * 2 ** 20, 3))
    await router.call("file auto", { contact: "ann", identity: "bob", below: "1GiB" })
    const { id } = await router.call<Message>("file send", {
      contact: "bob",
      identity: "ann",
      path,
    })
    const state = (identity: string) => async () =>
      (await router.call<Message[]>("file list", { identity })).find((one) =>
        identity === "ann" ? one.id === id : true,
      )?.state
    await eventually(state("ann"), (now) => now === "transferring", PATIENCE_MS)
    const began = Date.now()
    expect(await router.stop()).toBe(0)
    expect(Date.now() - began).toBeLessThan(8_000)
    await router.start()
    const log = await readFile(join(router.home, "allium.log"), "utf8")
    expect(log).not.toMatch(/repair|salvage|damaged/i)
    await eventually(state("ann"), (now) => now === "done", PATIENCE_MS)
    await eventually(state("bob"), (now) => now === "done", PATIENCE_MS)
  })
})

type Talk = (socket: Socket) => void

function silent(): void {}
function hangUp(socket: Socket): void {
  socket.destroy()
}
function half(socket: Socket): void {
  socket.once("data", () => socket.end("HELLO REP"))
}
function wrong(socket: Socket): void {
  socket.on("data", () => socket.write("STREAM STATUS RESULT=OK\n"))
}
function web(socket: Socket): void {
  socket.on("data", () => socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
}
function endless(socket: Socket): void {
  pour(socket, () => Buffer.alloc(65_536, 0x41))
}
function chatter(socket: Socket): void {
  pour(socket, () => Buffer.from("PING 1\nHELLO REPLY RESULT=OK VERSION=9.9\n".repeat(1_000)))
}
function noise(socket: Socket): void {
  const chance = seededChance(7)
  pour(socket, () => Buffer.from(Array.from({ length: 4_096 }, () => Math.floor(chance() * 256))))
}

/** As much as the other side takes, for as long as it listens. */
function pour(socket: Socket, next: () => Buffer): void {
  const more = () => {
    while (!socket.destroyed && socket.write(next()));
  }
  socket.on("drain", more)
  socket.once("data", more)
  socket.resume()
}

/** A TCP server in the place of a bridge. */
async function openGarbage(port: number, talk: Talk): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
    socket.on("close", () => sockets.delete(socket))
    talk(socket)
  })
  server.listen(port, "127.0.0.1")
  await once(server, "listening")
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, "close")
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

/** Resident memory, as the system counts it. */
async function rssBytes({ processId }: AlliumProcess): Promise<number> {
  const status = await readFile(`/proc/${processId}/status`, "utf8")
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1_024
}

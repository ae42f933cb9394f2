/** The private network itself: real routers carry streams, obey the control socket, and nothing leaks. */
import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as delay } from "node:timers/promises"
import { promisify } from "node:util"
import { beforeAll, describe, expect, it } from "vitest"
import { projectRoot } from "../support/project.ts"
import type { TestnetReport } from "../support/testnet/control.ts"
import {
  killRouter,
  packetReport,
  pauseRouter,
  restartRouter,
  resumeRouter,
  startRouter,
  testnetPorts,
} from "../support/testnet/testnet.ts"

const TESTNET = ["--conditions=source", "--import", "tsx", "test/support/testnet/main.ts"]
const SESSION_OPTIONS =
  "SIGNATURE_TYPE=7 i2cp.leaseSetEncType=4 inbound.length=1 outbound.length=1 inbound.quantity=3 outbound.quantity=3"

const yes = () => true
const no = () => false

/** Asks until the answer is yes; gives up after 20 s. */
async function untilTrue(ask: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; !(await ask()); await delay(100))
    if (Date.now() > end) throw new Error("Still not so after 20 s")
}

/** Read instead of a line at the end. */
const CLOSED = "(closed)"

/** Bare lines over one SAM connection, so that no code of ours stands between test and router. */
class Lines {
  readonly socket: Socket
  readonly #lines: AsyncIterator<string>

  constructor(socket: Socket) {
    this.socket = socket
    // What an error means for us is that the next line is CLOSED.
    socket.on("error", () => {})
    this.#lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  }

  async next(): Promise<string> {
    return (await this.#lines.next()).value ?? CLOSED
  }

  async ask(line: string): Promise<string> {
    this.socket.write(`${line}\n`)
    return await this.next()
  }
}

async function openSam(port: number): Promise<Lines> {
  const socket = connect(port, "127.0.0.1")
  socket.setNoDelay(true)
  await once(socket, "connect")
  const lines = new Lines(socket)
  expect(await lines.ask("HELLO VERSION MIN=3.1 MAX=3.1")).toContain("RESULT=OK")
  return lines
}

interface Session {
  readonly control: Lines
  readonly port: number
  readonly id: string
  readonly destination: string
}

async function openSession(port: number, id: string): Promise<Session> {
  const control = await openSam(port)
  const create = `SESSION CREATE STYLE=STREAM ID=${id} DESTINATION=TRANSIENT ${SESSION_OPTIONS}`
  expect(await control.ask(create)).toContain("RESULT=OK")
  const [, destination] = (await control.ask("NAMING LOOKUP NAME=ME")).split("VALUE=")
  return { control, port, id, destination: destination! }
}

/** Accepts for ever, one pending ACCEPT at a time, and answers each stream's first line. */
async function answerStreams({ port, id }: Session): Promise<void> {
  for (;;) {
    const stream = await openSam(port)
    if (!(await stream.ask(`STREAM ACCEPT ID=${id}`)).includes("RESULT=OK")) return
    const [destination] = (await stream.next()).split(" ")
    void stream.next().then((line) => {
      if (line !== CLOSED) stream.socket.write(`${line} from ${destination}\n`)
    })
  }
}

/**
 * Dials until an answer comes. For up to 20 s after a session came up, the LeaseSet is not found, or
 * the router says OK and the stream stays silent for ever.
 */
async function askOverStream(from: Session, to: Session, line: string): Promise<string> {
  for (;;) {
    const stream = await openSam(from.port)
    const status = await stream.ask(`STREAM CONNECT ID=${from.id} DESTINATION=${to.destination}`)
    expect(status).toMatch(/RESULT=(OK|CANT_REACH_PEER|TIMEOUT)/)
    const answer = status.includes("RESULT=OK") ? stream.ask(line) : delay(1_000, "")
    const text = await Promise.race([answer, delay(5_000, "")])
    stream.socket.destroy()
    if (text !== "" && text !== CLOSED) return text
  }
}

describe("a stream between two routers", () => {
  it("carries bytes both ways", async () => {
    const [portA, portB] = testnetPorts()
    const [a, b] = await Promise.all([openSession(portA!, "netA"), openSession(portB!, "netB")])
    const answering = answerStreams(b)
    expect(await askOverStream(a, b, "hello")).toBe(`hello from ${a.destination}`)
    b.control.socket.destroy()
    a.control.socket.destroy()
    await answering
  })
})

describe("the control socket", () => {
  // An ordinary router that no other test sits on.
  const victim = 4
  const port = () => testnetPorts()[victim - 1]!
  const hello = () => openSam(port()).then(({ socket }) => void socket.destroy())

  it("kills a router and starts it again", async () => {
    await killRouter(victim)
    await expect(hello()).rejects.toMatchObject({ code: "ECONNREFUSED" })
    await startRouter(victim)
    await hello()
    await restartRouter(victim)
    await hello()
  })

  it("starts a router again that ended by itself, and does not hide it", async () => {
    await promisify(execFile)("pkill", ["-KILL", "-f", `router-${victim}/i2pd.conf`])
    const ended = `router ${victim} ended by itself with SIGKILL`
    await untilTrue(async () => (await packetReport()).crashes.includes(ended))
    await untilTrue(() => hello().then(yes, no))
  })

  it("pauses a router: connections open, nothing answers", async () => {
    await pauseRouter(victim)
    const socket = connect(
      port(),
      "127.0.0.1",
      () => void socket.write("HELLO VERSION MIN=3.1 MAX=3.1\n"),
    )
    const reply = once(socket, "data").then(([data]) => String(data))
    expect(await Promise.race([reply, delay(500, "silence")])).toBe("silence")
    await resumeRouter(victim)
    expect(await reply).toContain("HELLO REPLY RESULT=OK")
    socket.destroy()
  })

  it.each([
    { deed: () => startRouter(1), message: "Cannot start router 1: it runs already" },
    { deed: () => killRouter(99), message: "Cannot find router 99" },
  ])("says $message", async ({ deed, message }) => {
    await expect(deed()).rejects.toThrow(message)
  })
})

describe("the packet counter", () => {
  /** Sends to the ranges for documentation, inside a second testnet without routers. */
  const LEAKS = `
    const { createSocket } = require("node:dgram")
    const udp = createSocket("udp4")
    udp.send("x", 9, "198.51.100.7", () => udp.close())
    const tcp = require("node:net").connect(443, "198.51.100.7")
    const six = require("node:net").connect(443, "2001:db8:ffff::7")
    setTimeout(() => { tcp.destroy(); six.destroy() }, 300)
    require("node:dns").lookup("leak.example", () => {})
    const stub = createSocket("udp4")
    stub.on("message", () => stub.close())
    stub.send("0 a query", 53, "127.0.0.53")
    require("node:net").connect(53, "127.0.0.1").on("error", () => {})`
  let leaked: TestnetReport

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), "allium-leak-"))
    const env = { ...process.env, ALLIUM_TESTNET_REPORT: join(folder, "packets.json") }
    const words = [...TESTNET, "--routers", "0", process.execPath, "--eval", LEAKS]
    await promisify(execFile)(process.execPath, words, { cwd: projectRoot, env })
    leaked = JSON.parse(await readFile(env.ALLIUM_TESTNET_REPORT, "utf8"))
    await rm(folder, { recursive: true })
  })

  it.each([
    "udp 198.51.100.7:9",
    "tcp 198.51.100.7:443",
    "tcp [2001:db8:ffff::7]:443",
    "udp 192.0.2.53:53",
  ])("sees %s", (to) => {
    const place = leaked.destinations.find((destination) => destination.to === to)
    expect(place?.packetCount).toBeGreaterThan(0)
  })

  it("counts who asks for names apart: those that want to leave, and those on this machine", () => {
    const there = leaked.destinations.filter(({ to }) => to.endsWith(":53"))
    const packets = there.reduce((sum, { packetCount }) => sum + packetCount, 0)
    expect(leaked.dnsQueryCount).toBe(packets + 2)
  })

  it("counts no more than it names", () => {
    const named = leaked.destinations.reduce((sum, { packetCount }) => sum + packetCount, 0)
    expect(leaked.packetCount).toBe(named)
  })

  it("has seen nothing leave this network, routers included", async () => {
    expect(await packetReport()).toMatchObject({
      packetCount: 0,
      dnsQueryCount: 0,
      destinations: [],
    })
  })
})

describe("the end of a testnet", () => {
  /** A program that outlives everything but its namespace, marked so that we can find it. */
  const mark = `allium-orphan-${process.pid}`
  const program = `console.log("up"); setInterval(() => {}, 1e6) // ${mark}`

  it("takes everything with it when its parent is killed", async () => {
    const words = [...TESTNET, "--routers", "0", process.execPath, "--eval", program]
    const stdio = ["ignore", "pipe", "ignore"] as const
    const outer = spawn(process.execPath, words, { cwd: projectRoot, stdio: [...stdio] })
    await once(outer.stdout!, "data")
    expect(await processesMarked(mark)).toBeGreaterThan(1)
    outer.kill("SIGKILL")
    await expect.poll(() => processesMarked(mark), { timeout: 10_000 }).toBe(0)
  })
})

/** Living processes whose command line holds `mark`; a zombie has none. */
async function processesMarked(mark: string): Promise<number> {
  const numbers = (await readdir("/proc")).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(
    numbers.map((number) => readFile(`/proc/${number}/cmdline`, "utf8").catch(() => "")),
  )
  return lines.filter((line) => line.includes(mark)).length
}

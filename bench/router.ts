/**
 * The built program as its user meets it: how soon it is ready, how fast a command answers, how much memory it
 * keeps. Each time is beside a bare `node -e 0` of the same round, so that a busy machine shows.
 *
 * @module
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { text } from "node:stream/consumers"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Scope } from "../src/base/scope.ts"
import { alternate, type Bench, type Figure, figure, ratios } from "./figure.ts"

const ROOT = fileURLToPath(new URL("..", import.meta.url))
/** The program, when it is built. */
export const BUILT = join(ROOT, "dist", "src", "main.js")

/** What is measured, and how often. */
export interface RouterSize {
  /** Arguments of Node that start the program. */
  readonly program: readonly string[]
  readonly rounds: number
  /** How long a router rests before its memory is read. */
  readonly restMs: number
}

export const bench: Bench = {
  title: "the built program on the embedded network",
  async run() {
    await requireBuilt()
    return measureRouter({ program: [BUILT], rounds: 11, restMs: 10_000 })
  },
}

/** Builds the program unless that is done. */
export async function requireBuilt(): Promise<void> {
  if (!existsSync(BUILT)) await promisify(execFile)("npm", ["run", "build"], { cwd: ROOT })
}

/** Measures start, commands and memory. */
export async function measureRouter(size: RouterSize): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), "allium-bench-"))
  await using scope = new Scope()
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  const own = new Program(size.program, join(folder, "own"))
  const peer = new Program(size.program, join(folder, "peer"))
  await furnish(own, peer, folder)
  return [...(await measureTimes(size, own, folder)), ...(await measureMemory(size, own, peer))]
}

async function measureTimes(
  { program, rounds }: RouterSize,
  own: Program,
  folder: string,
): Promise<Figure[]> {
  const nobody = new Program(program, join(folder, "nobody"))
  let count = 0
  const open = async () => new Program(program, join(folder, `new-${count++}`))
  await using _ = await own.start(await freePort())
  const contenders = {
    node: () => timed(() => runNode(["-e", "0"])),
    status: () => timed(() => own.command("status")),
    help: () => timed(() => nobody.command("--help")),
    first: async () => timeToReady(await open()),
  }
  await alternate(1, contenders)
  const { node, status, help, first } = await alternate(rounds, contenders)
  return [
    figure("node -e 0", node, "ms"),
    figure("allium status", status, "ms", { most: 200 }),
    figure("allium status, in times of node -e 0", ratios(status, node), ""),
    figure("allium --help without a router", help, "ms", { most: 200 }),
    figure("allium --help, in times of node -e 0", ratios(help, node), ""),
    figure("allium run on a new home until ready", first, "ms", { most: 1_000 }),
    figure("allium run, in times of node -e 0", ratios(first, node), ""),
  ]
}

/** The router that is measured hosts the network too, as the first one on every machine does. */
async function measureMemory(
  { rounds, restMs }: RouterSize,
  own: Program,
  peer: Program,
): Promise<Figure[]> {
  const bare: number[] = []
  const resident: number[] = []
  for (let round = 0; round < Math.ceil(rounds / 4); round++) {
    const port = await freePort()
    await using running = await own.start(port)
    await using _ = await peer.start(port)
    const idle = spawn(process.execPath, ["-e", "setInterval(() => {}, 1e6)"])
    await sleep(restMs)
    resident.push(await residentMebibytes(running.processId))
    bare.push(await residentMebibytes(idle.pid ?? 0))
    idle.kill()
  }
  return [
    figure("resident memory of an idle Node", bare, "MiB"),
    figure("resident memory of an idle router", resident, "MiB", { most: 100 }),
  ]
}

/** Gives a home what an ordinary one has: an identity, a contact, a site and a proxy. */
async function furnish(own: Program, peer: Program, folder: string): Promise<void> {
  const port = await freePort()
  await using _own = await own.start(port)
  await using _peer = await peer.start(port)
  const site = join(folder, "site")
  await mkdir(site)
  await writeFile(join(site, "index.html"), "<p>Hello</p>")
  await own.command("identity", "create", "ann")
  await peer.command("identity", "create", "bob")
  const { uri } = JSON.parse(await own.command("contact", "card", "--json"))
  await peer.command("contact", "add", uri, "ann")
  for (;;) {
    const [asking] = JSON.parse(await own.command("contact", "list", "--json"))
    if (asking !== undefined) await own.command("contact", "accept", asking.name)
    if (asking !== undefined) break
    await sleep(100)
  }
  await own.command("site", "serve", site)
  await own.command("tunnel", "add", "http-proxy", "--listen", `127.0.0.1:${await freePort()}`)
}

/** One home, and the program on it. */
export class Program {
  readonly #program: readonly string[]
  readonly #home: string

  constructor(program: readonly string[], home: string) {
    this.#program = program
    this.#home = home
  }

  /** Starts a router on the SAM bridge at this port, or one that hosts or joins the embedded network there. */
  async start(port: number, kind: "embedded" | "sam" = "embedded"): Promise<Running> {
    const network = ["--network", kind, "--sam", `127.0.0.1:${port}`]
    const args = [...this.#program, "run", "--home", this.#home, "--json", ...network]
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: ENVIRONMENT,
    })
    const complaint = text(child.stderr!)
    const ended = once(child, "exit").then(async () => {
      throw new Error(`Cannot measure: allium run ended: ${await complaint}`)
    })
    await Promise.race([once(createInterface({ input: child.stdout! }), "line"), ended])
    ended.catch(() => {}) // from now on it may
    return new Running(child)
  }

  /** @returns What the command printed. */
  command(...words: string[]): Promise<string> {
    return runNode([...this.#program, ...words, "--home", this.#home])
  }
}

/** A router that has said that it is ready. */
export class Running implements AsyncDisposable {
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
  }

  get processId(): number {
    return this.#child.pid ?? 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.#child, "exit")
    this.#child.kill("SIGTERM")
    await gone
  }
}

/** Of the kernel's processor times, on every Linux that Node runs on. */
const TICK_MS = 10

/** Nothing of the user's own: no home, no options of Node. */
const ENVIRONMENT = { PATH: process.env.PATH, HOME: "/nonexistent", NO_COLOR: "1" }

async function timeToReady(program: Program): Promise<number> {
  const port = await freePort()
  const startMs = performance.now()
  await using _ = await program.start(port)
  return performance.now() - startMs
}

async function timed(deed: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await deed()
  return performance.now() - startMs
}

async function runNode(args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: ENVIRONMENT })
  return stdout
}

/** Resident memory of a process. */
export async function residentMebibytes(processId: number): Promise<number> {
  const status = await readFile(`/proc/${processId}/status`, "utf8")
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024
}

/** Milliseconds of all cores that a process has used. */
export async function processorMs(processId: number): Promise<number> {
  const stat = await readFile(`/proc/${processId}/stat`, "utf8")
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
  return (Number(user) + Number(system)) * TICK_MS
}

/** A port of loopback on which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

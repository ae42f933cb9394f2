/**
 * One i2pd of the private network: its configuration and its process.
 *
 * Measured with i2pd 2.45.1 and 2.58; `docs/guide/testing.md` says which settings must stay as they are.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { mkdir, open, readFile, writeFile } from "node:fs/promises"
import { connect } from "node:net"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { routerAddress } from "./namespace.ts"

/** 2.45.1 can hang on SIGTERM while a SAM session is open. */
const STOP_MS = 2_000
const START_MS = 30_000
const POLL_MS = 50

/** The SAM port of a router, on 127.0.0.1. */
export function samPort(number: number): number {
  return 22_000 + number
}

/** The text of `i2pd.conf` for a router. */
export function i2pdConfig(number: number, options: { readonly floodfill: boolean }): string {
  const off = ["http", "httpproxy", "socksproxy", "bob", "i2cp"]
  const on = ["enabled = true", "published = true"]
  const sections: Record<string, string[]> = {
    ssu2: on,
    ntcp2: on,
    sam: ["enabled = true", "address = 127.0.0.1", `port = ${samPort(number)}`],
    ...Object.fromEntries(off.map((name) => [name, ["enabled = false"]])),
    reseed: ["verify = false", "urls =", "yggurls =", "threshold = 0"],
    exploratory: ["inbound.length = 1", "outbound.length = 1"],
    // 2.45.1 crashes without an address book, and with one that has no default address.
    addressbook: ["enabled = true"],
    persist: ["profiles = false"],
  }
  const texts = Object.entries(sections).map(([name, keys]) => [`[${name}]`, ...keys].join("\n"))
  return [...mainKeys(number, options.floodfill), ...texts, ""].join("\n")
}

function mainKeys(number: number, floodfill: boolean): string[] {
  const address = routerAddress(number)
  const where = [`host = ${address}`, `address4 = ${address}`, `port = ${20_000 + number}`]
  const network = ["ipv4 = true", "ipv6 = false", "nat = false", "reservedrange = false"]
  // 2 is the real network; a router of another one is refused there.
  const kind = ["netid = 77", "bandwidth = X", "share = 100", `floodfill = ${floodfill}`]
  return ["log = stdout", "loglevel = warn", ...where, ...network, ...kind]
}

/** A router that can be ended, paused and started again; its keys and folder stay the same. */
export class I2pd {
  readonly number: number
  readonly folder: string
  readonly #program: string
  readonly #floodfill: boolean
  readonly #onCrash: (what: string) => void
  #child: ChildProcess | undefined

  constructor(options: {
    readonly number: number
    /** Need not exist. */
    readonly folder: string
    readonly program: string
    /** Whether the others ask this one where destinations are. */
    readonly floodfill: boolean
    /** Called when the process ends without being told to. */
    readonly onCrash: (what: string) => void
  }) {
    this.number = options.number
    this.folder = options.folder
    this.#program = options.program
    this.#floodfill = options.floodfill
    this.#onCrash = options.onCrash
  }

  /** Starts the process; returns when SAM answers. */
  async start(): Promise<void> {
    if (this.#child !== undefined)
      throw new Error(`Cannot start router ${this.number}: it runs already`)
    await mkdir(this.folder, { recursive: true, mode: 0o700 })
    await writeFile(
      join(this.folder, "i2pd.conf"),
      i2pdConfig(this.number, { floodfill: this.#floodfill }),
    )
    await writeFile(join(this.folder, "tunnels.conf"), "", { flag: "a" })
    this.#watch(await this.#spawn())
    await this.#until(() => isSamUp(samPort(this.number)), "its SAM bridge to answer")
    await this.#until(async () => existsSync(this.routerInfoFile), "router.info")
  }

  /** Where the router keeps what it tells others about itself. */
  get routerInfoFile(): string {
    return join(this.folder, "router.info")
  }

  /** Asks, waits two seconds, ends it. */
  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS)
    await this.#end("SIGTERM")
    clearTimeout(timer)
  }

  /** Ends it at once, as a power cut would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL")
  }

  /** Freezes it: its sockets stay open and nothing answers. */
  pause(): void {
    this.#running().kill("SIGSTOP")
  }

  resume(): void {
    this.#running().kill("SIGCONT")
  }

  /** Tunnels of i2pd's own instead of those it had; opened and closed some time later, and kept over restarts. */
  async setTunnels(text: string): Promise<void> {
    await writeFile(join(this.folder, "tunnels.conf"), text)
    this.#running().kill("SIGHUP")
  }

  async #spawn(): Promise<ChildProcess> {
    const log = await open(join(this.folder, "router.log"), "a")
    const none = join(this.folder, "none")
    const child = spawn(
      this.#program,
      [
        `--datadir=${this.folder}`,
        `--conf=${join(this.folder, "i2pd.conf")}`,
        `--tunconf=${join(this.folder, "tunnels.conf")}`,
        `--tunnelsdir=${none}`,
        `--certsdir=${none}`,
      ],
      { stdio: ["ignore", log.fd, log.fd] },
    )
    try {
      await once(child, "spawn")
    } finally {
      await log.close()
    }
    return child
  }

  #watch(child: ChildProcess): void {
    this.#child = child
    child.once("exit", (code, signal) => {
      if (this.#child !== child) return
      this.#child = undefined
      this.#onCrash(`router ${this.number} ended by itself with ${signal ?? `exit code ${code}`}`)
    })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.#child = undefined
    const exit = once(child, "exit")
    child.kill(signal)
    await exit
  }

  #running(): ChildProcess {
    if (this.#child !== undefined) return this.#child
    throw new Error(`Cannot signal router ${this.number}: it does not run`)
  }

  async #until(condition: () => Promise<boolean>, what: string): Promise<void> {
    for (const deadline = Date.now() + START_MS; !(await condition()); ) {
      if (this.#child === undefined || Date.now() > deadline)
        throw new Error(
          `Cannot start router ${this.number}: waited for ${what}; ${await this.#lastWords()}`,
        )
      await delay(POLL_MS)
    }
  }

  async #lastWords(): Promise<string> {
    const log = await readFile(join(this.folder, "router.log"), "utf8")
    return `its log ends with ${JSON.stringify(log.trimEnd().split("\n").at(-1))}`
  }
}

/** One HELLO on a connection of its own. */
function isSamUp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("HELLO VERSION MIN=3.1 MAX=3.1\n"))
    const answer = (isUp: boolean) => {
      socket.destroy()
      resolve(isUp)
    }
    socket.setTimeout(1_000, () => answer(false))
    socket.once("data", (reply) =>
      answer(reply.toString("latin1").startsWith("HELLO REPLY RESULT=OK")),
    )
    socket.once("close", () => answer(false))
    socket.on("error", () => answer(false))
  })
}

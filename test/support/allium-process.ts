/**
 * A router as its user has it: the real program in a process of its own, talked to by the real
 * command line and the real API, and killed like one.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { request } from "node:http"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { text } from "node:stream/consumers"
import { promisify } from "node:util"
import { projectRoot } from "./project.ts"

const run = promisify(execFile)
/** The program from its source: no build is needed before a test. */
const PROGRAM = ["--conditions=source", "--import", "tsx", join(projectRoot, "src", "main.ts")]
const START_PATIENCE_MS = 60_000

/** A command's result. */
export interface CommandResult {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

/** Environment of everything we start: nothing of the tester's own. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const { PATH, TMPDIR, TSX_DISABLE_CACHE } = process.env
  return { PATH, TMPDIR, TSX_DISABLE_CACHE, HOME: "/nonexistent", NO_COLOR: "1" }
}

/** One home folder with, at times, a router on it. */
export class AlliumProcess implements AsyncDisposable {
  readonly home: string
  readonly #network: readonly string[]
  #child: ChildProcess | undefined

  /** @param network - Flags of `allium run` that choose the network. */
  constructor(home: string, network: readonly string[]) {
    this.home = home
    this.#network = network
  }

  /** Process id of the running router. */
  get processId(): number {
    const id = this.#child?.pid
    if (id === undefined) throw new Error("The router does not run")
    return id
  }

  /** Starts `allium run`; resolves when it says that it is ready. */
  async start(): Promise<void> {
    const args = [...PROGRAM, "run", "--home", this.home, "--json", ...this.#network]
    const stdio = ["ignore", "pipe", "pipe"] as const
    const child = spawn(process.execPath, args, { stdio: [...stdio], env: cleanEnvironment() })
    this.#child = child
    const complaint = text(child.stderr)
    const lines = createInterface({ input: child.stdout })
    const ready = Promise.race([
      once(lines, "line"),
      once(child, "exit").then(async () => {
        throw new Error(`allium run ended: ${await complaint}`)
      }),
    ])
    const timer = setTimeout(() => child.kill("SIGKILL"), START_PATIENCE_MS)
    await ready.finally(() => clearTimeout(timer))
  }

  /** Ends the router as a power cut would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL")
  }

  /** Ends the router as its user would. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM")
  }

  /** Freezes or unfreezes the router. */
  signal(name: "SIGSTOP" | "SIGCONT"): void {
    process.kill(this.processId, name)
  }

  /** Runs one command line against this home; `stdin` is given to it. */
  async command(args: readonly string[], stdin = ""): Promise<CommandResult> {
    const all = [...PROGRAM, ...args, "--home", this.home]
    const running = run(process.execPath, all, { env: cleanEnvironment(), maxBuffer: 2 ** 26 })
    running.child.stdin?.end(stdin)
    try {
      return { exit: 0, ...(await running) }
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
      return { exit: code, stdout, stderr }
    }
  }

  /** Runs one command that must succeed, with `--json`; returns its document. */
  async json<T>(...args: string[]): Promise<T> {
    const result = await this.command([...args, "--json"])
    if (result.exit !== 0) throw new Error(`${args.join(" ")}: ${result.stderr}`)
    return JSON.parse(result.stdout) as T
  }

  /** Calls an offer over the Unix socket: faster than a command, the same answer. */
  async call<T>(verb: string, input: Record<string, unknown> = {}): Promise<T> {
    const socketPath = join(this.home, "run", "api.sock")
    const sent = request({
      socketPath,
      method: "POST",
      path: `/v1/${verb.replaceAll(" ", "/")}`,
      headers: { "content-type": "application/json", host: "localhost" },
    })
    sent.end(JSON.stringify(input))
    const [response] = await once(sent, "response")
    const body = JSON.parse(await text(response))
    if (response.statusCode !== 200) throw new Error(`${verb}: ${JSON.stringify(body)}`)
    return body as T
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGKILL")
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, "exit")
    child.kill(signal)
    await gone
  }
}

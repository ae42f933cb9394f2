/**
 * A router as its user has it: the real program in a process of its own, talked to by the real
 * command line and the real API, and killed like one.
 */
import { type ChildProcess, type ChildProcessByStdio, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { request } from "node:http"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Readable } from "node:stream"
import { text } from "node:stream/consumers"
import { promisify } from "node:util"
import { projectRoot } from "./project.ts"

const run = promisify(execFile)
/** What `built-program.ts` builds before the first test. */
const PROGRAM = join(projectRoot, "dist", "src", "main.js")
const START_PATIENCE_MS = 60_000

/** A command's result. */
export interface CommandResult {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

/** Environment of everything we start: nothing of the tester's own. */
function cleanEnvironment(changes: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { PATH, TMPDIR } = process.env
  return { PATH, TMPDIR, HOME: "/nonexistent", NO_COLOR: "1", ...changes }
}

/** One home folder with, at times, a router on it. */
export class AlliumProcess implements AsyncDisposable {
  readonly home: string
  readonly #flags: readonly string[]
  readonly #said: Buffer[] = []
  #child: ChildProcess | undefined

  /** @param flags - Of `allium run`: they choose the network. */
  constructor(home: string, flags: readonly string[]) {
    this.home = home
    this.#flags = flags
  }

  /** What all routers of this home wrote to standard output and standard error so far. */
  get said(): Buffer {
    return Buffer.concat(this.#said)
  }

  /** Process id of the running router. */
  get processId(): number {
    const id = this.#child?.pid
    if (id === undefined) throw new Error("The router does not run")
    return id
  }

  /** Starts `allium run`; resolves when it says that it is ready. */
  async start(): Promise<void> {
    const child = this.launch(["run", "--json", ...this.#flags])
    this.#child = child
    for (const pipe of [child.stdout, child.stderr])
      pipe.on("data", (chunk: Buffer) => this.#said.push(chunk))
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

  /** Ends the router as its user would. @returns Exit code; `undefined` when none ran. */
  async stop(): Promise<number | undefined> {
    return this.#end("SIGTERM")
  }

  /** Freezes or unfreezes the router. */
  signal(name: "SIGSTOP" | "SIGCONT"): void {
    process.kill(this.processId, name)
  }

  /** Starts one command line on this home, by the words `through` if there are any, and leaves it running; the caller ends it. */
  launch(
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    through: readonly string[] = [],
  ): ChildProcessByStdio<null, Readable, Readable> {
    const words = [...through, process.execPath, PROGRAM, "--home", this.home, ...args]
    const [program = "", ...rest] = words
    const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"]
    return spawn(program, rest, { stdio, env: cleanEnvironment(env) })
  }

  /** Runs one command line against this home, by the words `through` if there are any; `stdin` is given to it. */
  async command(
    args: readonly string[],
    stdin = "",
    through: readonly string[] = [],
  ): Promise<CommandResult> {
    const words = [...through, process.execPath, PROGRAM, "--home", this.home, ...args]
    const [program = "", ...rest] = words
    const running = run(program, rest, { env: cleanEnvironment(), maxBuffer: 2 ** 26 })
    running.child.stdin?.end(stdin)
    try {
      return { exit: 0, ...(await running) }
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
      return { exit: code, stdout, stderr }
    }
  }

  /** Runs one command line on a terminal of its own; what a person sees, standard error included. */
  async onTerminal(
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<{ exit: number; screen: string }> {
    const line = quoted([process.execPath, PROGRAM, "--home", this.home, ...args])
    const options = { env: cleanEnvironment({ TERM: "xterm", ...env }), stdio: "pipe" } as const
    const child = spawn("script", ["-qec", line, "/dev/null"], options)
    child.stdin.end()
    const [screen, [exit]] = await Promise.all([text(child.stdout), once(child, "exit")])
    return { exit, screen }
  }

  /** Runs a bash script in which `allium` is our program; returns what it prints. */
  async inBash(script: string): Promise<string> {
    const program = `allium() { ${quoted([process.execPath, PROGRAM])} "$@"; }`
    const { stdout } = await run("bash", ["-c", `${program}\n${script}`], {
      env: cleanEnvironment({ ALLIUM_HOME: this.home }),
    })
    return stdout
  }

  /** Runs one command that must succeed, with `--json`; returns its document. */
  async json<T>(...args: string[]): Promise<T> {
    const result = await this.command([...args, "--json"])
    if (result.exit !== 0) throw new Error(`${args.join(" ")}: ${result.stderr}`)
    return JSON.parse(result.stdout) as T
  }

  /** Calls an offer over the Unix socket: faster than a command, the same answer. */
  async call<T>(verb: string, input: Record<string, unknown> = {}): Promise<T> {
    const { status, body } = await this.post(`/v1/${verb.replaceAll(" ", "/")}`, input)
    if (status !== 200) throw new Error(`${verb}: ${body}`)
    return JSON.parse(body) as T
  }

  /** One request over the Unix socket, whatever comes of it. */
  async post(path: string, input: unknown): Promise<{ status: number; body: string }> {
    const sent = request({
      socketPath: join(this.home, "run", "api.sock"),
      method: "POST",
      path,
      headers: { "content-type": "application/json", host: "localhost" },
    })
    sent.end(typeof input === "string" ? input : JSON.stringify(input))
    const [response] = await once(sent, "response")
    return { status: response.statusCode, body: await text(response) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end("SIGKILL")
  }

  async #end(signal: NodeJS.Signals): Promise<number | undefined> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? undefined
    const gone = once(child, "exit")
    child.kill(signal)
    const [code] = (await gone) as [number | null]
    return code ?? undefined
  }
}

/** Words for a shell. */
function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ")
}

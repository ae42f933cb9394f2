/**
 * An i2pd of our own: started, watched, started again, and ended with us.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { access, constants, readFile, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { delimiter, join } from "node:path"
import { type Backoff, openBackoff } from "../base/backoff.ts"
import type { Clock } from "../base/clock.ts"
import { AlliumError, toAlliumError } from "../base/errors.ts"
import type { Log } from "../base/log.ts"
import type { Chance } from "../base/random.ts"
import { Scope } from "../base/scope.ts"
import { formatI2pdConfig } from "./i2pd-config.ts"

/** Debian and Homebrew put i2pd where a user's PATH does not look. */
const USUAL_FOLDERS = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"]
/** i2pd 2.45.1 can hang on SIGTERM while a SAM session is open. */
const TERM_PATIENCE_MS = 2_000
/** An i2pd that lived this long is not failing at start. */
const HEALTHY_MS = 60_000

/** A running, watched i2pd. */
export interface I2pdChild extends AsyncDisposable {
  /** SAM port on 127.0.0.1; the same for every restart. */
  readonly samPort: number
  /** How often it had to be started again. */
  readonly restarts: number
  /** Process id while it runs. */
  readonly processId: number | undefined
}

/** Finds the i2pd binary on PATH and in the usual folders. */
export function findI2pd(path = process.env.PATH ?? ""): Promise<string | undefined> {
  return findProgram("i2pd", [...path.split(delimiter), ...USUAL_FOLDERS])
}

async function findProgram(name: string, folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const candidate = join(folder, name)
    const usable = folder !== "" && (await access(candidate, constants.X_OK).then(yes, no))
    if (usable) return candidate
  }
  return undefined
}

const yes = () => true
const no = () => false

/** What {@linkcode openI2pdChild} needs. */
export interface I2pdChildOptions {
  /** The binary; `findI2pd()`'s answer. */
  readonly program: string
  /** i2pd's own folder, mode 0700; it keeps its keys and what it knows of the network there. */
  readonly folder: string
  /** Extra lines of configuration. */
  readonly extraConfig?: string
  readonly clock: Clock
  readonly chance: Chance
  readonly log: Log
}

/**
 * Starts i2pd and keeps it running; resolves once the process stands (SAM may take a moment more).
 *
 * @throws {AlliumError} `I2PD_FAILED` when it ends at once.
 */
export async function openI2pdChild(options: I2pdChildOptions): Promise<I2pdChild> {
  await using opening = new Scope()
  await endLeftover(options.folder)
  const samPort = await freePort()
  const config = join(options.folder, "i2pd.conf")
  await writeFile(config, formatI2pdConfig(samPort, options.extraConfig), { mode: 0o600 })
  const keeper = new Keeper(options, config)
  opening.defer(() => keeper.close())
  await keeper.start()
  const owned = opening.move()
  return {
    samPort,
    get restarts() {
      return keeper.restarts
    },
    get processId() {
      return keeper.child?.pid
    },
    [Symbol.asyncDispose]: () => owned.close(),
  }
}

/** Starts the process again whenever it ends, until it is closed. */
class Keeper {
  restarts = 0
  child: ChildProcess | undefined
  readonly #options: I2pdChildOptions
  readonly #config: string
  readonly #abort = new AbortController()
  readonly #backoff: Backoff

  constructor(options: I2pdChildOptions, config: string) {
    this.#options = options
    this.#config = config
    this.#backoff = openBackoff({ firstMs: 1_000, mostMs: 60_000, chance: options.chance })
  }

  async start(): Promise<void> {
    const { program, folder, clock } = this.#options
    const startedMs = clock.monotonicMs()
    const child = await spawnBound(program, [
      `--datadir=${folder}`,
      `--conf=${this.#config}`,
      "--tunconf=/dev/null",
      `--tunnelsdir=${join(folder, "none")}`,
    ])
    await once(child, "spawn").catch((cause: unknown) => {
      throw new AlliumError("I2PD_FAILED", "Cannot start i2pd: the system refused it", { cause })
    })
    this.child = child
    if (this.#abort.signal.aborted) child.kill("SIGKILL") // closed while it was being started
    await writeFile(join(folder, "allium.pid"), `${child.pid}\n`, { mode: 0o600 })
    child.once("exit", () => void this.#again(clock.monotonicMs() - startedMs).catch(() => {}))
  }

  async #again(livedMs: number): Promise<void> {
    this.child = undefined
    const { clock, log } = this.#options
    const { signal } = this.#abort
    if (livedMs > HEALTHY_MS) this.#backoff.reset()
    if (!signal.aborted) log.warn("i2pd.ended", { livedMs: Math.round(livedMs) })
    while (!signal.aborted) {
      this.restarts++
      await clock.sleep(this.#backoff.next(), { signal })
      try {
        return await this.start()
      } catch (thrown) {
        // Perhaps it is being upgraded: tried again.
        log.warn("i2pd.not-started", { code: toAlliumError(thrown).code })
      }
    }
  }

  async close(): Promise<void> {
    this.#abort.abort()
    const { child } = this
    if (child === undefined || child.exitCode !== null) return
    const gone = once(child, "exit")
    child.kill("SIGTERM")
    const patience = setTimeout(() => child.kill("SIGKILL"), TERM_PATIENCE_MS)
    await gone
    clearTimeout(patience)
  }
}

/** Spawns so that the child dies with us where the system knows how (Linux, util-linux). */
async function spawnBound(program: string, args: string[]): Promise<ChildProcess> {
  const path = process.env.PATH ?? ""
  const options = { stdio: "ignore", env: { PATH: path } } as const
  const isLinux = process.platform === "linux"
  const setpriv = isLinux ? await findProgram("setpriv", path.split(delimiter)) : undefined
  // Without it an i2pd that outlives us is ended at the next start.
  if (setpriv === undefined) return spawn(program, args, options)
  return spawn(setpriv, ["--pdeathsig", "KILL", "--", program, ...args], options)
}

/** Ends an i2pd that a killed router of the same home left behind; only when it is surely that one. */
async function endLeftover(folder: string): Promise<void> {
  const text = await readFile(join(folder, "allium.pid"), "utf8").catch(() => "")
  const processId = Number.parseInt(text, 10)
  if (!(processId > 1)) return
  const command = await readFile(`/proc/${processId}/cmdline`, "utf8").catch(() => "")
  if (command.includes(`--datadir=${folder}`)) process.kill(processId, "SIGKILL")
}

/** A port of loopback that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, "close")
  return port
}

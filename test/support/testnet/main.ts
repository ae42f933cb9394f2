/**
 * `npm run testnet`: a private network of real I2P routers, as a command.
 *
 * This half runs outside: it makes the namespaces and the folder, hands signals on, and cleans up.
 * `inside.ts` runs within them, below an init of one line that collects orphans; when that init ends,
 * the kernel ends every process of its PID namespace, whatever became of us.
 *
 * @module
 */
import { spawn } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { constants, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { InsideOptions } from "./inside.ts"
import {
  findProgram,
  parseTestnetOptions,
  type TestnetOptions,
  toolPath,
  USAGE,
} from "./options.ts"

const INSIDE = fileURLToPath(new URL("./inside.ts", import.meta.url))
/** Waits for one child and, as PID 1, for every orphan; ends with the child's exit code. */
const INIT = ["sh", "-c", '"$@" <&0 & wait "$!"', "init"]
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const

process.exitCode = await main(process.argv.slice(2))

async function main(words: string[]): Promise<number> {
  try {
    const options = parseTestnetOptions(words)
    if (!options.help) return await runTestnet(options)
    console.log(USAGE)
    return 0
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    console.error(error.message)
    return 2
  }
}

async function runTestnet(options: TestnetOptions): Promise<number> {
  const i2pd = findProgram(options.i2pd ?? "i2pd")
  const problem = whyNot(options, i2pd)
  if (problem !== undefined) {
    console.error(problem)
    return 1
  }
  const folder = await mkdtemp(join(tmpdir(), "allium-testnet-"))
  try {
    const report = process.env.ALLIUM_TESTNET_REPORT ?? join(folder, "packets.json")
    return await runInside({ ...options, i2pd: i2pd ?? "", folder, report })
  } finally {
    if (options.keep) console.error(`testnet: folders left in ${folder}`)
    else await rm(folder, { recursive: true, force: true })
  }
}

/** Why this machine cannot, in one line. */
function whyNot(options: TestnetOptions, i2pd: string | undefined): string | undefined {
  if (process.platform !== "linux") return "Cannot start testnet: network namespaces need Linux"
  const missing = ["unshare", "mount", "ip", "perl"].find((name) => findProgram(name) === undefined)
  if (missing !== undefined)
    return `Cannot start testnet: no ${missing} found; on Debian: apt-get install util-linux iproute2 perl`
  if (i2pd === undefined && options.routerCount > 0)
    return "Cannot start testnet: no i2pd found; install it (Debian: apt-get install i2pd) or name one with --i2pd PATH"
  return undefined
}

function runInside(options: InsideOptions): Promise<number> {
  const asRoot = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"]
  const namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
  const self = [process.execPath, ...process.execArgv, INSIDE, JSON.stringify(options)]
  const child = spawn(findProgram("unshare")!, [...asRoot, ...namespaces, ...INIT, ...self], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, PATH: toolPath() },
  })
  for (const signal of SIGNALS)
    process.on(signal, () => {
      // A terminal has sent Ctrl-C to everybody already; twice would mean "at once" to many programs.
      if (signal === "SIGINT" && process.stdin.isTTY) return
      if (child.connected) child.send({ signal })
    })
  return new Promise((resolve, reject) => {
    child.on("error", reject)
    child.on("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal!]))
  })
}

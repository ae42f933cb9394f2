/**
 * The half of the testnet that lives inside the namespaces: addresses, packet counter, routers,
 * control socket, and the command if there is one.
 *
 * @module
 */
import { spawn } from "node:child_process"
import { rmSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { constants } from "node:os"
import { join } from "node:path"
import { Scope } from "../../../src/base/scope.ts"
import { openControl, type TestnetReport } from "./control.ts"
import { type DnsTrap, openDnsTrap } from "./dns-trap.ts"
import { closeTheWayOut, routerAddress } from "./namespace.ts"
import { openPacketCounter, type PacketCounter } from "./packets.ts"
import { openRouters, type Routers, samPort } from "./routers.ts"

/** What the outer half decided, as JSON in the first argument. */
export interface InsideOptions {
  readonly routerCount: number
  readonly i2pd: string
  /** Exists, mode 0700, removed by the outer half. */
  readonly folder: string
  /** Leaves the folder behind. */
  readonly keep: boolean
  /** File for the packet report. */
  readonly report: string
  readonly command: readonly string[]
}

const options = JSON.parse(process.argv[2]!) as InsideOptions
// The outer half is gone: when this process ends, its init ends, and with it everything in here.
const abandoned = () => {
  try {
    if (!options.keep) rmSync(options.folder, { recursive: true, force: true, maxRetries: 3 })
  } finally {
    process.exit(1)
  }
}
process.once("disconnect", abandoned)
const ended = signalled()
process.exitCode = await run().catch((error: Error) => {
  console.error(`testnet: ${error.message}`)
  return 1
})
process.off("disconnect", abandoned)
process.disconnect()

async function run(): Promise<number> {
  await using scope = new Scope()
  await closeTheWayOut(options)
  const counter = scope.use(await openPacketCounter())
  const dns = scope.use(await openDnsTrap())
  const routers = scope.use(await openRouters(options))
  const control = join(options.folder, "control.sock")
  const report = () => reportOf({ counter, dns, routers })
  scope.use(await openControl(control, { routers, report }))
  await writeReport(report)
  announce()
  const code = await (options.command.length === 0 ? untilSignal() : runCommand(control))
  await writeReport(report)
  return code
}

interface Watched {
  readonly counter: PacketCounter
  readonly dns: DnsTrap
  readonly routers: Routers
}

async function reportOf({ counter, dns, routers }: Watched): Promise<TestnetReport> {
  const { dnsPacketCount, ...packets } = await counter.report()
  const dnsQueryCount = dnsPacketCount + dns.queryCount
  return { ...packets, dnsQueryCount, crashes: routers.crashes }
}

async function writeReport(report: () => Promise<TestnetReport>): Promise<void> {
  const found = await report()
  await writeFile(options.report, `${JSON.stringify(found, undefined, 2)}\n`)
  for (const { to, from, packetCount } of found.destinations)
    console.error(`testnet: ${packetCount} packets would have left for ${to} (from ${from})`)
}

function routerNumbers(): number[] {
  return Array.from({ length: options.routerCount }, (_, index) => index + 1)
}

function announce(): void {
  const lines = routerNumbers().map(
    (number) => `  router ${number}  ${routerAddress(number)}  SAM 127.0.0.1:${samPort(number)}`,
  )
  // Standard output belongs to COMMAND.
  console.error([`testnet: ${options.routerCount} routers are up`, ...lines].join("\n"))
}

/** The first signal, or undefined while none came; later ones go to the command only. */
function signalled(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.on("message", (message: { signal: NodeJS.Signals }) => resolve(message.signal))
    if (options.command.length === 0) process.on("SIGINT", () => resolve("SIGINT"))
    else process.on("SIGINT", () => {})
  })
}

async function untilSignal(): Promise<number> {
  console.error("testnet: Ctrl-C ends it")
  await ended
  return 0
}

function runCommand(control: string): Promise<number> {
  const [program, ...words] = options.command
  const child = spawn(program!, words, { stdio: "inherit", env: environment(control) })
  process.on("message", (message: { signal: NodeJS.Signals }) => void child.kill(message.signal))
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new Error(`Cannot run ${program}: ${error.message}`)))
    child.on("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal!]))
  })
}

function environment(control: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ALLIUM_TESTNET_SAM_PORTS: routerNumbers().map(samPort).join(","),
    ALLIUM_TESTNET_REPORT: options.report,
    ALLIUM_TESTNET_CONTROL: control,
  }
}

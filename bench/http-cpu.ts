/**
 * What `http-proxy` and `http-server` cost in processor time, which a busy machine disturbs less than speed: the built
 * program, each router a process of its own, on the embedded network, which a third one hosts.
 *
 * `HTTP_PROFILE=FOLDER` leaves CPU profiles of the two there (`proxy`, `server`).
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Scope } from "../src/base/scope.ts"
import { type Bench, type Figure, figure } from "./figure.ts"
import { openOrigin, Visitors } from "./http-load.ts"
import { BUILT, freePort, Program, processorMs, type Running, requireBuilt } from "./router.ts"

const KEPT_CONNECTIONS = 16
const SECONDS = 4
const PARALLEL = 8
const MEBIBYTES = 16
const ROUNDS = 5
/** Of one visitor, more than it can ask. */
const NO_LIMIT = "1000000/1"

export const bench: Bench = {
  title: "processor time of http-proxy and http-server, embedded network",
  async run() {
    await requireBuilt()
    return measureHttpCpu()
  },
}

interface Pair {
  readonly proxy: Running
  readonly server: Running
  readonly visitors: Visitors
}

/** What a process of the pair used for one unit of work. */
interface Cost {
  readonly speed: number
  readonly proxyMs: number
  readonly serverMs: number
}

async function measureHttpCpu(): Promise<Figure[]> {
  await using scope = new Scope()
  const pair = await openPair(scope)
  const { visitors } = pair
  const askPages = () => costOf(pair, 1_000, () => visitors.pages(KEPT_CONNECTIONS, SECONDS))
  const download = () => costOf(pair, 100, () => visitors.download(MEBIBYTES, PARALLEL))
  await askPages() // warms up
  const pages: Cost[] = []
  const downloads: Cost[] = []
  for (let round = 0; round < ROUNDS; round++) {
    pages.push(await askPages())
    downloads.push(await download())
  }
  return [
    ...figuresOf(`pages at ${KEPT_CONNECTIONS} connections`, "1/s", "1,000 pages", pages),
    ...figuresOf(`${PARALLEL} downloads`, "MiB/s", "100 MiB", downloads),
    figure("failed requests", [visitors.failed], "", { most: 0 }),
  ]
}

function figuresOf(what: string, speed: string, unit: string, costs: readonly Cost[]): Figure[] {
  const all = (name: keyof Cost) => costs.map((cost) => cost[name])
  return [
    figure(what, all("speed"), speed),
    figure(`http-proxy, CPU of ${unit}`, all("proxyMs"), "ms"),
    figure(`http-server, CPU of ${unit}`, all("serverMs"), "ms"),
  ]
}

/** @param work - Gives how much it did in a second. */
async function costOf(
  { proxy, server }: Pair,
  units: number,
  work: () => Promise<number>,
): Promise<Cost> {
  const used = () => Promise.all([proxy, server].map(({ processId }) => processorMs(processId)))
  const [proxyBefore = 0, serverBefore = 0] = await used()
  const startMs = performance.now()
  const speed = await work()
  const done = (speed * (performance.now() - startMs)) / 1_000
  const [proxyAfter = 0, serverAfter = 0] = await used()
  return {
    speed,
    proxyMs: ((proxyAfter - proxyBefore) * units) / done,
    serverMs: ((serverAfter - serverBefore) * units) / done,
  }
}

async function openPair(scope: Scope): Promise<Pair> {
  const folder = await mkdtemp(join(tmpdir(), "allium-bench-"))
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  const origin = await openOrigin()
  scope.defer(() => origin.closeAllConnections())
  scope.defer(() => void origin.close())
  const port = await freePort()
  const start = async (name: string) => {
    const home = join(folder, name)
    const running = scope.use(await new Program([...flagsOf(name), BUILT], home).start(port))
    return { running, program: new Program([BUILT], home) }
  }
  await start("bridge") // the first hosts the network
  const [far, near] = [await start("server"), await start("proxy")]
  const add = async (program: Program, ...words: string[]) =>
    JSON.parse(await program.command("tunnel", "add", ...words, "--json"))
  const { port: originPort } = origin.address() as AddressInfo
  const rates = ["--request-rate", NO_LIMIT]
  const site = await add(far.program, "http-server", "--expose", String(originPort), ...rates)
  const proxy = await add(near.program, "http-proxy", "--listen", "0")
  const listens = Number(proxy.listens.split(":").at(-1))
  const visitors = new Visitors({ kind: "http", port: listens, site: site.address })
  await visitors.arrive()
  return { proxy: near.running, server: far.running, visitors }
}

function flagsOf(name: string): string[] {
  const folder = process.env.HTTP_PROFILE
  if (folder === undefined || name === "bridge") return []
  return ["--cpu-prof", `--cpu-prof-dir=${join(folder, name)}`]
}

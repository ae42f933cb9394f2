/**
 * Allium's `http-proxy` before its `http-server`, against i2pd's own pair, on the same routers.
 *
 * Run: `npm run testnet -- npm run bench http`. How fast an I2P stream is differs by 2.5 times between destinations,
 * so there are several of each, with new keys, and the two take turns. The routers of Allium are the built program,
 * each a process of its own, as i2pd is; the visitors and the web server are here, for both alike.
 *
 * @module
 */
import { mkdtemp, readFile, rm } from "node:fs/promises"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Scope } from "../src/base/scope.ts"
import { readDestination } from "../src/sam/index.ts"
import { routerFolder, setRouterTunnels, testnetPorts } from "../test/support/testnet/testnet.ts"
import { alternate, type Bench, type Figure, figure, median, ratios } from "./figure.ts"
import { openOrigin, Visitors, type Way } from "./http-load.ts"
import { BUILT, freePort, Program, requireBuilt, residentMebibytes } from "./router.ts"

/** Router 1 is where visitors are; sites are on this one, which is no floodfill either. */
const FAR = 4
/** As Allium asks for, so that both have the same. */
const SESSION = ["inbound.quantity = 3", "outbound.quantity = 3", "i2cp.leaseSetEncType = 4"].join(
  "\n",
)
const FIRST_BYTES = 15
const KEPT_CONNECTIONS = 16
const PARALLEL = 8
/** `HTTP_KINDS=http` leaves SOCKS out. */
const KINDS = (process.env.HTTP_KINDS ?? "http,socks").split(",")
/** Requests of one visitor; i2pd has no such bound. */
const NO_LIMIT = "1000000/1"

/** What is measured, and how often. */
interface HttpSize {
  readonly destinations: number
  readonly mebibytes: number
  readonly seconds: number
  readonly connections: number
}

type Contender = "ours" | "theirs"

/** One round: one destination of one contender. */
interface Round {
  readonly firstByteMs: number
  readonly single: number
  readonly parallel: number
  readonly pages: number
  readonly failed: number
}

export const bench: Bench = {
  title: "http-proxy and http-server against i2pd's own pair, on real i2pd",
  unavailable: () =>
    process.env.ALLIUM_TESTNET_CONTROL === undefined
      ? "needs real routers: npm run testnet -- npm run bench http"
      : undefined,
  async run() {
    await requireBuilt()
    return measureHttp({
      destinations: numberFrom("HTTP_DESTINATIONS", 5),
      mebibytes: numberFrom("HTTP_MIB", 4),
      seconds: numberFrom("HTTP_SECONDS", 3),
      connections: numberFrom("HTTP_CONNECTIONS", 200),
    })
  },
}

function numberFrom(name: string, otherwise: number): number {
  return Number(process.env[name] ?? otherwise)
}

async function measureHttp(size: HttpSize): Promise<Figure[]> {
  await using scope = new Scope()
  const folder = await mkdtemp(join(tmpdir(), "allium-bench-"))
  scope.defer(() => rm(folder, { recursive: true, force: true }))
  const origin = await openOrigin()
  scope.defer(() => origin.closeAllConnections())
  scope.defer(() => void origin.close())
  const { port } = origin.address() as AddressInfo
  const [ours, theirs] = await Promise.all([
    openOurs({ folder, port, ...size }, scope),
    openTheirs({ port, ...size }),
  ])
  const figures: Figure[] = []
  for (const kind of ["http", "socks"] as const) {
    if (ours.ports[kind] === undefined || !KINDS.includes(kind)) continue
    const ways = {
      ours: ours.sites.map((site) => ({ kind, port: ours.ports[kind]!, site })),
      theirs: theirs.sites.map((site) => ({ kind, port: theirs.ports[kind], site })),
    }
    figures.push(...figuresOf(kind, await measureWays(ways, size)))
  }
  const way = { kind: "http", port: ours.ports.http!, site: ours.sites[0]! } as const
  return [...figures, await measureMemory(way, ours.processId, size.connections)]
}

async function measureWays(
  ways: Record<Contender, Way[]>,
  size: HttpSize,
): Promise<Record<Contender, Round[]>> {
  const all = [...ways.ours, ...ways.theirs]
  await Promise.all(all.map((way) => new Visitors(way).arrive()))
  const next = { ours: 0, theirs: 0 }
  const round = (who: Contender) => () => measureRound(ways[who][next[who]++]!, size)
  return alternate(size.destinations, { theirs: round("theirs"), ours: round("ours") })
}

async function measureRound(way: Way, { mebibytes, seconds }: HttpSize): Promise<Round> {
  const visitors = new Visitors(way)
  await visitors.arrive()
  return {
    firstByteMs: median(await visitors.firstByteMs(FIRST_BYTES)),
    single: await visitors.download(mebibytes, 1),
    parallel: await visitors.download(mebibytes, PARALLEL),
    pages: await visitors.pages(KEPT_CONNECTIONS, seconds),
    failed: visitors.failed,
  }
}

function figuresOf(kind: string, { ours, theirs }: Record<Contender, Round[]>): Figure[] {
  const pairs = (what: keyof Round) => [ours, theirs].map((all) => all.map((one) => one[what]))
  const compare = (name: string, what: keyof Round, unit: string, least?: number) => {
    const [own = [], their = []] = pairs(what)
    return [
      figure(`${kind}: ${name}, i2pd`, their, unit),
      figure(`${kind}: ${name}, Allium`, own, unit),
      figure(`${kind}: ${name}, ratio`, ratios(own, their), "", least ? { least } : undefined),
    ]
  }
  const [own = [], their = []] = pairs("firstByteMs")
  const later = own.map((ms, index) => ms - their[index]!)
  return [
    ...compare("one download", "single", "MiB/s", 1),
    ...compare(`${PARALLEL} downloads`, "parallel", "MiB/s", 1),
    ...compare(`pages at ${KEPT_CONNECTIONS} connections`, "pages", "1/s", kind === "http" ? 4 : 1),
    ...compare("first byte", "firstByteMs", "ms").slice(0, 2),
    figure(`${kind}: first byte, later by`, later, "ms", { most: 3 }),
    figure(`${kind}: failed requests, i2pd`, pairs("failed")[1]!, ""),
    figure(`${kind}: failed requests, Allium`, pairs("failed")[0]!, "", { most: 0 }),
  ]
}

/** Resident memory of the visitors' router with so many connections that are kept open. */
async function measureMemory(way: Way, processId: number, connections: number): Promise<Figure> {
  using _ = await new Visitors(way).stay(connections)
  await sleep(3_000)
  const resident = await residentMebibytes(processId)
  return figure(`resident memory with ${connections} connections`, [resident], "MiB", { most: 200 })
}

/** Proxies of a side, by kind, and the names of its sites. */
interface Side {
  readonly ports: { readonly http?: number; readonly socks?: number }
  readonly sites: readonly string[]
}

async function openOurs(
  { folder, port, destinations }: { folder: string; port: number; destinations: number },
  scope: Scope,
): Promise<Side & { processId: number }> {
  const [near, far] = ["near", "far"].map((name) => new Program([BUILT], join(folder, name)))
  const samPorts = testnetPorts()
  const running = scope.use(await near!.start(samPorts[0]!, "sam"))
  scope.use(await far!.start(samPorts[FAR - 1]!, "sam"))
  const add = async (program: Program, kind: string, ...flags: string[]) =>
    JSON.parse(await program.command("tunnel", "add", kind, ...flags, "--json"))
  const proxy = ["--listen", "0", "--wait-seconds", "600", "--connections", "2000"]
  const rate = ["--request-rate", NO_LIMIT]
  const site = (_: unknown, index: number) =>
    add(far!, "http-server", ...rate, "--expose", String(port), "--name", `site-${index}`)
  const http = await add(near!, "http-proxy", ...proxy)
  const socks = await add(near!, "socks", "--listen", "0").catch(() => undefined)
  const sites = await Promise.all(Array.from({ length: destinations }, site))
  const portOf = ({ listens }: { listens: string }) => Number(listens.split(":").at(-1))
  return {
    processId: running.processId,
    ports: { http: portOf(http), ...(socks && { socks: portOf(socks) }) },
    sites: sites.map(({ address }) => address),
  }
}

async function openTheirs({
  port,
  destinations,
}: {
  port: number
  destinations: number
}): Promise<Side & { ports: { http: number; socks: number } }> {
  const [http, socks] = [await freePort(), await freePort()]
  const proxy = (type: string, listens: number) =>
    `[${type}]\ntype = ${type}\naddress = 127.0.0.1\nport = ${listens}\nkeys = transient-${type}\n${SESSION}\n`
  await setRouterTunnels(1, proxy("httpproxy", http) + proxy("socks", socks))
  const numbers = Array.from({ length: destinations }, (_, index) => index)
  const site = (number: number) =>
    `[site-${number}]\ntype = http\nhost = 127.0.0.1\nport = ${port}\nkeys = site-${number}.dat\n${SESSION}\n`
  await setRouterTunnels(FAR, numbers.map(site).join("\n"))
  const sites = numbers.map((number) => nameIn(join(routerFolder(FAR), `site-${number}.dat`)))
  return { ports: { http, socks }, sites: await Promise.all(sites) }
}

/** Of the destination at the head of i2pd's key file, once that is there. */
async function nameIn(file: string): Promise<string> {
  for (;;) {
    const keys = await readFile(file).catch(() => Buffer.alloc(0))
    const end = keys.length < 387 ? 0 : 387 + keys.readUInt16BE(385)
    if (end > 0 && keys.length >= end) return readDestination(keys.subarray(0, end)).b32
    await sleep(200)
  }
}

/**
 * `allium run --network i2pd`: a router of our own, among real ones. What listens, who starts it again,
 * and who ends it.
 */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { AlliumProcess } from "../support/allium-process.ts"
import { befriend } from "../support/friends.ts"
import { eventually } from "../support/story.ts"
import { routerHash } from "../support/testnet/routers.ts"
import { packetReport, testnetPorts } from "../support/testnet/testnet.ts"

const run = promisify(execFile)
/** Of our own i2pd; the testnet's routers have 5.1.0.1 to 5.6.0.1. */
const ADDRESS = "5.7.0.1"
const TRANSPORT_PORT = 20_007
/** Tunnels take their time, and the network must get to know a new router. */
const PATIENCE_MS = 700_000
const SHORT_MS = 20_000
/** A younger acquaintance of two i2pd is lost for minutes; see `docs/decisions/0003-both-sides-redial.md`. */
const RATCHET_MS = 130_000
/** What makes it a router of the testnet; see `test/support/testnet/i2pd.ts`. */
const CONFIG = [
  `host = ${ADDRESS}`,
  `address4 = ${ADDRESS}`,
  `port = ${TRANSPORT_PORT}`,
  ...["ipv4 = true", "ipv6 = false", "nat = false", "reservedrange = false"],
  ...["netid = 77", "bandwidth = X", "share = 100", "floodfill = false"],
  ...["[ntcp2]", "enabled = true", "published = true"],
  ...["[ssu2]", "enabled = true", "published = true"],
  ...["[reseed]", "verify = false", "urls =", "yggurls =", "threshold = 0"],
  ...["[exploratory]", "inbound.length = 1", "outbound.length = 1"],
  "",
].join("\n")

interface Status {
  readonly network: {
    readonly kind: string
    readonly bridge: string
    readonly i2pdRestarts?: number
  }
  readonly sessions: readonly { state: string }[]
}

describe("a router with an i2pd of its own", () => {
  let folder: string
  let own: AlliumProcess
  let other: AlliumProcess
  let metAtMs = 0

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-own-"))
    await run("ip", ["address", "add", `${ADDRESS}/32`, "dev", "lo"]).catch(() => {}) // a second try has it
    const config = join(folder, "i2pd-extra.conf")
    await writeFile(config, CONFIG)
    own = new AlliumProcess(join(folder, "own"), ["--network", "i2pd", "--i2pd-config", config])
    await introduceRouters(own.home)
    const [port] = testnetPorts()
    other = new AlliumProcess(join(folder, "other"), [
      "--network",
      "sam",
      "--sam",
      `127.0.0.1:${port}`,
    ])
    await Promise.all([own.start(), other.start()])
  })
  afterAll(async () => {
    await Promise.all([own?.stop(), other?.stop()])
    await rm(folder, { recursive: true, force: true })
  })

  const status = () => own.call<Status>("status")
  const i2pdId = async () => Number(await readFile(join(own.home, "i2pd", "allium.pid"), "utf8"))
  const sessionUp = () =>
    eventually(
      status,
      ({ sessions }) => sessions.length > 0 && sessions.every(({ state }) => state === "up"),
      PATIENCE_MS,
    )

  it("says so in status", async () => {
    const { network } = await status()
    expect(network).toMatchObject({ kind: "i2pd", anonymous: true, i2pdRestarts: 0 })
    expect(network.bridge).toMatch(/^127\.0\.0\.1:\d+$/)
  })

  it("lets nothing listen but SAM on loopback, and the transports", async () => {
    const { network } = await status()
    const sam = Number(network.bridge.split(":")[1])
    const expected = [`tcp 127.0.0.1:${sam}`, `tcp ${ADDRESS}:${TRANSPORT_PORT}`]
    const id = await i2pdId()
    const found = await eventually(
      () => listeningOf(id),
      (all) => expected.every((one) => all.includes(one)),
      SHORT_MS,
    )
    const allowed = [...expected, `udp ${ADDRESS}:${TRANSPORT_PORT}`, `udp 127.0.0.1:${sam - 1}`]
    expect(found.filter((one) => !allowed.includes(one))).toEqual([])
  })

  it("brings its identity onto the network", async () => {
    await own.call("identity create", { name: "ann" })
    await other.call("identity create", { name: "bob" })
    await sessionUp()
  })

  it("talks to somebody behind another router", async () => {
    const bob = { who: other, identity: "bob", calls: "ann" }
    metAtMs = Date.now()
    await befriend(bob, { who: own, identity: "ann", calls: "bob" }, PATIENCE_MS)
    const message = { contact: "ann", text: "hello from far away", wait: true }
    expect(await other.call("message send", message)).toMatchObject({ state: "delivered" })
  })

  it("has it started again when it is killed, on the same port, and recovers", async () => {
    await sleep(RATCHET_MS - (Date.now() - metAtMs))
    const [before, { network }] = [await i2pdId(), await status()]
    process.kill(before, "SIGKILL")
    const after = await eventually(i2pdId, (id) => id !== before && isAlive(id), SHORT_MS)
    expect(await commandOf(after)).toContain("i2pd")
    expect((await status()).network).toEqual({ ...network, i2pdRestarts: 1 })
    const began = Date.now()
    const tell = (what: string) =>
      console.log(`${what} ${((Date.now() - began) / 1_000).toFixed(1)} s after the return`)
    await sessionUp()
    tell("session up")
    const message = { contact: "bob", text: "still here", wait: true }
    expect(await own.call("message send", message)).toMatchObject({ state: "delivered" })
    tell("message delivered")
  })

  it("does not leave it behind when allium is killed", async () => {
    const id = await i2pdId()
    await own.kill()
    await eventually(
      async () => isAlive(id),
      (is) => !is,
      SHORT_MS,
    )
  })

  it("ends it at SIGTERM, and itself with exit code 0", async () => {
    await own.start()
    const id = await i2pdId()
    expect(isAlive(id)).toBe(true)
    const began = Date.now()
    expect(await own.stop()).toBe(0)
    expect(Date.now() - began).toBeLessThan(12_000)
    expect(isAlive(id)).toBe(false)
  })

  it("has wanted to reach nobody but the routers of this network", async () => {
    expect(await packetReport()).toMatchObject({ packetCount: 0, destinations: [] })
  })
})

describe("--network auto", () => {
  it("without a bridge and without i2pd: says how to get one, and ends with exit code 4", async () => {
    const home = await mkdtemp(join(tmpdir(), "allium-auto-"))
    // In a mount namespace of its own the machine's i2pd, where it has one, is covered by nothing.
    const script = [
      "for i2pd in /usr/sbin/i2pd /usr/local/sbin/i2pd /usr/local/bin/i2pd /opt/homebrew/bin/i2pd; do",
      '  if [ -e "$i2pd" ]; then mount --bind /dev/null "$i2pd" || exit 99; fi',
      "done",
      'PATH=/nonexistent exec "$@"',
    ].join("\n")
    const allium = new AlliumProcess(join(home, "home"), [])
    const through = ["unshare", "--mount", "sh", "-c", script, "sh"]
    const { exit, stderr } = await allium.command(["run"], "", through)
    await rm(home, { recursive: true })
    expect(stderr).toContain("NO_NETWORK")
    expect(stderr).toMatch(/Install i2pd.*allium try/)
    expect(exit).toBe(4)
  })
})

/** Puts the testnet's routers where a new router looks for those it knows: it has no way to reseed. */
async function introduceRouters(home: string): Promise<void> {
  const folder = dirname(process.env.ALLIUM_TESTNET_CONTROL ?? "")
  await mkdir(home, { mode: 0o700 })
  for (const name of (await readdir(folder)).filter((name) => name.startsWith("router-"))) {
    const info = await readFile(join(folder, name, "router.info"))
    const hash = routerHash(info)
    const shelf = join(home, "i2pd", "netDb", `r${hash[0]}`)
    await mkdir(shelf, { recursive: true, mode: 0o700 })
    await writeFile(join(shelf, `routerInfo-${hash}.dat`), info)
  }
}

/** `tcp 127.0.0.1:7656` for all a process listens on, from the kernel's own tables. */
async function listeningOf(processId: number): Promise<string[]> {
  const inodes = await socketsOf(processId)
  const found: string[] = []
  for (const table of ["tcp", "tcp6", "udp", "udp6"]) {
    const path = `/proc/${processId}/net/${table}`
    if (!existsSync(path)) continue
    const rows = (await readFile(path, "utf8")).trim().split("\n").slice(1)
    for (const row of rows.map((line) => line.trim().split(/\s+/))) {
      const [, local = "", , state = "", , , , , , inode = ""] = row
      const isOpen = table.startsWith("udp") || state === "0A" // listening
      if (isOpen && inodes.has(inode)) found.push(`${table} ${readAddress(local)}`)
    }
  }
  return found
}

async function socketsOf(processId: number): Promise<Set<string>> {
  const folder = `/proc/${processId}/fd`
  const links = await Promise.all(
    (await readdir(folder)).map((name) => readlink(join(folder, name)).catch(() => "")),
  )
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []))
}

/** IPv4 in the kernel's writing, `0100007F:1DE8`; IPv6 is left as it is. */
function readAddress(text: string): string {
  const [host = "", port = ""] = text.split(":")
  const bytes = Buffer.from(host, "hex")
  const name = bytes.length === 4 ? bytes.reverse().join(".") : host
  return `${name}:${Number.parseInt(port, 16)}`
}

function isAlive(processId: number): boolean {
  try {
    return process.kill(processId, 0)
  } catch {
    return false
  }
}

function commandOf(processId: number): Promise<string> {
  return readFile(`/proc/${processId}/cmdline`, "utf8")
}

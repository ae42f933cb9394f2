/**
 * Nobody outside can tell that identities, sites and tunnels belong to one router: as the bridge
 * itself, and a listener on its sockets, saw them.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { type AddressInfo, connect, createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../src/bridge/index.ts"
import { decodeBase64 } from "../../src/sam/base64.ts"
import { readDestinationKeys } from "../../src/sam/private-keys.ts"
import { AlliumProcess } from "../support/allium-process.ts"
import { befriend } from "../support/friends.ts"
import { openSamTap, type SamTap } from "../support/sam-tap.ts"
import { eventually } from "../support/story.ts"

const PATIENCE_MS = 30_000
const IDENTITIES = ["one", "two", "three"]

interface Status {
  readonly sessions: readonly { owner: string; address: string; state: string }[]
}

describe("many identities, sites and tunnels of one router", () => {
  let folder: string
  let bridge: EmbeddedBridge
  let tap: SamTap
  let many: AlliumProcess
  let friends: AlliumProcess
  let echo: Server
  /** Sessions the router had before it was restarted, by owner. */
  let before: Map<string, string>
  let friendSite = ""

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-unlinkable-"))
    bridge = await openEmbeddedBridge()
    tap = await openSamTap({ bridgePort: () => bridge.address.port })
    echo = createServer((socket) => void socket.on("error", () => {}).pipe(socket))
    await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve))
    const network = (port: number) => ["--network", "embedded", "--sam", `127.0.0.1:${port}`]
    many = new AlliumProcess(join(folder, "many"), network(tap.port))
    friends = new AlliumProcess(join(folder, "friends"), network(bridge.address.port))
    await Promise.all([many.start(), friends.start()])
    for (const name of IDENTITIES) await many.call("identity create", { name })
    for (const name of ["carol", "dave"]) await friends.call("identity create", { name })
    await serveSites()
    await Promise.all([useIdentity("one", "carol"), useIdentity("two", "dave")])
    await useTunnels()
    before = await addresses(many)
  })
  afterAll(async () => {
    await Promise.all([many?.stop(), friends?.stop()])
    echo?.close()
    await tap?.[Symbol.asyncDispose]()
    await bridge?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  async function serveSites(): Promise<void> {
    for (const [who, name] of [
      [many, "first"],
      [many, "second"],
      [friends, "theirs"],
    ] as const) {
      const site = join(folder, name)
      await mkdir(site)
      await writeFile(join(site, "index.html"), `<h1>${name}</h1>`)
      const { address } = await who.call<{ address: string }>("site serve", { folder: site })
      if (who === friends) friendSite = address
    }
  }

  async function useIdentity(identity: string, friend: string): Promise<void> {
    const own = { who: many, identity, calls: friend }
    const other = { who: friends, identity: friend, calls: identity }
    await befriend(own, other)
    for (const { who, identity: mine, calls } of [own, other])
      await who.call("message send", { contact: calls, identity: mine, text: "hi", wait: true })
  }

  async function useTunnels(): Promise<void> {
    const { port } = echo.address() as AddressInfo
    const expose = { expose: `127.0.0.1:${port}` }
    const server = await friends.call<{ address: string }>("tunnel add tcp-server", expose)
    await many.call("tunnel add tcp-server", expose)
    const to = { to: [server.address] }
    const client = await many.call<{ listens: string }>("tunnel add tcp-client", to)
    const proxy = await many.call<{ listens: string }>("tunnel add http-proxy", { listen: "0" })
    const isTrue = (answer: boolean) => answer
    await eventually(() => answers(client.listens, "echo", "echo"), isTrue, PATIENCE_MS)
    const request = `GET http://${friendSite}/ HTTP/1.1\r\nHost: ${friendSite}\r\nConnection: close\r\n\r\n`
    const page = () => answers(proxy.listens, request, "<h1>theirs</h1>")
    await eventually(page, isTrue, PATIENCE_MS)
  }

  /** Address by owner, of sessions that are up. */
  async function addresses(who: AlliumProcess): Promise<Map<string, string>> {
    const ask = () => who.call<Status>("status")
    const { sessions } = await eventually(
      ask,
      ({ sessions }) => sessions.every(({ state }) => state === "up"),
      PATIENCE_MS,
    )
    return new Map(sessions.map(({ owner, address }) => [owner, address]))
  }

  /** Everybody who exchanged a stream with this address, or tried to. */
  function peersOf(address: string): string[] {
    const dials = bridge.trace.filter(({ what }) => what.startsWith("dial "))
    const meetings = dials.map(({ who }) => who).filter((who) => who.includes(address))
    return [...new Set(meetings.flat())].filter((who) => who !== address)
  }

  it("have a session each: three identities, two sites, a tunnel of each kind", () => {
    const kinds = [...before.keys()].map((owner) => owner.split(" ")[0])
    expect(kinds.filter((kind) => kind === "identity")).toHaveLength(3)
    expect(kinds.filter((kind) => kind === "plugin")).toHaveLength(2)
    expect(kinds.filter((kind) => kind === "tunnel")).toHaveLength(3)
    expect(tap.commands("SESSION CREATE")).toHaveLength(8)
  })

  it("share no destination, id or socket in the bridge's own record", () => {
    const { record } = bridge
    // The friends have two identities, a site and a tunnel.
    expect(record).toHaveLength(8 + 4)
    for (const key of ["destinationB32", "id", "connection"] as const)
      expect(new Set(record.map((one) => one[key])).size, key).toBe(record.length)
    const opened = new Set(record.map(({ destinationB32 }) => destinationB32))
    for (const address of before.values()) expect(opened).toContain(address)
  })

  it("use each socket for one session only", () => {
    const bySocket = new Map<number, Set<string>>()
    for (const { connection, line } of tap.lines) {
      const ids = bySocket.get(connection) ?? new Set()
      const [, id] = / ID=(\S+)/.exec(line) ?? []
      if (id !== undefined) bySocket.set(connection, ids.add(id))
    }
    expect(bySocket.size).toBeGreaterThan(8)
    expect([...bySocket.values()].filter((ids) => ids.size !== 1)).toEqual([])
  })

  it("say the same to the bridge but for id and keys: no nickname, no name", () => {
    const shapes = tap.lines
      .filter(({ line }) => line.startsWith("SESSION CREATE"))
      .map(({ line }) => line.replace(/ (ID|DESTINATION)=\S+/g, " $1=…"))
    expect(new Set(shapes).size).toBe(1)
    expect(shapes[0]).not.toMatch(/nick|name/i)
    const ids = tap.commands("SESSION CREATE").map((values) => values.get("ID"))
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{20}$/)
  })

  it("have keys with nothing in common", () => {
    const keys = tap.commands("SESSION CREATE").map((values) => {
      const file = decodeBase64(values.get("DESTINATION") ?? "")
      return readDestinationKeys(file)
    })
    const blocks = keys.flatMap(({ destination, signingPrivateKey }) => [
      Buffer.from(destination.bytes.subarray(0, 32)).toString("hex"), // the padding
      Buffer.from(destination.bytes.subarray(352, 384)).toString("hex"), // the signing key
      Buffer.from(signingPrivateKey).toString("hex"),
    ])
    expect(new Set(blocks).size).toBe(blocks.length)
  })

  it.each([
    { identity: "one", friend: "carol" },
    { identity: "two", friend: "dave" },
    { identity: "three", friend: undefined },
  ])("let identity $identity meet its own contacts alone", async ({ identity, friend }) => {
    const theirs = await addresses(friends)
    const met = peersOf(before.get(`identity ${identity}`) ?? "")
    expect(met).toEqual(friend === undefined ? [] : [theirs.get(`identity ${friend}`)])
  })

  it.each([
    { owner: "tunnel http-proxy", friend: /^plugin sites/ },
    { owner: "tunnel tcp-client", friend: /^tunnel tcp-server/ },
  ])("let $owner meet only what it was asked for", async ({ owner, friend }) => {
    const theirs = [...(await addresses(friends))].find(([name]) => friend.test(name))
    expect(peersOf(before.get(owner) ?? "")).toEqual([theirs?.[1]])
  })

  it("come back after a restart with the same addresses and new ids, transient ones as strangers", async () => {
    const oldIds = new Set(bridge.record.map(({ id }) => id))
    const { length } = bridge.record
    await many.stop()
    await many.start()
    const after = await eventually(
      () => addresses(many),
      ({ size }) => size === 8,
      PATIENCE_MS,
    )
    const transient = ["tunnel http-proxy", "tunnel tcp-client"]
    for (const [owner, address] of before)
      if (transient.includes(owner)) expect([...before.values()]).not.toContain(after.get(owner))
      else expect(after.get(owner)).toBe(address)
    const fresh = bridge.record.slice(length)
    expect(fresh).toHaveLength(8)
    expect(fresh.filter(({ id }) => oldIds.has(id))).toEqual([])
    expect(new Set(fresh.map(({ destinationB32 }) => destinationB32)).size).toBe(8)
  })
})

/** Whether `wanted` comes back for `words`. */
async function answers(address: string, words: string, wanted: string): Promise<boolean> {
  const [host, port] = address.split(":")
  const socket = connect({ host: host ?? "", port: Number(port) })
  socket.setTimeout(5_000, () => socket.destroy())
  socket.write(words)
  let heard = ""
  try {
    for await (const chunk of socket) {
      heard += String(chunk)
      if (heard.includes(wanted)) return true
    }
  } catch {
    // Refused or cut: asked again.
  }
  return false
}

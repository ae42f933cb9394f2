import { createServer, type RequestListener } from "node:http"
import { gzipSync } from "node:zlib"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { StreamSocket } from "../../../src/base/http/stream-socket.ts"
import { silentLog } from "../../../src/base/log.ts"
import { openConflicts } from "../../../src/router/names/conflicts.ts"
import { getFeed } from "../../../src/router/names/feed-get.ts"
import { openFeedKeeper } from "../../../src/router/names/feed-keeper.ts"
import { openFeedNames } from "../../../src/router/names/feed-names.ts"
import { parseFeedUrl } from "../../../src/router/names/feed-url.ts"
import { openOwnNames } from "../../../src/router/names.ts"
import type { Session } from "../../../src/sam/session.ts"
import { openEmbeddedNetwork } from "../../support/embedded-network.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import { FakeWorld } from "../../support/fake-world.ts"
import { MemoryDisk, MemoryLife } from "../../support/memory-store.ts"
import { nameOwner } from "../../support/name-people.ts"

const URL = "http://feed.i2p/hosts.txt"
const [ann, eve] = [nameOwner(1), nameOwner(2)]

describe("feeds, over the embedded network", () => {
  let network: Awaited<ReturnType<typeof openEmbeddedNetwork>>
  let site: Session
  let reader: Session
  let answer: RequestListener
  const heads: Record<string, unknown>[] = []
  const server = createServer({ keepAlive: false }, (request, response) => {
    heads.push({ url: request.url, ...request.headers })
    answer(request, response)
  })

  beforeAll(async () => {
    network = await openEmbeddedNetwork()
    site = network.open()
    reader = network.open()
    void serve()
  })
  afterEach(() => void heads.splice(0))
  afterAll(async () => {
    await site[Symbol.asyncDispose]()
    await reader[Symbol.asyncDispose]()
    await network[Symbol.asyncDispose]()
    server.close()
  })

  const serve = async () => {
    for await (const stream of site.incoming) {
      const socket = new StreamSocket(stream, { lingerMs: 1_000 })
      socket.on("error", () => {})
      server.emit("connection", socket)
    }
  }

  const visit: Parameters<typeof openFeedKeeper>[0]["visit"] = (place, marks, call) =>
    getFeed(
      async ({ host }, { signal }) => ({
        stream: await reader.connect(site.destination.base64, { signal }),
        host,
      }),
      place,
      marks,
      call,
    )

  async function openKeeper(disk = new MemoryDisk(), clock = new FakeClock(1_700_000_000_000)) {
    const store = new MemoryLife(disk, new FakeWorld(), () => {}).room("/")
    const conflicts = await openConflicts(store)
    const pinned = await openOwnNames(store, "pinned", clock.now.bind(clock))
    const names = await openFeedNames({ store, conflicts, pinned })
    const parts = { store, names, visit, clock, chance: () => 0.5, log: silentLog }
    const keeper = await openFeedKeeper(parts)
    const call = { signal: new AbortController().signal }
    return {
      keeper,
      names,
      conflicts,
      disk,
      clock,
      update: (url?: string) => keeper.update(url, call),
    }
  }

  it("are read, and not again while nothing changes", async () => {
    const { keeper, names, update } = await openKeeper()
    answer = (request, response) => {
      if (request.headers["if-none-match"] === '"1"') response.writeHead(304).end()
      else response.setHeader("ETag", '"1"').end(`${ann.line("a.i2p")}\r\nb.i2p=${eve.dest}\n`)
    }
    await keeper.add(URL)
    expect(await update(URL)).toMatchObject([{ url: URL, names: 2, added: 2, rejected: 0 }])
    expect(await names.find("a.i2p")).toMatchObject({ address: ann.dest, signed: true })
    expect(await update(URL)).toMatchObject([{ names: 2, added: 2 }])
    expect(heads).toMatchObject([
      { url: "/hosts.txt", host: "feed.i2p" },
      { "if-none-match": '"1"' },
    ])
    expect(Object.keys(heads[0] ?? {})).toEqual([
      ...["url", "host", "user-agent", "accept-encoding", "connection"],
    ])
  })

  const redirect =
    (location: string): RequestListener =>
    (_, response) =>
      void response.writeHead(302, { Location: location }).end()

  it.each<[string, RequestListener]>([
    ["1 GB without an end", (_, response) => endless(response)],
    [
      "1 GB announced",
      (_, response) => void response.writeHead(200, { "Content-Length": 1e9 }).write("x"),
    ],
    [
      "a gzip bomb",
      (_, response) =>
        void response
          .setHeader("Content-Encoding", "gzip")
          .end(gzipSync(Buffer.alloc(8 * 2 ** 20))),
    ],
    ["302 to clearnet", redirect("http://example.com/hosts.txt")],
    ["302 to this machine", redirect("http://127.0.0.1:7657/hosts.txt")],
    ["302 to HTTPS", redirect("https://feed.i2p/hosts.txt")],
    ["302 to another host without a scheme", redirect("//example.com/")],
    ["302 in a circle", redirect("/hosts.txt")],
    ["404", (_, response) => void response.writeHead(404).end()],
    ["a head of 64 KiB", (_, response) => void response.setHeader("X", "y".repeat(65_536)).end()],
    [
      "a body that is cut off",
      (_, response) => {
        response.writeHead(200, { "Content-Length": 9_999 }).write(`c.i2p=${eve.dest}\n`)
        setTimeout(() => response.destroy(), 50)
      },
    ],
    ["no HTTP", (request) => void request.socket.end("hello\r\n\r\n")],
  ])("B13: %s is refused, told, tried again later, and changes nothing", async (_, hostile) => {
    const { keeper, names, update, clock } = await openKeeper()
    await keeper.add(URL)
    answer = hostile
    await expect(update(URL)).rejects.toMatchObject({ code: "BAD_FEED" })
    expect(await names.find("c.i2p")).toBeUndefined()
    const [report] = await keeper.list()
    expect(report).toMatchObject({ names: 0, error: expect.stringContaining("BAD_FEED") })
    expect(report?.nextAt).toBe(clock.now() + 450_000)
  })

  it("B13: 20,000 bad lines are counted, with the good ones among them kept", async () => {
    const { keeper, names, update } = await openKeeper()
    await keeper.add(URL)
    answer = (_, response) =>
      response.end(`${"x\n".repeat(20_000)}${"y".repeat(10_000)}\na.i2p=${ann.dest}\n\0\n`)
    expect(await update(URL)).toMatchObject([{ names: 1, added: 1, rejected: 20_002 }])
    expect(await names.find("a.i2p")).not.toHaveProperty("signed")
  })

  it("follow a redirect inside I2P", async () => {
    const { keeper, update } = await openKeeper()
    await keeper.add(URL)
    answer = (request, response) => {
      if (request.url === "/new") response.end(`a.i2p=${ann.dest}`)
      else response.writeHead(301, { Location: "http://new.i2p/new" }).end()
    }
    expect(await update(URL)).toMatchObject([{ names: 1 }])
    expect(heads.map(({ host }) => host)).toEqual(["feed.i2p", "new.i2p"])
  })

  it("are visited by themselves: soon after they are added, then every 8 to 16 hours, over restarts", async () => {
    const { keeper, disk, clock } = await openKeeper()
    answer = (_, response) => response.end(`a.i2p=${ann.dest}`)
    const stop = new AbortController()
    const running = keeper.run(stop.signal)
    await keeper.add(URL)
    await expect.poll(async () => (await keeper.list())[0]?.names).toBe(1)
    expect((await keeper.list())[0]?.nextAt).toBe(clock.now() + 12 * 3_600_000)
    await expect.poll(() => clock.sleeping()).toEqual([12 * 3_600_000])
    stop.abort()
    await running
    const later = await openKeeper(disk, clock)
    expect((await later.keeper.list())[0]).toMatchObject({ url: URL, names: 1 })
    await later.keeper.remove("HTTP://feed.i2p.alt/hosts.txt")
    expect(await later.keeper.list()).toEqual([])
    expect(await later.names.find("a.i2p")).toBeUndefined()
  })

  it.each([
    "https://feed.i2p/",
    "http://example.com/",
    "http://127.0.0.1/",
    "http://user@feed.i2p/",
    "http://feed.i2p/#x",
    "http://feed.i2p/a b",
    "http://feed.i2p:99999/",
    "http://proxy.i2p.example/",
    "feed.i2p",
    `http://feed.i2p/${"x".repeat(1_024)}`,
  ])("refuses to subscribe to %s", async (url) => {
    const { keeper } = await openKeeper()
    await expect(keeper.add(url)).rejects.toMatchObject({ code: "BAD_FEED" })
  })

  it("takes the address of a site in place of its name, blinded or not", () => {
    expect(parseFeedUrl(`http://${ann.b32}:81/x?y=1`)).toMatchObject({ host: ann.b32, port: 81 })
    expect(parseFeedUrl(`http://${"a".repeat(51)}.b32.i2p/`)).toBeUndefined()
  })
})

function endless(response: {
  write(chunk: Buffer): boolean
  on(event: string, run: () => void): void
  destroyed: boolean
}) {
  const chunk = Buffer.alloc(65_536, "#")
  const go = () => {
    while (!response.destroyed && response.write(chunk));
  }
  response.on("drain", go)
  go()
}

import { once } from "node:events"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { sites } from "../../../../plugins/sites/index.ts"
import { siteExpose, siteList, siteRemove, siteServe } from "../../../../plugins/sites/offers.ts"
import { Scope } from "../../../../src/base/scope.ts"
import { openFakeNetwork } from "../../../support/fake-session.ts"
import { emptyDisk, startFakePlugin } from "../../../support/fake-site-context.ts"

const network = openFakeNetwork()
const scope = new Scope()
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "allium-site-"))
  await mkdir(join(folder, "My Photos!"))
  await writeFile(join(folder, "index.html"), "hello")
  await writeFile(join(folder, "My Photos!", "<b>.txt"), "x")
  scope.defer(() => rm(folder, { recursive: true }))
})
afterAll(() => scope.close())

const start = (disk = emptyDisk()) => startFakePlugin(sites, network, disk)

/** Asks a site on a stream of its own; resolves with all it sends until it has answered once. */
async function ask(address: string, request: string): Promise<string> {
  await using visitor = network.open()
  const stream = await visitor.connect(address, { signal: scope.signal })
  stream.on("error", () => {})
  stream.write(request)
  const [head] = (await once(stream, "data")) as [Buffer]
  return head.toString()
}

const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`

describe("site serve", () => {
  it("gives a site an address of its own, and answers there", async () => {
    await using run = await start()
    const site = await run.run(siteServe, { folder })
    expect(site).toMatchObject({ state: "up", shows: folder, url: `http://${site.address}/` })
    expect(await ask(site.address, get("/"))).toMatch(/^HTTP\/1.1 200 OK\r\n/)
  })

  it("tells nothing of the machine", async () => {
    await using run = await start()
    const { address } = await run.run(siteServe, { folder })
    const answers = await Promise.all(
      [
        get("/"),
        get("/none"),
        "BROKEN\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
      ].map((request) => ask(address, request)),
    )
    expect(answers.map((answer) => answer.slice(9, 12))).toEqual(["200", "404", "400", "405"])
    for (const answer of answers)
      expect(answer).not.toMatch(/^(?:date|server|last-modified|x-powered-by):/im)
  })

  it("comes back at the same address after a restart", async () => {
    const disk = emptyDisk()
    const first = await start(disk)
    const { address } = await first.run(siteServe, { folder, name: "blog" })
    await first[Symbol.asyncDispose]()
    await using second = await start(disk)
    expect(await second.run(siteList, {})).toMatchObject([{ name: "blog", address, state: "up" }])
    expect(await ask(address, get("/"))).toContain("hello")
  })

  it("said twice is one site; another folder under its name is refused", async () => {
    await using run = await start()
    const first = await run.run(siteServe, { folder, name: "blog" })
    expect((await run.run(siteServe, { folder, name: "blog" })).address).toBe(first.address)
    const other = { folder: join(folder, "My Photos!"), name: "blog" }
    await expect(run.run(siteServe, other)).rejects.toMatchObject({ code: "ALREADY_EXISTS" })
  })

  it("names a site after its folder", async () => {
    await using run = await start()
    const site = await run.run(siteServe, { folder: join(folder, "My Photos!") })
    expect(site.name).toBe("my-photos")
  })

  it("lists a folder only when asked to, its names made harmless", async () => {
    await using run = await start()
    const shut = await run.run(siteServe, { folder: join(folder, "My Photos!"), name: "shut" })
    const open = await run.run(siteServe, {
      folder: join(folder, "My Photos!"),
      name: "open",
      list: true,
    })
    expect(await ask(shut.address, get("/"))).toMatch(/^HTTP\/1.1 404/)
    expect(await ask(open.address, get("/"))).toContain('<a href="./%3Cb%3E.txt">&lt;b&gt;.txt</a>')
  })

  it("refuses folders that are not there, not absolute, or hold the router's own data", async () => {
    await using run = await start()
    for (const bad of ["/none-such", "relative", "/", run.folder, join(run.folder, "..")])
      await expect(run.run(siteServe, { folder: bad })).rejects.toMatchObject({ code: "BAD_INPUT" })
    expect(await run.run(siteList, {})).toEqual([])
  })
})

describe("site expose", () => {
  it.each(["10.0.0.1:80", "example.com:80", "[::]:80", "0", "99999", ""])(
    "refuses %j",
    async (target) => {
      await using run = await start()
      await expect(run.run(siteExpose, { target })).rejects.toThrow()
    },
  )
})

describe("site remove", () => {
  it("closes the site for good: the name is free, the address never comes back", async () => {
    const disk = emptyDisk()
    await using run = await start(disk)
    const { address } = await run.run(siteServe, { folder, name: "blog" })
    expect(await run.run(siteRemove, { name: "blog" })).toEqual({ name: "blog", address })
    await expect(ask(address, get("/"))).rejects.toMatchObject({ code: "PEER_UNREACHABLE" })
    expect([await run.run(siteList, {}), disk.values.size, disk.keys.size]).toEqual([[], 0, 0])
    expect((await run.run(siteServe, { folder, name: "blog" })).address).not.toBe(address)
  })

  it("says NOT_FOUND for a name it does not know", async () => {
    await using run = await start()
    await expect(run.run(siteRemove, { name: "none" })).rejects.toMatchObject({ code: "NOT_FOUND" })
  })
})

describe("sites", () => {
  it("gives each site a destination of its own", async () => {
    await using run = await start()
    const names = ["one", "two", "three"]
    const made = await Promise.all(names.map((name) => run.run(siteServe, { folder, name })))
    expect(new Set(made.map(({ address }) => address)).size).toBe(3)
  })

  it("stops at its bound", async () => {
    await using run = await start()
    for (let count = 0; count < 16; count++) await run.run(siteServe, { folder, name: `s${count}` })
    await expect(run.run(siteServe, { folder, name: "more" })).rejects.toMatchObject({
      code: "LIMIT_REACHED",
    })
  })
})

import { randomBytes } from "node:crypto"
import { once } from "node:events"
import {
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises"
import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as openRequest,
  type RequestOptions,
} from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { buffer } from "node:stream/consumers"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { sites } from "../../../../plugins/sites/index.ts"
import {
  siteList,
  siteReceive,
  siteServe,
  siteShare,
  siteShow,
  siteStart,
  siteStop,
} from "../../../../plugins/sites/offers.ts"
import { StreamAgent, StreamSocket } from "../../../../src/base/http/index.ts"
import { Scope } from "../../../../src/base/scope.ts"
import type { PluginContext } from "../../../../src/router/plugin.ts"
import { FakeClock } from "../../../support/fake-clock.ts"
import { openFakeNetwork } from "../../../support/fake-session.ts"
import { emptyDisk, startFakePlugin } from "../../../support/fake-site-context.ts"

const network = openFakeNetwork()
const scope = new Scope()
let root: string
let counter = 0

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "allium-kinds-"))
  scope.defer(() => rm(root, { recursive: true }))
})
afterAll(() => scope.close())

async function folderWith(files: Record<string, string | Uint8Array>): Promise<string> {
  const folder = join(root, `f${++counter}`)
  await mkdir(folder)
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
  return folder
}

const start = (more: Partial<PluginContext> = {}, disk = emptyDisk()) =>
  startFakePlugin(sites, network, disk, more)

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

type Ask = (path: string, more?: RequestOptions & { body?: Uint8Array }) => Promise<Answer>

/** Somebody with a browser: one destination for as long as the test runs. */
function visit(address: string): Ask {
  const visitor = scope.use(network.open())
  const dial = async () =>
    new StreamSocket(await visitor.connect(address, { signal: scope.signal }), { lingerMs: 500 })
  const agent = new StreamAgent(dial, { perHostMax: 8, totalMax: 8, keepMs: 5_000 })
  scope.defer(() => agent.destroy())
  return async (path, { body, ...more } = {}) => {
    const request = openRequest({ agent, host: "site", path, ...more }).end(body)
    const [response] = (await once(request, "response")) as [IncomingMessage]
    const { statusCode: status = 0, headers } = response
    return { status, headers, body: await buffer(response) }
  }
}

describe("site serve", () => {
  it("A20: sends a compressed file that lies beside, to who takes it, unless it is older", async () => {
    const text = "body{}".repeat(100)
    const folder = await folderWith({
      "a.css": text,
      "a.css.br": brotliCompressSync(text),
      "a.css.gz": gzipSync(text),
      "b.css": "new",
      "b.css.gz": gzipSync("old"),
    })
    await utimes(join(folder, "b.css.gz"), 1, 1)
    await using run = await start()
    const ask = visit((await run.run(siteServe, { folder })).address)
    const coding = async (path: string, accept?: string) =>
      (await ask(path, { headers: accept === undefined ? {} : { "Accept-Encoding": accept } }))
        .headers
    expect((await coding("/a.css", "gzip, br"))["content-encoding"]).toBe("br")
    expect((await coding("/a.css", "gzip, deflate"))["content-encoding"]).toBe("gzip")
    expect((await coding("/a.css", "br;q=0"))["content-encoding"]).toBeUndefined()
    expect((await coding("/a.css"))["content-encoding"]).toBeUndefined()
    expect((await coding("/b.css", "gzip"))["content-encoding"]).toBeUndefined()
    expect(await coding("/a.css", "br")).toMatchObject({
      "content-type": "text/css; charset=utf-8",
      vary: "Accept-Encoding",
    })
    const plain = await coding("/a.css")
    expect((await coding("/a.css", "br")).etag).not.toBe(plain.etag)
  })

  it("A20: bears fields that keep a browser safe, and another policy where that was asked for", async () => {
    const folder = await folderWith({ "index.html": "hi" })
    await using run = await start()
    const usual = await visit((await run.run(siteServe, { folder })).address)("/")
    expect(usual.headers).toMatchObject({
      "content-security-policy": expect.stringContaining("http://*.i2p"),
      "x-content-type-options": "nosniff",
      "x-frame-options": "SAMEORIGIN",
      "referrer-policy": "no-referrer",
    })
    const policy = async (name: string, csp: string) =>
      (await visit((await run.run(siteServe, { folder, name, csp })).address)("/")).headers[
        "content-security-policy"
      ]
    expect(await policy("own", "default-src 'none'")).toBe("default-src 'none'")
    expect(await policy("off", "off")).toBeUndefined()
  })

  it("A20: shows the folder's own page for what is not there, and sends ranges and conditions", async () => {
    const folder = await folderWith({ "404.html": "nothing here", "a.bin": "0123456789" })
    await using run = await start()
    const ask = visit((await run.run(siteServe, { folder })).address)
    const absent = await ask("/none", { headers: { Range: "bytes=0-1" } })
    expect([absent.status, absent.body.toString()]).toEqual([404, "nothing here"])
    const range = await ask("/a.bin", { headers: { Range: "bytes=2-4" } })
    expect([range.status, range.body.toString()]).toEqual([206, "234"])
    const several = await ask("/a.bin", { headers: { Range: "bytes=0-1,4-5" } })
    expect([several.status, several.body.length]).toEqual([200, 10])
    const { etag = "" } = range.headers
    expect((await ask("/a.bin", { headers: { "If-None-Match": etag } })).status).toBe(304)
    const changed = await ask("/a.bin", { headers: { Range: "bytes=2-4", "If-Range": '"old"' } })
    expect(changed.status).toBe(200)
  })

  it("A20: serves ten thousand files, lists them, and nothing hidden or outside", async () => {
    const folder = await folderWith({ "0.txt": "x", ".secret": "s" })
    for (let index = 1; index < 10_000; index++)
      await link(join(folder, "0.txt"), join(folder, `${index}.txt`))
    await symlink(root, join(folder, "out"))
    await using run = await start()
    const ask = visit((await run.run(siteServe, { folder, list: true })).address)
    const list = (await ask("/")).body.toString()
    expect(list.match(/\.txt"/g)).toHaveLength(10_000)
    expect(list).not.toMatch(/secret|out/)
    expect((await ask("/9999.txt")).status).toBe(200)
    for (const path of ["/.secret", "/out/", "/%2e%2e/", "/..%2f"])
      expect((await ask(path)).status).toBeGreaterThanOrEqual(400)
  })
})

describe("private sites", () => {
  it("show nothing without the link, and everything after it", async () => {
    const folder = await folderWith({ "index.html": "private page" })
    await using run = await start()
    const site = await run.run(siteServe, { folder, private: true, qr: true })
    const door = new URL(site.url).pathname
    expect(site.qr).toContain("█")
    const ask = visit(site.address)
    expect((await ask("/")).status).toBe(403)
    expect((await ask("/.allium/wrong")).status).toBe(403)
    expect((await ask(`${door}x`)).status).toBe(403)
    const entered = await ask(door)
    expect(entered).toMatchObject({
      status: 303,
      headers: { location: "/", "cache-control": "no-store" },
    })
    const [cookie = ""] = entered.headers["set-cookie"] ?? []
    expect(cookie).toMatch(/HttpOnly; SameSite=Lax/)
    expect(cookie).not.toContain(door.slice("/.allium/".length)) // the cookie is not the link
    const Cookie = `other=1; ${cookie.split(";")[0]}`
    expect((await ask("/", { headers: { Cookie } })).body.toString()).toBe("private page")
    expect((await ask("/", { headers: { Cookie: "allium-door=x" } })).status).toBe(403)
  })

  it("give each contact a link of their own in a message, and come back after a restart", async () => {
    const folder = await folderWith({ "index.html": "for friends" })
    const told: Record<string, unknown>[] = []
    const contact = (name: string) => ({ name, state: "accepted" })
    const more = {
      identities: { list: () => [], find: () => ({}) },
      contacts: {
        list: () => [contact("ann"), contact("bob")],
        find: (_: unknown, name: string) => contact(name),
      },
      ask: async (_verb: string, input: Record<string, unknown>) => void told.push(input),
    } as unknown as Partial<PluginContext>
    const disk = emptyDisk()
    const first = await start(more, disk)
    const site = await first.run(siteServe, {
      folder,
      name: "friends",
      for: ["ann"],
      contacts: true,
    })
    expect(told.map(({ contact: to }) => to)).toEqual(["ann", "bob"])
    expect(new Set(told.map(({ text }) => text)).size).toBe(2)
    expect(JSON.stringify(await first.run(siteList, {}))).not.toContain(".allium")
    await first[Symbol.asyncDispose]()
    await using second = await start(more, disk)
    const ask = visit(site.address)
    for (const { text } of told)
      expect((await ask(new URL(String(text)).pathname)).status).toBe(303)
    expect((await second.run(siteShow, { name: "friends" })).links).toHaveLength(2)
  })
})

describe("site share", () => {
  it("gives each file, under its name, and counts what was downloaded whole", async () => {
    const bytes = randomBytes(100_000)
    const folder = await folderWith({ "ä b.bin": bytes, "two.txt": "2" })
    await using run = await start()
    const files = [join(folder, "ä b.bin"), join(folder, "two.txt")]
    const site = await run.run(siteShare, { files, name: "gift" })
    const ask = visit(site.address)
    const page = (await ask("/")).body.toString()
    expect(page).toContain('href="/get/0/%C3%A4%20b.bin"')
    const first = await ask("/get/0/x", { headers: { Range: "bytes=0-49999" } })
    expect(first.status).toBe(206)
    expect(await run.run(siteShow, { name: "gift" })).toMatchObject({ downloads: 0 })
    const rest = await ask("/get/0", { headers: { Range: "bytes=50000-" } })
    expect(Buffer.concat([first.body, rest.body]).equals(bytes)).toBe(true)
    expect(rest.headers["content-disposition"]).toBe(
      `attachment; filename="_ b.bin"; filename*=UTF-8''%C3%A4%20b.bin`,
    )
    await expect.poll(async () => (await run.run(siteShow, { name: "gift" })).downloads).toBe(1)
    for (const path of ["/get/2", "/get/00000", "/etc/passwd", "/get/0/a/b"])
      expect((await ask(path)).status).toBe(404)
    expect((await ask("/", { method: "POST" })).status).toBe(405)
  })

  it("gives a file away once: not to a second person meanwhile, and to nobody afterwards", async () => {
    const folder = await folderWith({ "one.bin": randomBytes(1_000) })
    await using run = await start()
    const files = [join(folder, "one.bin")]
    const { address } = await run.run(siteShare, { files, name: "once", downloads: 1 })
    const [ann, bob] = [visit(address), visit(address)]
    expect((await ann("/get/0", { method: "HEAD" })).status).toBe(200)
    expect((await ann("/get/0", { headers: { Range: "bytes=0-9" } })).status).toBe(206)
    expect((await bob("/get/0")).status).toBe(503)
    expect((await ann("/get/0")).status).toBe(200)
    await expect.poll(async () => (await bob("/get/0")).status).toBe(404)
    expect((await bob("/")).body.toString()).toContain("given away")
  })

  it.each([
    ["a folder", "."],
    ["what is not there", "none"],
    ["a hidden file", ".hidden"],
  ])("refuses %s", async (_what, name) => {
    const folder = await folderWith({ ".hidden": "x" })
    await using run = await start()
    await expect(run.run(siteShare, { files: [join(folder, name)] })).rejects.toMatchObject({
      code: "BAD_INPUT",
    })
  })
})

describe("site receive", () => {
  /** A form as a browser makes it. */
  async function formOf(parts: [name: string, content: string | Uint8Array, file?: string][]) {
    const data = new FormData()
    for (const [name, content, file] of parts)
      if (file === undefined) data.append(name, String(content))
      else data.append(name, new Blob([content as Uint8Array<ArrayBuffer>]), file)
    const response = new Response(data)
    const type = response.headers.get("content-type") ?? ""
    return {
      body: Buffer.from(await response.arrayBuffer()),
      headers: { "Content-Type": type },
      method: "POST",
    }
  }

  /** Everything below a folder, with content. */
  async function dropped(folder: string): Promise<Record<string, string>> {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile())
    const pairs = files.map(async ({ name, parentPath }) => [
      name,
      (await readFile(join(parentPath, name))).toString("latin1"),
    ])
    return Object.fromEntries(await Promise.all(pairs))
  }

  it("shows a form without script, and keeps what is sent in a folder for the visit", async () => {
    const folder = await folderWith({})
    await using run = await start()
    const ask = visit((await run.run(siteReceive, { folder, title: "For <me>" })).address)
    const page = await ask("/")
    expect(page.headers["content-security-policy"]).toContain("default-src 'none'")
    expect(page.body.toString()).toMatch(/For &lt;me&gt;[\s\S]*multipart\/form-data/)
    const bytes = randomBytes(300_000)
    const answer = await ask(
      "/",
      await formOf([
        ["message", "hello"],
        ["files", bytes, "a.bin"],
        ["files", "", ""],
      ]),
    )
    expect(answer.body.toString()).toContain("2 items")
    const visits = await readdir(folder)
    expect(visits).toEqual([expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d-\d\d-\d\d$/)])
    expect(await dropped(folder)).toEqual({
      "message.txt": "hello",
      "a.bin": bytes.toString("latin1"),
    })
  })

  it("makes harmless names of whatever is sent, and keeps both of two alike", async () => {
    const folder = await folderWith({})
    await using run = await start()
    const ask = visit((await run.run(siteReceive, { folder })).address)
    const names = ["../../evil.sh", ".bashrc", "CON", "a/b.txt", "x.txt", "X.TXT"]
    await ask("/", await formOf(names.map((name) => ["files", Buffer.from(name), name])))
    const got = Object.keys(await dropped(folder))
    expect(got).toHaveLength(6)
    for (const name of got) expect(name).toMatch(/^[^./\\][^/\\]*$/)
    expect(await readdir(root)).not.toContain("evil.sh")
  })

  it("takes no more than a file, and the folder, may hold, and leaves nothing half", async () => {
    const folder = await folderWith({ "before.bin": Buffer.alloc(1_500_000) })
    await using run = await start()
    const ask = visit((await run.run(siteReceive, { folder, fileMib: 1, roomMib: 2 })).address)
    const mebibytes = (count: number) => Buffer.alloc(count * 2 ** 20, "x")
    const large = await ask("/", await formOf([["files", mebibytes(2), "large"]]))
    expect(large.status).toBe(413)
    const huge = await ask("/", await formOf([["files", mebibytes(8), "huge"]]))
    expect(huge.status).toBe(413) // said before it is all there
    const { body, ...form } = await formOf([["files", mebibytes(3), "chunked"]])
    const chunked = { ...form, headers: { ...form.headers, "Transfer-Encoding": "chunked" } }
    expect((await ask("/", { ...chunked, body })).status).toBe(413)
    const full = await visit((await run.run(siteList, {}))[0]!.address)(
      "/",
      await formOf([["files", mebibytes(1), "more"]]),
    )
    expect(full.status).toBe(507)
    expect(await readdir(folder)).toEqual(["before.bin"])
  })

  it("keeps what was whole of an upload that breaks off, and nothing else", async () => {
    const folder = await folderWith({})
    await using run = await start()
    const { address } = await run.run(siteReceive, { folder })
    const visitor = scope.use(network.open())
    const stream = await visitor.connect(address, { signal: scope.signal })
    const part = (name: string) =>
      `--b\r\nContent-Disposition: form-data; name="files"; filename="${name}"\r\n\r\ncontent\r\n`
    const head =
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9999\r\n\r\n"
    stream.write(head + part("whole.txt") + part("half.txt"))
    await expect.poll(() => dropped(folder)).toHaveProperty("whole.txt")
    stream.destroy()
    await expect.poll(() => dropped(folder)).toEqual({ "whole.txt": "content" })
  })

  it("refuses what is no form", async () => {
    const folder = await folderWith({})
    await using run = await start()
    const ask = visit((await run.run(siteReceive, { folder })).address)
    expect((await ask("/", { method: "POST", body: Buffer.from("x") })).status).toBe(400)
    expect((await ask("/", { method: "PUT", body: Buffer.from("x") })).status).toBe(405)
    expect((await ask("/x")).status).toBe(404)
    expect(await readdir(folder)).toEqual([])
  })
})

describe("times", () => {
  it("stop and start a site by hand, at the same address", async () => {
    const folder = await folderWith({ "index.html": "hi" })
    await using run = await start()
    const { address } = await run.run(siteServe, { folder, name: "blog" })
    expect(await run.run(siteStop, { name: "blog" })).toMatchObject({ state: "stopped", address })
    await expect(network.open().connect(address, { signal: scope.signal })).rejects.toThrow()
    expect(await run.run(siteStart, { name: "blog" })).toMatchObject({ state: "up", address })
  })

  it("open a site when its time has come, and close it when that is over", async () => {
    const folder = await folderWith({ "index.html": "hi" })
    const clock = new FakeClock(Date.UTC(2026, 10, 21))
    await using run = await start({ clock })
    const made = await run.run(siteServe, { folder, name: "later", opens: "1h", closes: "2h" })
    expect(made.state).toBe("waiting")
    const state = async () => (await run.run(siteShow, { name: "later" })).state
    const soon = (ms: number) =>
      expect.poll(async () => {
        await clock.pass(ms)
        return state()
      })
    await clock.pass(3_500_000)
    expect(await state()).toBe("waiting")
    await soon(50_000).toBe("up")
    await soon(1_800_000).toBe("stopped")
    await expect(run.run(siteServe, { folder, closes: "2h", opens: "3h" })).rejects.toMatchObject({
      code: "BAD_INPUT",
    })
  })
})

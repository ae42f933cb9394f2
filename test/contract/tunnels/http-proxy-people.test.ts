import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as wait } from "node:timers/promises"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { systemClock } from "../../../src/base/clock.ts"
import type { SamStream } from "../../../src/sam/session.ts"
import { httpProxy } from "../../../tunnels/http-proxy/index.ts"
import { openUsers } from "../../../tunnels/http-proxy/users.ts"
import { FakeClock } from "../../support/fake-clock.ts"
import { fakeDestination } from "../../support/fake-session.ts"
import { GET, OK, type RawSite, Stage, type StagedProxy } from "./proxy-stage.ts"

const stage = new Stage()
beforeAll(() => stage.open())
afterAll(() => stage.close())

const HTML = "Accept: text/html,application/xhtml+xml\r\n"
const basic = (user: string, password = "") =>
  `Proxy-Authorization: Basic ${Buffer.from(`${user}:${password}`).toString("base64")}\r\n`

/** A site that says who came, by their address. */
const openMirror = (): Promise<RawSite> =>
  stage.site((stream) => stream.on("data", () => stream.write(OK(`<${stream.peer.b32}>`))))

describe("http-proxy: who is seen (B17)", () => {
  let one: RawSite
  let other: RawSite
  let tracker: RawSite

  beforeAll(async () => {
    ;[one, other, tracker] = await Promise.all([openMirror(), openMirror(), openMirror()])
  })

  /** The address of ours a site sees. */
  async function seenBy(proxy: StagedProxy, site: { b32: string }, more = ""): Promise<string> {
    const answer = await stage.raw(proxy, GET(site.b32, "/", more), />|\)\n/)
    return /<(.*)>/.exec(answer)?.[1] ?? answer.slice(0, 40)
  }

  it("with --isolate site two sites see two addresses, and one site always the same", async () => {
    const proxy = await stage.proxy({ isolation: "site" })
    const seen = [await seenBy(proxy, one), await seenBy(proxy, other), await seenBy(proxy, one)]
    expect(seen[0]).toBe(seen[2])
    expect(seen[0]).not.toBe(seen[1])
    expect(proxy.counters().sessions).toBe(2)
  })

  it("with --isolate site a name and its address are one site", async () => {
    const proxy = await stage.proxy({ isolation: "site" })
    proxy.context.names.set("one.i2p", one.b32)
    expect(await seenBy(proxy, { b32: "one.i2p" })).toBe(await seenBy(proxy, one))
  })

  it("with --isolate site what a page loads elsewhere is seen to come from the page", async () => {
    const proxy = await stage.proxy({ isolation: "site" })
    const loadedBy = (page: RawSite) => `Accept: image/webp\r\nReferer: http://${page.b32}/\r\n`
    const fromOne = await seenBy(proxy, tracker, loadedBy(one))
    const fromOther = await seenBy(proxy, tracker, loadedBy(other))
    const visited = await seenBy(proxy, tracker, HTML + loadedBy(one).slice(20))
    expect(new Set([fromOne, fromOther, visited]).size).toBe(3)
    expect(fromOne).toBe(await seenBy(proxy, one))
  })

  it("with --isolate user each name is another visitor, CONNECT and upgrades included", async () => {
    const proxy = await stage.proxy({ isolation: "user" })
    const [ann, bob, nobody] = [
      await seenBy(proxy, one, basic("ann")),
      await seenBy(proxy, one, basic("bob", "x")),
      await seenBy(proxy, one),
    ]
    expect(new Set([ann, bob, nobody]).size).toBe(3)
    expect(await seenBy(proxy, other, basic("ann", "other password"))).toBe(ann)
    const connect = `CONNECT ${one.b32}:80 HTTP/1.1\r\nHost: a\r\n${basic("ann")}\r\nhello`
    expect(await stage.raw(proxy, connect, />/)).toContain(ann)
    const upgrade = `${basic("bob")}Connection: Upgrade\r\nUpgrade: websocket\r\n`
    expect(await seenBy(proxy, one, upgrade)).toBe(bob)
  })

  it("the one unused longest makes room; when all are in use a page says so", async () => {
    const proxy = await stage.proxy({ isolation: "user", sessionsMax: 2 })
    const first = await seenBy(proxy, one, basic("a"))
    await seenBy(proxy, one, basic("b"))
    await seenBy(proxy, one, basic("c"))
    expect(proxy.counters().sessions).toBe(2)
    expect(await seenBy(proxy, one, basic("a"))).not.toBe(first)
    const quiet = await stage.site((stream) => stream.resume())
    const held = await Promise.all([stage.client(proxy), stage.client(proxy)])
    held.forEach((socket, index) => void socket.write(GET(quiet.b32, "/", basic(`held${index}`))))
    await expect.poll(() => quiet.streams.length).toBe(2)
    const answer = await stage.raw(proxy, GET(one.b32, "/", basic("d")), /\)\n/)
    expect(answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*SESSION_LIMIT/)
    for (const socket of held) socket.destroy()
  })

  it("makes room of its own when all tunnels together have as many as they may", async () => {
    const proxy = await stage.proxy({ isolation: "user" }, { sessionsMax: 1 })
    const [a, b] = [await seenBy(proxy, one, basic("a")), await seenBy(proxy, one, basic("b"))]
    expect([a, b]).toEqual([
      expect.stringContaining(".b32.i2p"),
      expect.stringContaining(".b32.i2p"),
    ])
    expect(proxy.counters().sessions).toBe(1)
  })

  it.each([
    ["new", false],
    ["same", true],
  ])("an address nobody uses is closed, and comes back as a %s one", async (_what, keepAddress) => {
    const proxy = await stage.proxy({ idleMs: 50, keepAddress })
    const first = await seenBy(proxy, one)
    await expect.poll(() => proxy.counters().sessions).toBe(0)
    await expect.poll(() => proxy.context.opened[0]!.state.name).toBe("closed")
    expect((await seenBy(proxy, one)) === first).toBe(keepAddress)
  })

  it("opens nothing before the first request, when lazy", async () => {
    const [lazy, eager] = [await stage.proxy(), await stage.proxy({ isLazy: false })]
    await expect.poll(() => eager.context.opened.length).toBe(1)
    expect(lazy.context.opened).toHaveLength(0)
  })

  it("tells a site nothing by which two users of one version differ", async () => {
    const heads: string[] = []
    const site = await stage.site((stream: SamStream) =>
      stream.on("data", (head) => {
        heads.push(String(head))
        stream.write(OK("x"))
      }),
    )
    const proxy = await stage.proxy()
    proxy.context.names.set("mine.i2p", site.b32)
    const firefox = `User-Agent: Firefox\r\n${HTML}Accept-Language: de\r\nAccept-Encoding: gzip, deflate, br\r\nDNT: 1\r\nSec-GPC: 1\r\n`
    const chromium = `Proxy-Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\nUser-Agent: Chrome\r\nAccept: text/html,image/avif;q=0.8\r\nSec-CH-UA: x\r\nX-Real-IP: 10.0.0.7\r\nAccept-Encoding: gzip, deflate\r\nKeep-Alive: 300\r\n`
    await stage.raw(proxy, GET("mine.i2p", "/page", firefox), /x$/)
    await stage.raw(proxy, GET(site.b32, "/page#here", chromium), /x$/)
    expect(heads[0]).toBe(heads[1])
  })
})

describe("http-proxy: its own pages", () => {
  let proxy: StagedProxy
  const jumps = ["http://stats.i2p/jump?a="]

  beforeAll(async () => {
    proxy = await stage.proxy({ jumps })
  })

  it.each([
    ["de-CH,de;q=0.9,en;q=0.5", "de", "Name nicht bekannt"],
    ["xx, fr;q=0.4, es;q=0.8", "es", "Nombre desconocido"],
    ["fr;q=0, ru", "ru", "Имя неизвестно"],
    ["zh-TW", "zh", "未知名称"],
    ["pt-BR", "pt", "Nome desconhecido"],
    ["fr", "fr", "Nom inconnu"],
    ["nonsense;;q=,", "en", "Name not known"],
    ["", "en", "Name not known"],
  ])("speak the reader's language: %s", async (wanted, language, title) => {
    const fields = `${HTML}Accept-Language: ${wanted}\r\n`
    const answer = await stage.raw(proxy, GET("nobody.i2p", "/", fields), /<\/html>/)
    expect(answer).toMatch(/^HTTP\/1\.1 404 /)
    expect(Buffer.from(answer, "latin1").toString()).toContain(`<html lang="${language}">`)
    expect(Buffer.from(answer, "latin1").toString()).toContain(title)
  })

  it("run nothing, load nothing, are not framed, kept or traced to a version", async () => {
    const answer = await stage.raw(proxy, GET("nobody.i2p", "/", HTML), /<\/html>/)
    for (const field of [
      "Content-Security-Policy: default-src 'none'; style-src 'sha256-",
      "; frame-ancestors 'none'; form-action 'none'",
      "X-Frame-Options: DENY",
      "X-Content-Type-Options: nosniff",
      "Referrer-Policy: no-referrer",
      "Cache-Control: no-store",
    ])
      expect(answer).toContain(field)
    expect(answer).not.toMatch(/<script|allium\/|\d+\.\d+\.\d+|^date:|^server:/im)
  })

  it("lead to services that may know the name", async () => {
    const answer = await stage.raw(proxy, GET("nobody.i2p", "/", HTML), /<\/html>/)
    expect(answer).toContain('<a href="http://stats.i2p/jump?a=nobody.i2p">stats.i2p</a>')
  })

  it("are a line of text for programs", async () => {
    const answer = await stage.raw(proxy, GET("nobody.i2p", "/", "Accept: */*\r\n"), /\)\n/)
    expect(answer).toMatch(/Content-Type: text\/plain[\s\S]*Not Found: Cannot find name/)
  })

  it("keep the connection for the next request", async () => {
    const site = await stage.answering(OK("fine"))
    const answer = await stage.raw(proxy, GET("nobody.i2p") + GET(site.b32), /fine/)
    expect(answer).toMatch(/ 404 [\s\S]* 200 /)
  })
})

describe("http-proxy: links that name an address (B12)", () => {
  let proxy: StagedProxy
  let real: RawSite
  let evil: RawSite

  beforeAll(async () => {
    ;[real, evil] = await Promise.all([stage.answering(OK("real")), stage.answering(OK("evil"))])
  })
  beforeEach(async () => {
    proxy = await stage.proxy()
    proxy.context.names.set("known.i2p", real.b32)
  })

  const link = (address: string) => `/a?b=1&i2paddresshelper=${address}&c=2`
  const open = (host: string, path: string, more = HTML) =>
    stage.raw(proxy, GET(host, path, more), /<\/html>|\)\n|real|evil/)

  async function nonceOf(host: string, path: string): Promise<string> {
    return /name="nonce" value="([\w-]+)"/.exec(await open(host, path))?.[1] ?? ""
  }

  /** Answers the form as a browser does. */
  function answer(host: string, path: string, body: string, changes: Record<string, string> = {}) {
    const fields: Record<string, string> = {
      Origin: `http://${host}`,
      "Content-Type": "application/x-www-form-urlencoded",
      "Content-Length": `${body.length}`,
      ...changes,
    }
    const more = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
    return stage.raw(proxy, GET(host, path, more.join(""), "POST") + body, /\r\n\r\n/)
  }

  it("are believed after a person said so: once", async () => {
    const page = await open("new.i2p", link(real.base64))
    expect(page).toMatch(/^HTTP\/1\.1 409 [\s\S]*form-action 'self'/)
    expect(page).toContain(real.b32)
    expect(real.streams).toHaveLength(0)
    const nonce = await nonceOf("new.i2p", link(real.b32))
    const done = await answer("new.i2p", link(real.b32), `nonce=${nonce}&do=once`)
    expect(done).toMatch(/^HTTP\/1\.1 303 [\s\S]*Location: http:\/\/new\.i2p\/a\?b=1&c=2\r\n/)
    expect(await open("new.i2p", "/")).toMatch(/real$/)
    expect(proxy.context.names.has("new.i2p")).toBe(false)
  })

  it("or for good", async () => {
    const nonce = await nonceOf("new.i2p", link(real.base64))
    await answer("new.i2p", link(real.base64), `nonce=${nonce}&do=save`)
    expect(proxy.context.names.get("new.i2p")).toBe(real.base64)
    expect(await open("new.i2p", "/")).toMatch(/real$/)
  })

  it("pass, without their claim, when they say what is known", async () => {
    const heads: string[] = []
    const site = await stage.site((stream) =>
      stream.on("data", (head) => {
        heads.push(String(head))
        stream.write(OK("real"))
      }),
    )
    proxy.context.names.set("same.i2p", site.b32)
    expect(await open("same.i2p", link(site.base64))).toMatch(/real$/)
    expect(heads[0]).toMatch(/^GET \/a\?b=1&c=2 HTTP/)
  })

  it("never overwrite a name: a page shows both addresses, and has no button", async () => {
    const page = await open("known.i2p", link(evil.base64))
    expect(page).toMatch(/^HTTP\/1\.1 409 [\s\S]*NAME_CONFLICT/)
    expect(page).toContain(real.b32)
    expect(page).toContain(evil.b32)
    expect(page).not.toContain("<form")
    await answer("known.i2p", link(evil.b32), "nonce=x&do=save")
    expect(proxy.context.names.get("known.i2p")).toBe(real.b32)
  })

  it.each([
    ["without the page's nonce", "nonce=&do=once", {}],
    ["with a nonce nobody was given", "nonce=AAAAAAAAAAAAAAAAAAAAAA&do=once", {}],
    ["from another site", "NONCE", { Origin: "http://evil.i2p" }],
    ["from nowhere", "NONCE", { Origin: "null" }],
    ["as another site's browser says", "NONCE", { "Sec-Fetch-Site": "cross-site" }],
    ["as plain text", "NONCE", { "Content-Type": "text/plain" }],
    ["too long", `NONCE&x=${"x".repeat(5_000)}`, {}],
  ])("an answer %s is refused", async (_what, body, changes) => {
    const nonce = await nonceOf("new.i2p", link(evil.b32))
    const form = body.replace("NONCE", `nonce=${nonce}&do=save`)
    expect(await answer("new.i2p", link(evil.b32), form, changes)).toMatch(/^HTTP\/1\.1 409 /)
    expect(await open("new.i2p", "/")).toMatch(/^HTTP\/1\.1 404 /)
  })

  it("an answer is good once, for its own page, and not for another user", async () => {
    const nonce = await nonceOf("new.i2p", link(real.b32))
    expect(await answer("new.i2p", link(evil.b32), `nonce=${nonce}&do=once`)).toMatch(/ 409 /)
    expect(await answer("new.i2p", link(real.b32), `nonce=${nonce}&do=once`)).toMatch(/ 409 /)
    const other = await nonceOf("new.i2p", link(real.b32))
    const as = { "Proxy-Authorization": "Basic YW5uOng=" }
    expect(await answer("new.i2p", link(real.b32), `nonce=${other}&do=once`, as)).toMatch(/ 409 /)
    expect(await open("new.i2p", "/")).toMatch(/^HTTP\/1\.1 404 /)
  })

  it.each([
    ["no address", "", 400],
    ["another name", "other.i2p", 400],
    ["a broken destination", "A".repeat(515), 400],
    ["a broken escape", "%zz", 400],
    ["a line break", `${"a".repeat(52)}.b32.i2p%0d%0aX-Evil:1`, 400],
    ["30 kB", "A".repeat(30_000), 400],
    ["100 kB", "A".repeat(100_000), 431],
    ["two addresses", `${"a".repeat(52)}.b32.i2p&i2paddresshelper=x`, 400],
  ])("with %s are refused", async (_what, value, status) => {
    expect(await open("new.i2p", link(value))).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  })

  it("cannot give an address another meaning, nor a name with other letters than those of DNS", async () => {
    expect(await open(evil.b32, link(real.b32))).toMatch(/^HTTP\/1\.1 400 [\s\S]*BAD_NAME/)
    const lookalike = Buffer.from("kn\u043ewn.i2p").toString("latin1")
    expect(await open(lookalike, link(evil.b32))).toMatch(/^HTTP\/1\.1 40[03] /)
  })

  it("are refused to programs, with what to do instead", async () => {
    const text = await open("new.i2p", link(real.b32), "Accept: */*\r\n")
    expect(text).toMatch(/^HTTP\/1\.1 409 [\s\S]*allium name add/)
    expect(await stage.raw(proxy, GET("new.i2p", link(real.b32), "", "PUT"), /\)\n/)).toMatch(
      / 409 /,
    )
  })
})

describe("http-proxy: users with passwords", () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "allium-users-"))
    stage.scope.defer(() => rm(folder, { recursive: true }))
  })

  async function fileOf(text: string, mode = 0o600): Promise<string> {
    const path = join(folder, `${Math.random()}`)
    await writeFile(path, text, { mode })
    return path
  }

  it("wants a name and its password on every request, CONNECT and upgrades included", async () => {
    const site = await stage.answering(OK("fine"))
    const users = await openUsers(await fileOf("# mine\nann:secret:word\r\nbob:b\n"), systemClock)
    const proxy = await stage.proxy({ users })
    const bad = [
      "",
      basic("ann", "wrong"),
      basic("ann"),
      basic("eve", "b"),
      "Proxy-Authorization: Bearer x\r\n",
    ]
    for (const more of bad) {
      const answer = await stage.raw(proxy, GET(site.b32, "/", more), /\)\n/)
      expect(answer).toMatch(/^HTTP\/1\.1 407 [\s\S]*Proxy-Authenticate: Basic realm="proxy"/)
      const connect = `CONNECT ${site.b32}:80 HTTP/1.1\r\nHost: a\r\n${more}\r\n`
      expect(await stage.raw(proxy, connect, /\)\n/)).toMatch(/^HTTP\/1\.1 407 /)
    }
    for (const more of [basic("ann", "secret:word"), basic("bob", "b")])
      expect(await stage.raw(proxy, GET(site.b32, "/", more), /fine/)).toMatch(/ 200 /)
    const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    expect(await stage.raw(proxy, GET(site.b32, "/", upgrade), /\)\n/)).toMatch(/ 407 /)
    const two = GET(site.b32, "/", basic("bob", "b")) + GET(site.b32)
    expect(await stage.raw(proxy, two, /\)\n/)).toMatch(/ 200 [\s\S]* 407 /)
  })

  it("B16: guesses for one name are answered 429 after ten, and nobody else is kept waiting", async () => {
    const site = await stage.answering(OK("fine"))
    const clock = new FakeClock()
    const users = await openUsers(await fileOf("ann:right\nbob:b\n"), clock)
    const proxy = await stage.proxy({ users })
    const ask = (user: string, password?: string) =>
      stage.raw(proxy, GET(site.b32, "/", basic(user, password)), /\)\n|fine/)
    for (let count = 0; count < 10; count++)
      expect(await ask("ann", `guess ${count}`)).toMatch(/ 407 /)
    expect(await ask("ann", "guess")).toMatch(/^HTTP\/1\.1 429 [\s\S]*TOO_MANY_REQUESTS/)
    expect(await ask("ann", "right")).toMatch(/ 429 /)
    expect(await ask("bob", "b")).toMatch(/ 200 /)
    await clock.pass(6_000)
    expect(await ask("ann", "right")).toMatch(/ 200 /)
  })

  it("the password never goes to the site", async () => {
    const heads: string[] = []
    const site = await stage.site((stream) =>
      stream.on("data", (head) => {
        heads.push(String(head))
        stream.write(OK("fine"))
      }),
    )
    const proxy = await stage.proxy({ users: await openUsers(await fileOf("a:b\n"), systemClock) })
    await stage.raw(proxy, GET(site.b32, "/", basic("a", "b")), /fine/)
    expect(heads[0]).not.toMatch(/authorization/i)
  })

  it.each([
    ["that others may read", "a:b\n", 0o644],
    ["without users", "# nobody\n", 0o600],
    ["with a line that is none", "a:b\nc\n", 0o600],
    ["too large", "a:b\n".repeat(100_000), 0o600],
  ])("refuses a file %s, without saying what is in it", async (_what, text, mode) => {
    const path = await fileOf(text, mode)
    await expect(openUsers(path, systemClock)).rejects.toMatchObject({
      code: "BAD_INPUT",
      message: expect.not.stringContaining("a:b"),
    })
  })

  it("refuses a file that is not there", async () => {
    await expect(openUsers(join(folder, "none"), systemClock)).rejects.toMatchObject({
      code: "BAD_INPUT",
    })
  })
})

describe("http-proxy: outproxies", () => {
  const target = {
    host: "example.com",
    text: GET("example.com", "/x?y#z", "Referer: http://example.com/a\r\n"),
  }

  /** A proxy in I2P that says what it was asked. */
  async function openOutproxy(): Promise<RawSite> {
    const server = createServer((request, response) => {
      response.end(`${request.url} ${JSON.stringify(request.rawHeaders)}`)
    })
    server.on("connect", (request, stream, head: Buffer) => {
      if (request.url === "refused.com:443")
        return void stream.end("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
      stream.write(`HTTP/1.1 200 Ok\r\n\r\n${request.url} ${head}`)
      stream.pipe(stream)
    })
    return stage.served(server)
  }

  it("are off unless named", async () => {
    const proxy = await stage.proxy()
    expect(await stage.raw(proxy, target.text, /\)\n/)).toMatch(/^HTTP\/1\.1 403 /)
  })

  it("are asked in turn, for whole URLs, as a usual browser", async () => {
    const outproxy = await openOutproxy()
    const away = { host: fakeDestination().b32, port: 8888 }
    const proxy = await stage.proxy({
      waitMs: 300,
      outproxies: [away, { host: outproxy.b32, port: 8888 }],
    })
    const answer = await stage.raw(proxy, target.text, /keep-alive"\]/)
    expect(answer).toMatch(/\r\n\r\n(?:\w+\r\n)?http:\/\/example\.com\/x\?y /)
    expect(answer).toMatch(
      /"Host","example\.com","User-Agent","Mozilla\/5\.0 \(Windows NT 10\.0; rv:109\.0\)/,
    )
    const before = proxy.context.dialled.length
    await stage.raw(proxy, target.text, /keep-alive"\]/)
    expect(proxy.context.dialled.slice(before).includes(away.host)).toBe(false)
  })

  it("carry CONNECT, and what they refuse is told", async () => {
    const outproxy = await openOutproxy()
    const proxy = await stage.proxy({ outproxies: [{ host: outproxy.b32, port: 8888 }] })
    const connect = (to: string) => `CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n`
    const answer = await stage.raw(proxy, `${connect("example.com:443")}hello`, /hello/)
    expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*example\.com:443 hello/)
    expect(await stage.raw(proxy, connect("refused.com:443"), /\)\n/)).toMatch(/^HTTP\/1\.1 502 /)
    for (const bad of ["127.0.0.1:443", "localhost:443", "example.com:25", "printer:443"])
      expect(await stage.raw(proxy, connect(bad), /\)\n/)).toMatch(/^HTTP\/1\.1 403 /)
  })
})

describe("the options of http-proxy", () => {
  it.each([
    { listen: "0.0.0.0:0" },
    { outproxy: ["example.com:80"] },
    { outproxy: ["127.0.0.1:8118"] },
    { jump: ["http://example.com/"] },
    { jump: ["javascript:alert(1)"] },
    { users: "/nowhere" },
  ])("refuse %j", async (given) => {
    const proxy = await stage.proxy()
    const options = httpProxy.options.parse({ listen: "0", ...given })
    await expect(httpProxy.open(proxy.context, options)).rejects.toMatchObject({
      code: "BAD_INPUT",
    })
  })

  it("open a proxy that isolates, when asked", async () => {
    const { context } = await stage.proxy()
    const options = httpProxy.options.parse({ listen: "0", isolate: "site", resume: "same" })
    const tunnel = stage.scope.use(await httpProxy.open(context, options))
    await wait(10)
    expect(tunnel.counters().sessions).toBe(0)
  })
})

import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net"
import { join } from "node:path"
import { buffer } from "node:stream/consumers"
import { setTimeout as wait } from "node:timers/promises"
import { promisify } from "node:util"
import { gzipSync } from "node:zlib"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { projectRoot } from "../../support/project.ts"
import { GET, OK, type RawSite, readUntil, Stage, type StagedProxy } from "./proxy-stage.ts"

const MIB = 2 ** 20

describe("http-proxy: abuse", () => {
  const stage = new Stage()
  let proxy: StagedProxy
  /** What the site's parser saw. */
  const seen: { url: string; fields: string[]; trailers: string[] }[] = []
  let site: RawSite

  beforeAll(async () => {
    await stage.open()
    const server = createServer(async (request, response) => {
      await buffer(request).catch(() => {})
      seen.push({ url: request.url!, fields: request.rawHeaders, trailers: request.rawTrailers })
      response.end("fine")
    })
    site = await stage.served(server)
    proxy = await stage.proxy()
    proxy.context.names.set("ann-private.i2p", site.b32)
    proxy.context.names.set("target.i2p", site.b32)
    proxy.context.names.set("public.i2p", site.b32)
    proxy.context.publicNames.add("public.i2p")
  })
  afterAll(() => stage.close())

  describe("B1: forged identity", () => {
    const FORGED =
      "X-I2P-DestB32: evil\r\nx_i2p_destb32: evil\r\nX-Forwarded-For: evil\r\nVia: evil\r\n"

    it("is taken out of every request of a connection, after bodies and in trailers too", async () => {
      const before = seen.length
      const requests = [
        GET(site.b32, "/1", FORGED),
        `${GET(site.b32, "/2", `${FORGED}Content-Length: 2\r\n`, "POST")}hi`,
        `${GET(site.b32, "/3", "Transfer-Encoding: chunked\r\n", "POST")}0\r\n${FORGED}\r\n`,
        GET(site.b32, "/4", `Connection: keep-alive, xpgrade\r\n${FORGED}`),
        GET(site.b32, "/5", `Connection: Host, Cookie\r\nCookie: a=1\r\n${FORGED}`),
      ]
      const answer = await stage.raw(proxy, requests.join(""), /(?:fine[\s\S]*){5}/)
      expect(answer.match(/HTTP\/1\.1 200/g)).toHaveLength(5)
      expect(seen.slice(before).map(({ url }) => url)).toEqual(["/1", "/2", "/3", "/4", "/5"])
      expect(JSON.stringify(seen.slice(before))).not.toContain("evil")
      expect(seen.at(-1)!.fields).toContain("Cookie")
    })

    it("is taken out after a 100-continue, too", async () => {
      const head = GET(
        site.b32,
        "/c",
        `${FORGED}Expect: 100-continue\r\nContent-Length: 2\r\n`,
        "POST",
      )
      const socket = await stage.client(proxy)
      socket.write(head)
      socket.once("data", () => socket.write(`hi${GET(site.b32, "/after", FORGED)}`))
      expect(await readUntil(socket, /(?:fine[\s\S]*){2}/)).toMatch(/^HTTP\/1\.1 100 /)
      expect(JSON.stringify(seen.slice(-2))).not.toContain("evil")
    })
  })

  it("a private name never leaves; one the site has signed itself does", async () => {
    const told = "Referer: http://ann-private.i2p/x\r\nOrigin: http://ann-private.i2p\r\n"
    await stage.raw(proxy, GET("ann-private.i2p", "/", told), /fine/)
    expect(JSON.stringify(seen.at(-1))).not.toContain("ann-private")
    expect(seen.at(-1)!.fields.slice(0, 2)).toEqual(["Host", site.b32])
    await stage.raw(proxy, GET("public.i2p"), /fine/)
    expect(seen.at(-1)!.fields.slice(0, 2)).toEqual(["Host", "public.i2p"])
    await stage.raw(proxy, GET("ann-private.i2p.alt"), /fine/)
    expect(seen.at(-1)!.fields.slice(0, 2)).toEqual(["Host", site.b32])
  })

  describe("B2: smuggling", () => {
    const chunked = "Transfer-Encoding: chunked\r\n"
    const post = (more: string, body = "") => GET("target.i2p", "/b2", more, "POST") + body
    const SMUGGLED = GET("target.i2p", "/smuggled")

    it.each([
      ["CL.TE", post(`Content-Length: 6\r\n${chunked}`, `0\r\n\r\n${SMUGGLED}`)],
      ["TE.CL", post(`${chunked}Content-Length: 4\r\n`, `5c\r\n${SMUGGLED}0\r\n\r\n`)],
      ["TE.TE", post(`${chunked}Transfer-Encoding: x\r\n`, `0\r\n\r\n${SMUGGLED}`)],
      ["TE with a tab", post("Transfer-Encoding:\tchunked, x\r\n", "0\r\n\r\n")],
      ["TE with a space before the colon", post("Transfer-Encoding : chunked\r\n")],
      ["two lengths", post("Content-Length: 0\r\nContent-Length: 50\r\n", SMUGGLED)],
      ["a length of +5", post("Content-Length: +5\r\n", "hello")],
      ["a length of -1", post("Content-Length: -1\r\n")],
      ["a length of 0x5", post("Content-Length: 0x5\r\n", "hello")],
      ["a list of lengths", post("Content-Length: 5, 5\r\n", "hello")],
      ["a length beyond all bounds", post(`Content-Length: ${"9".repeat(30)}\r\n`)],
      ["a chunk size beyond all bounds", post(chunked, `${"f".repeat(20)}\r\n`)],
      ["a chunk size with a sign", post(chunked, "+5\r\nhello\r\n0\r\n\r\n")],
      ["a bare line feed after a field", post("X-A: 1\nX-B: 2\r\n")],
      ["a bare carriage return", post("X-A: 1\rX-B: 2\r\n")],
      ["a NUL", post("X-A: \0\r\n")],
      ["a folded line", post("X-A: 1\r\n  two\r\n")],
      ["a field without a name", post(": 1\r\n")],
      ["two hosts", post("Host: other.i2p\r\n")],
      ["a URL and a Host that differ", "GET http://target.i2p/ HTTP/1.1\r\nHost: b.i2p\r\n\r\n"],
      ["HTTP/0.9", "GET http://a.i2p/\r\n\r\n"],
      ["the beginning of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
      ["HTTP/3.7", "GET http://a.i2p/ HTTP/3.7\r\nHost: a.i2p\r\n\r\n"],
      ["a space in the method", "GE T http://a.i2p/ HTTP/1.1\r\nHost: a.i2p\r\n\r\n"],
    ])("with %s gets a 400 and the connection is closed", async (_what, text) => {
      expect(await stage.raw(proxy, text)).toMatch(/^HTTP\/1\.1 400 [\s\S]*Connection: close/i)
      expect(seen.some(({ url }) => url === "/smuggled")).toBe(false)
    })

    it.each([
      ["a request line", `GET http://a.i2p/${"a".repeat(MIB)} HTTP/1.1\r\n`],
      ["a field", `GET http://a.i2p/ HTTP/1.1\r\nX-A: ${"a".repeat(MIB)}`],
      ["fields without end", `GET http://a.i2p/ HTTP/1.1\r\n${"X-A: 1\r\n".repeat(50_000)}`],
    ])("%s of a megabyte gets a 431", async (_what, text) => {
      expect(await stage.raw(proxy, text)).toMatch(/^HTTP\/1\.1 431 /)
    })

    it("a body behind a GET with a length is a body, not a request", async () => {
      const body = GET("target.i2p", "/smuggled")
      const text = GET("target.i2p", "/cl0", `Content-Length: ${body.length}\r\n`) + body
      await stage.raw(proxy, text + GET("target.i2p", "/last"), /(?:fine[\s\S]*){2}/)
      expect(seen.slice(-2).map(({ url }) => url)).toEqual(["/cl0", "/last"])
    })

    it("chunk extensions are not passed on, and a megabyte of them is refused", async () => {
      const head = GET("target.i2p", "/ext", chunked, "POST")
      const answer = await stage.raw(proxy, `${head}2;${"a=1;".repeat(MIB / 4)}\r\nhi\r\n0\r\n\r\n`)
      expect(answer).toMatch(/^HTTP\/1\.1 (?:400|413|502) |^$/)
      expect(seen.at(-1)!.url).not.toBe("/ext")
    })
  })

  describe("B3: hostile sites", () => {
    it.each([
      ["a head of 10 MiB", `HTTP/1.1 200 OK\r\nX-A: ${"a".repeat(10 * MIB)}\r\n\r\n`],
      ["a thousand interim answers", "HTTP/1.1 103 Early\r\n\r\n".repeat(1_000)],
      ["a switch nobody asked for", "HTTP/1.1 101 Ok\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"],
      [
        "a length and chunks",
        `HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
      ],
      ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi"],
      ["a folded line", "HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\n\r\n"],
      ["a bare line feed", "HTTP/1.1 200 OK\nX-A: 1\r\n\r\n"],
      ["two thousand fields", `HTTP/1.1 200 OK\r\n${"X-A: 1\r\n".repeat(2_000)}\r\n`],
      ["another protocol", "SSH-2.0-dropbear\r\n"],
      ["no status", "HTTP/1.1 OK\r\n\r\n"],
    ])("%s: 502", async (_what, answer) => {
      const hostile = await stage.answering(answer)
      expect(await stage.raw(proxy, GET(hostile.b32), /BAD_ANSWER/)).toMatch(/^HTTP\/1\.1 502 /)
    })

    it.each([
      [
        "a 204 with a body",
        "HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
      ],
      ["more than its length", `${OK("a")}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`],
    ])(
      "%s: the rest is nobody's answer, and the stream is not used again",
      async (_what, answer) => {
        const hostile = await stage.answering(answer)
        const one = await stage.raw(proxy, GET(hostile.b32), /\r\n\r\n/)
        await wait(20)
        const two = await stage.raw(proxy, GET(hostile.b32, "/2"), /\r\n\r\n/)
        expect(one + two).not.toContain("evil")
        expect(hostile.streams.length).toBe(2)
      },
    )

    it("bytes that come unasked between two requests end the stream", async () => {
      const hostile = await stage.site((stream) => {
        stream.once("data", () => {
          stream.write(OK("one"))
          setTimeout(() => stream.write(OK("evil")), 50)
          stream.on("data", () => stream.write(OK("two")))
        })
      })
      await stage.raw(proxy, GET(hostile.b32), /one/)
      await wait(100)
      expect(await stage.raw(proxy, GET(hostile.b32), /one|evil|two/)).toMatch(/one$/)
    })

    it.each([
      ["Content-Length: 100\r\n\r\nshort", /short/],
      ["Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", /short/],
      ["Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nzz\r\n", /short|^$/],
    ])("a body that ends too early (%j) never ends cleanly", async (rest, part) => {
      const hostile = await stage.site((stream) => {
        stream.once("data", () => {
          stream.write(`HTTP/1.1 200 OK\r\n${rest}`)
          setTimeout(() => stream.end(), 50)
        })
      })
      const answer = await stage.raw(proxy, GET(hostile.b32))
      expect(answer).toMatch(part)
      expect(answer).not.toMatch(/\r\n0\r\n\r\n$/)
    })

    it("what it packed stays packed: a bomb is a file like any other", async () => {
      const bomb = gzipSync(Buffer.alloc(32 * MIB))
      const head = `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`
      const hostile = await stage.answering(Buffer.concat([Buffer.from(head), bomb]))
      const answer = await stage.raw(proxy, GET(hostile.b32, "/", "Connection: close\r\n"))
      expect(answer.length).toBeLessThan(bomb.length + 1_000)
    })

    it("an answer that stalls is ended", async () => {
      const hasty = await stage.proxy({ limits: { idleMs: 200 } })
      const hostile = await stage.answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
      expect(await stage.raw(hasty, GET(hostile.b32))).toMatch(/short$/)
      expect(hasty.counters()["failed.NO_ANSWER"]).toBe(1)
    })

    it("takes out what would lead a browser past the proxy", async () => {
      const lead = 'Alt-Svc: h3=":443"\r\nNEL: {}\r\nReport-To: {}\r\nX-Kept: 1\r\n'
      const hostile = await stage.answering(OK("x", lead))
      const answer = await stage.raw(proxy, GET(hostile.b32), /x$/)
      expect(answer).toMatch(/X-Kept/)
      expect(answer).not.toMatch(/alt-svc|nel:|report-to/i)
    })
  })

  describe("B4: injection", () => {
    it("escapes stay escapes", async () => {
      await stage.raw(proxy, GET(site.b32, "/a%0d%0aX-Evil:%201?b=%0d%0a"), /fine/)
      expect(seen.at(-1)!.url).toBe("/a%0d%0aX-Evil:%201?b=%0d%0a")
    })

    it("pages show names as text", async () => {
      const path = "/?i2paddresshelper=%3Cscript%3E"
      const answer = await stage.raw(proxy, GET("a.i2p", path, "Accept: text/html\r\n"), /<\/html>/)
      expect(answer).toMatch(/^HTTP\/1\.1 400 /)
      expect(answer).not.toContain("<script>")
    })
  })

  describe("B5: slowness", () => {
    it("a head that drips is ended with 408, others are served meanwhile, and no site hears of it", async () => {
      const hasty = await stage.proxy({
        server: { headBytesMax: 65_536, headMs: 400, requestMs: 0, keepAliveMs: 1_000 },
      })
      const slow = await Promise.all(Array.from({ length: 50 }, () => stage.client(hasty)))
      const answers = slow.map((socket) => readUntil(socket, /$^/))
      for (const socket of slow) socket.write("GET http://a.i2p/ HTTP/1.1\r\nX-A: ")
      expect(await stage.raw(hasty, GET(site.b32), /fine/)).toMatch(/ 200 /)
      for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1\.1 408 /)
      expect(hasty.context.dialled).toEqual([site.b32])
    })

    it("an upload that stalls is ended", async () => {
      const hasty = await stage.proxy({ limits: { answerMs: 300 } })
      const text = GET(site.b32, "/stalls", "Content-Length: 100\r\n", "POST")
      expect(await stage.raw(hasty, `${text}begin`, /NO_ANSWER/)).toMatch(/^HTTP\/1\.1 504 /)
    })
  })

  it("B6: connections beyond the limit are closed, and counted", async () => {
    const small = await stage.proxy({ connectionsMax: 3 })
    const held = await Promise.all(Array.from({ length: 3 }, () => stage.client(small)))
    expect(await stage.raw(small, GET(site.b32))).toBe("")
    for (const socket of held) socket.destroy()
    expect(small.counters().refused).toBe(1)
  })

  describe("B7: addresses that are no site", () => {
    const HOSTS = [
      ...["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0", "0.0.0.0", "0x7f.1"],
      ...["2130706433", "127.1", "017700000001", "localhost.", "a.localhost", "169.254.169.254"],
      ...["10.0.0.1", "192.168.0.1", "x.i2p.127.0.0.1.nip.io", "127.0.0.1:80.i2p", "printer"],
      ...["site.i2p\u3002example.com", "site.i2p.", "site.i2p%00.example.com", "[fe80::1%25lo]"],
      ...[
        "localhost.i2p",
        "proxy.i2p",
        "router.i2p",
        "console.i2p",
        "example.com",
        "i2p",
        "127.0.0.1.i2p.alt.com",
      ],
    ]

    it.each(HOSTS)("refuses %s, as a page and with CONNECT, and connects nowhere", async (host) => {
      const before = proxy.context.dialled.length
      for (const text of [GET(host), `CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}\r\n\r\n`])
        expect(await stage.raw(proxy, text, /\)\n$/)).toMatch(/^HTTP\/1\.1 40[03] /)
      expect(proxy.context.dialled.length).toBe(before)
    })

    it.each([
      "http://user:word@site.i2p/",
      "http://127.0.0.1@site.i2p/",
      "http://site.i2p@127.0.0.1/",
      "http://site.i2p\t/",
      "http://si te.i2p/",
    ])("refuses %j", async (url) => {
      expect(await stage.raw(proxy, `GET ${url} HTTP/1.1\r\nHost: site.i2p\r\n\r\n`)).toMatch(
        / 400 /,
      )
    })

    it("refuses them with an outproxy, too, but for public names", async () => {
      const leading = await stage.proxy({ outproxies: [{ host: site.b32, port: 8888 }] })
      for (const host of HOSTS.filter((one) => !/nip\.io|example\.com|alt\.com/.test(one)))
        expect(await stage.raw(leading, GET(host), /\)\n$/)).toMatch(/^HTTP\/1\.1 40[03] /)
    })
  })

  describe("B8: CONNECT", () => {
    it.each([
      ["example.com:443", 403],
      ["127.0.0.1:22", 403],
      ["site.i2p:25", 403],
      ["site.i2p:22", 403],
      ["site.i2p:0", 400],
      ["site.i2p:65536", 400],
      ["site.i2p:99999999999999", 400],
      ["site.i2p:-1", 400],
      ["site.i2p:abc", 400],
      ["site.i2p", 400],
    ])("to %s gets a %i", async (target, status) => {
      const text = `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`
      expect(await stage.raw(proxy, text)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    })
  })

  it("B9: nothing of it can ask DNS or open a connection of its own", () => {
    const folders = ["tunnels/http-proxy", "src/base/http"]
    const files = folders.flatMap((folder) =>
      readdirSync(join(projectRoot, folder)).map((name) => join(projectRoot, folder, name)),
    )
    const text = files.map((file) => readFileSync(file, "utf8")).join("\n")
    expect(text).not.toMatch(/"node:(?:dns|tls|http2|https|dgram)|\bfetch\(|\bnet\.connect|lookup:/)
    expect(text).not.toMatch(
      /import \{[^}]*\b(?:connect|createConnection)\b[^}]*\} from "node:net"/,
    )
  })

  it("B9: curl and its names stay with the proxy", async () => {
    const args = ["--silent", "--max-time", "5", "--proxy", proxy.url, "http://ann-private.i2p/"]
    const { stdout } = await promisify(execFile)("curl", args)
    expect(stdout).toBe("fine")
  })

  it("B11: a page cannot reach programs of this machine, with or without a token", async () => {
    let reached = 0
    const api = createTcpServer(() => reached++).listen(0, "127.0.0.1")
    stage.scope.defer(() => api.close())
    await wait(10)
    const { port } = api.address() as AddressInfo
    const token = "Authorization: Bearer token\r\nOrigin: http://evil.i2p\r\n"
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, "proxy.i2p"])
      for (const more of ["", token])
        expect(await stage.raw(proxy, GET(host, "/status", more), /\)\n$/)).toMatch(/ 403 /)
    expect(await stage.raw(proxy, "GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).toMatch(
      / 400 /,
    )
    expect(reached).toBe(0)
  })
})

describe("http-proxy: slow readers", () => {
  it("A14: fifty of them take no memory and no time from others", { timeout: 30_000 }, async () => {
    const stage = new Stage()
    await stage.open()
    const size = 2 * MIB
    const server = createServer((_request, response) => {
      response.writeHead(200, { "Content-Length": size })
      for (let sent = 0; sent < size; sent += MIB) response.write(Buffer.alloc(MIB, "x"))
      response.end()
    })
    const big = await stage.served(server)
    const quick = await stage.answering(OK("quick"))
    const proxy = await stage.proxy()
    await stage.raw(proxy, GET(quick.b32), /quick/)
    const before = process.memoryUsage().rss
    const slow = await Promise.all(Array.from({ length: 50 }, () => stage.client(proxy)))
    for (const socket of slow) {
      socket.pause()
      socket.write(GET(big.b32))
    }
    await expect
      .poll(() => proxy.counters().bytesIn ?? 0, { timeout: 20_000 })
      .toBeGreaterThan(49 * size)
    const startedMs = performance.now()
    for (let turn = 0; turn < 10; turn++)
      expect(await stage.raw(proxy, GET(quick.b32), /quick/)).toMatch(/ 200 /)
    expect((performance.now() - startedMs) / 10).toBeLessThan(500)
    expect(process.memoryUsage().rss - before).toBeLessThan(90 * MIB)
    const whole = await Promise.all(
      slow.map(async (socket) => (await readAll(socket, size)).length),
    )
    expect(Math.min(...whole)).toBeGreaterThan(size)
    await stage.close()
  })

  it("A14: ten of them hold up nobody who asks the same site", { timeout: 30_000 }, async () => {
    const stage = new Stage()
    await stage.open()
    const size = 8 * MIB // more than the system takes for those who do not read
    const server = createServer(({ url }, response) => {
      response.end(url === "/big" ? Buffer.alloc(size, "x") : "quick")
    })
    const site = await stage.served(server)
    const proxy = await stage.proxy()
    const slow = await Promise.all(Array.from({ length: 10 }, () => stage.client(proxy)))
    for (const socket of slow) socket.pause().write(GET(site.b32, "/big"))
    await expect
      .poll(() => proxy.counters().bytesIn ?? 0, { timeout: 20_000 })
      .toBeGreaterThan(9.9 * size)
    expect(await stage.raw(proxy, GET(site.b32, "/page"), /quick/)).toMatch(/ 200 /)
    const whole = await Promise.all(
      slow.map(async (socket) => (await readAll(socket, size)).length),
    )
    expect(Math.min(...whole)).toBeGreaterThan(size)
    await stage.close()
  })

  async function readAll(socket: Socket, size: number): Promise<Buffer> {
    const got: Buffer[] = []
    let count = 0
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      got.push(chunk)
      count += chunk.length
      if (count > size) break
    }
    return Buffer.concat(got)
  }
})

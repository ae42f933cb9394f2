/**
 * What `http-proxy` and `sites` promise, whatever the network below.
 *
 * @module
 */
import { execFile } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { buffer } from "node:stream/consumers"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { sites } from "../../../plugins/sites/index.ts"
import { siteExpose, siteServe } from "../../../plugins/sites/offers.ts"
import { Scope } from "../../../src/base/scope.ts"
import { httpProxy } from "../../../tunnels/http-proxy/index.ts"
import { type FakeNetwork, fakeDestination } from "../../support/fake-session.ts"
import { emptyDisk, type FakeRun, startFakePlugin } from "../../support/fake-site-context.ts"
import { type FakeTunnelContext, openFakeTunnelContext } from "../../support/fake-tunnel-context.ts"

/** What curl exits with after `--max-time`. */
const CURL_GAVE_UP = 28

/** Runs every promise on a network of its own; what `openNetwork` opens, it hands to the scope. */
export function describeHttpProxy(
  name: string,
  openNetwork: (scope: Scope) => Promise<FakeNetwork>,
): void {
  describe(name, () => {
    const scope = new Scope()
    let network: FakeNetwork
    const big = randomBytes(5 * 2 ** 20)
    let context: FakeTunnelContext
    let proxy: string
    let plugin: FakeRun
    let folder: string
    let folderSite: string
    let program: Server
    let programSite: string
    /** Requests as the program behind the exposed site saw them. */
    const seen: { method: string; url: string; fields: string[]; body: Buffer }[] = []

    /** Runs curl through the proxy; resolves with what it printed and its exit code. */
    async function curl(...args: string[]): Promise<{ out: Buffer; exit: number }> {
      const all = ["--silent", "--max-time", "20", "--proxy", `http://${proxy}`, ...args]
      const options = { encoding: "buffer", maxBuffer: 2 ** 26 } as const
      try {
        return { out: (await promisify(execFile)("curl", all, options)).stdout, exit: 0 }
      } catch (error) {
        const failed = error as { stdout: Buffer; code: number }
        return { out: failed.stdout, exit: failed.code }
      }
    }

    const statusOf = async (...args: string[]) =>
      (await curl("--output", "/dev/null", "--write-out", "%{http_code}", ...args)).out.toString()

    /** Sends bytes as they are to the proxy, and reads until it closes. */
    async function raw(text: string): Promise<string> {
      const socket = connect({ host: "127.0.0.1", port: portOf(proxy) })
      socket.on("error", () => {})
      socket.write(text)
      const timer = setTimeout(() => socket.destroy(), 3_000)
      const got = await buffer(socket).catch(() => Buffer.alloc(0))
      clearTimeout(timer)
      return got.toString("latin1")
    }

    const portOf = (address: string) => Number(address.split(":").at(-1))

    /** A session whose every stream is answered with these bytes, and then ended or cut. */
    async function openHostileSite(answer: string | Buffer, end = true): Promise<string> {
      const session = scope.use(network.open())
      await session.ready({ signal: scope.signal })
      void (async () => {
        for await (const stream of session.incoming)
          stream.once("data", () => (end ? stream.end(answer) : stream.write(answer)))
      })()
      return session.destination.b32
    }

    async function serveProgram(request: IncomingMessage, response: ServerResponse): Promise<void> {
      const { method = "", url = "", rawHeaders } = request
      if (url === "/too-large" && request.headers.expect !== undefined)
        return void response.writeHead(413, { "Content-Length": 0 }).end()
      const body = await buffer(request)
      seen.push({ method, url, fields: rawHeaders, body })
      if (url === "/moved")
        response.writeHead(302, {
          Location: `http://127.0.0.1:${portOf(`:${(program.address() as AddressInfo).port}`)}/there?x=1`,
          Server: "nginx/1.22 (Debian)",
          "x-powered-by": "PHP/8",
          "Set-Cookie": "a=1; Domain=127.0.0.1; Path=/",
        })
      else if (url === "/trailers")
        response.writeHead(200, { Trailer: "X-Check" }).addTrailers({ "X-Check": "sum" })
      else if (url === "/events") {
        response.writeHead(200, { "Content-Type": "text/event-stream" })
        response.write("data: one\n\n")
        await new Promise((resolve) => setTimeout(resolve, 150))
        response.write("data: two\n\n")
      } else if (url === "/cut") {
        response.writeHead(200, { "Content-Length": 1_000 }).write("only this")
        setTimeout(() => response.destroy(), 50)
        return
      }
      response.end(createHash("sha256").update(body).digest("hex"))
    }

    async function openProxy(limits: Record<string, number>): Promise<string> {
      const options = httpProxy.options.parse({ listen: "0", ...limits })
      return scope.use(await httpProxy.open(context, options)).listens!
    }

    /** Asks through a proxy that waits a second at most; the others wait as long as a busy machine needs. */
    async function inHaste<T>(ask: () => Promise<T>): Promise<T> {
      const patient = proxy
      proxy = await openProxy({ answerSeconds: 1, idleSeconds: 1 })
      try {
        return await ask()
      } finally {
        proxy = patient
      }
    }

    beforeAll(async () => {
      network = await openNetwork(scope)
      folder = await mkdtemp(join(tmpdir(), "allium-site-"))
      scope.defer(() => rm(folder, { recursive: true }))
      await mkdir(join(folder, "sub"))
      await writeFile(join(folder, "index.html"), "<h1>hello</h1>")
      await writeFile(join(folder, "big.bin"), big)
      await writeFile(join(folder, ".secret"), "secret")
      await symlink("/etc/hostname", join(folder, "out.txt"))

      program = createServer((request, response) => {
        // A visitor who leaves in the middle of a body is part of some stories.
        serveProgram(request, response).catch(() => response.destroy())
      })
      program.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
        if (request.url !== "/too-large") response.writeContinue()
        serveProgram(request, response).catch(() => response.destroy())
      })
      program.on("upgrade", (_request, socket: Socket) => {
        socket.write(
          "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        socket.pipe(socket)
      })
      program.listen(0, "127.0.0.1")
      await once(program, "listening")
      scope.defer(() => {
        program.close()
        program.closeAllConnections()
      })

      plugin = scope.use(await startFakePlugin(sites, network, emptyDisk()))
      folderSite = (await plugin.run(siteServe, { folder, name: "folder" })).address
      const { port } = program.address() as AddressInfo
      programSite = (await plugin.run(siteExpose, { target: `127.0.0.1:${port}` })).address

      context = scope.use(await openFakeTunnelContext(network))
      context.names.set("anns-blog.i2p", folderSite)
      context.names.set("wiki.i2p", programSite)
      proxy = await openProxy({})
    })
    afterAll(() => scope.close())

    describe("http-proxy and site serve, with curl", () => {
      it("fetches a page by b32 and by name", async () => {
        for (const host of [folderSite, "anns-blog.i2p"])
          expect((await curl(`http://${host}/`)).out.toString()).toBe("<h1>hello</h1>")
      })

      it("fetches 5 MiB whole, and the rest of a file from where a download broke off", async () => {
        const whole = await curl(`http://${folderSite}/big.bin`)
        expect(whole.out.equals(big)).toBe(true)
        const rest = await curl("--range", "5000000-", `http://${folderSite}/big.bin`)
        expect(rest.out.equals(big.subarray(5_000_000))).toBe(true)
      })

      it("fetches whole when the visitor reads slowly and the network loses tails", async () => {
        network.faults.tailLoss = true
        try {
          const slow = await curl("--limit-rate", "8M", `http://${folderSite}/big.bin`)
          expect([slow.exit, slow.out.equals(big)]).toEqual([0, true])
          const closing = await curl(
            "--header",
            "Connection: close",
            `http://${folderSite}/big.bin`,
          )
          expect(closing.out.equals(big)).toBe(true)
        } finally {
          network.faults.tailLoss = false
        }
      })

      it("sends several requests over one stream", async () => {
        const before = context.dialled.length
        const urls = Array.from({ length: 20 }, () => `http://${folderSite}/`)
        expect((await curl(...urls)).out.length).toBe(20 * "<h1>hello</h1>".length)
        expect(context.dialled.length - before).toBeLessThanOrEqual(1)
      })

      it("answers HEAD, and 304 for what did not change", async () => {
        const head = (await curl("--head", `http://${folderSite}/big.bin`)).out.toString()
        expect(head).toContain(`Content-Length: ${big.length}`)
        const tag = /ETag: (".*")/.exec(head)?.[1] ?? ""
        expect(
          await statusOf("--header", `If-None-Match: ${tag}`, `http://${folderSite}/big.bin`),
        ).toBe("304")
      })

      it.each([
        ["/none.html", "404"],
        ["/.secret", "404"],
        ["/out.txt", "404"],
        ["/%2e%2e/etc/passwd", "400"],
        ["/sub", "301"],
        ["/sub/", "404"],
      ])("answers %s with %s", async (path, status) => {
        expect(await statusOf("--path-as-is", `http://${folderSite}${path}`)).toBe(status)
      })
    })

    describe("http-proxy and site expose, with curl", () => {
      it("carries bodies up: with a length, and in chunks of unknown length", async () => {
        const sum = createHash("sha256").update(big).digest("hex")
        const file = join(folder, "big.bin")
        const plain = await curl("--data-binary", `@${file}`, `http://${programSite}/up`)
        const chunked = ["--header", "Transfer-Encoding: chunked", "--upload-file", file]
        const upload = await curl(...chunked, `http://${programSite}/up`)
        expect([plain.out.toString(), upload.out.toString()]).toEqual([sum, sum])
      })

      it("passes 100-continue on, and a refusal before the body", async () => {
        const expectation = [
          "--header",
          "Expect: 100-continue",
          "--data-binary",
          `@${join(folder, "big.bin")}`,
        ]
        const { out } = await curl("--include", ...expectation, `http://${programSite}/up`)
        expect(out.toString()).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200/)
        expect(await statusOf(...expectation, `http://${programSite}/too-large`)).toBe("413")
      })

      it("passes trailers on", async () => {
        const { out } = await curl("--include", "--raw", `http://${programSite}/trailers`)
        expect(out.toString()).toMatch(/\r\n0\r\nX-Check: sum\r\n/)
      })

      it("passes events on as they come", async () => {
        const started = performance.now()
        const socket = connect({ host: "127.0.0.1", port: portOf(proxy) })
        socket.write(`GET http://${programSite}/events HTTP/1.1\r\nHost: ${programSite}\r\n\r\n`)
        let text = ""
        const at: Record<string, number> = {}
        socket.on("data", (chunk) => {
          text += chunk
          for (const word of ["one", "two"])
            if (text.includes(word)) at[word] ??= performance.now() - started
        })
        await expect.poll(() => at.two).toBeDefined()
        socket.destroy()
        expect(at.two! - at.one!).toBeGreaterThan(100)
      })

      it("hides the user from the program, and names its address truthfully", async () => {
        const forged = ["--header", "X-I2P-DestB32: forged", "--header", "X_I2P_DestB64: forged"]
        const told = [
          "--user-agent",
          "Secret/1",
          "--header",
          "X-Forwarded-For: 10.0.0.7",
          "--referer",
          "http://a.i2p/",
        ]
        await curl(...forged, ...told, "http://wiki.i2p/who")
        const { fields } = seen.at(-1)!
        const { destination } = await context.session({ keys: "transient" })
        expect(fields).toEqual([
          ...["Host", programSite, "User-Agent", "MYOB/6.66 (AN/ON)", "Accept", "*/*"],
          ...["X-I2P-DestHash", expect.stringMatching(/^[A-Za-z0-9~-]{43}=$/)],
          ...["X-I2P-DestB32", destination.b32, "X-I2P-DestB64", destination.base64],
          ...["Connection", "keep-alive"],
        ])
      })

      it("hides the program's machine from the user", async () => {
        const { out } = await curl("--include", `http://${programSite}/moved`)
        const head = out.toString().split("\r\n\r\n")[0]!
        expect(head).toContain("Location: /there?x=1")
        expect(head).toContain("Set-Cookie: a=1; Path=/")
        expect(head).not.toMatch(/^(?:server|x-powered-by|date|via):/im)
        expect(head).not.toContain("127.0.0.1")
      })

      it("makes an answer that was cut short fail, instead of looking whole", async () => {
        expect((await curl(`http://${programSite}/cut`)).exit).toBe(18)
      })

      it("switches to a WebSocket and passes it on both ways", async () => {
        const socket = connect({ host: "127.0.0.1", port: portOf(proxy) })
        const ask = `GET http://${programSite}/ws HTTP/1.1\r\nHost: ${programSite}\r\n`
        socket.write(`${ask}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`)
        const [head] = (await once(socket, "data")) as [Buffer]
        expect(head.toString()).toMatch(/^HTTP\/1.1 101 .*\r\n(?:.*\r\n)*Upgrade: websocket\r\n/)
        socket.write("ping")
        expect(String((await once(socket, "data"))[0])).toBe("ping")
        socket.destroy()
      })

      it("passes a refusal to switch on, and ends the connection", async () => {
        const ask = `GET http://${folderSite}/none HTTP/1.1\r\nHost: ${folderSite}\r\n`
        const answer = await raw(`${ask}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`)
        expect(answer).toMatch(/^HTTP\/1.1 404 /)
      })

      it("takes forged identity fields out of every request of a connection, pipelined ones too", async () => {
        const visitor = scope.use(network.open())
        const stream = await visitor.connect(programSite, { signal: scope.signal })
        const forged =
          "X-I2P-DestB32: forged\r\nx_i2p_destb32: forged\r\nX-i2P-DestHash : forged\r\n"
        const fine = forged.replace(" :", ":")
        const post = `POST /pipe HTTP/1.1\r\nHost: a\r\n${fine}Content-Length: 2\r\n\r\nhi`
        const trailer = `POST /pipe HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${fine}\r\n`
        stream.write(`${post}GET /pipe HTTP/1.1\r\nHost: a\r\n${fine}\r\n${trailer}${post}`)
        stream.resume()
        await expect.poll(() => seen.filter(({ url }) => url === "/pipe").length).toBe(4)
        for (const { fields } of seen.filter(({ url }) => url === "/pipe")) {
          expect(fields.join()).not.toContain("forged")
          expect(fields.filter((field) => field === visitor.destination.b32).length).toBe(1)
        }
        stream.destroy()
      })

      it.each(["TRACE / HTTP/1.1", "CONNECT 127.0.0.1:22 HTTP/1.1"])(
        "refuses %s at a site",
        async (line) => {
          const visitor = scope.use(network.open())
          const stream = await visitor.connect(programSite, { signal: scope.signal })
          stream.write(`${line}\r\nHost: a\r\n\r\n`)
          expect(String((await once(stream, "data"))[0])).toMatch(/^HTTP\/1.1 405 /)
          stream.destroy()
        },
      )

      it("answers 503 when the program does not run", async () => {
        const idle = createTcpServer().listen(0, "127.0.0.1")
        await once(idle, "listening")
        const { port } = idle.address() as AddressInfo
        idle.close()
        await once(idle, "close")
        const { address } = await plugin.run(siteExpose, { target: `${port}`, name: "down" })
        expect(await statusOf(`http://${address}/`)).toBe("503")
      })
    })

    describe("http-proxy", () => {
      it("connects through to any port of a destination", async () => {
        const answer = await curl("--proxytunnel", `http://${folderSite}:80/`)
        expect(answer.out.toString()).toBe("<h1>hello</h1>")
      })

      it("refuses what leads out of I2P, with CONNECT too, and explains it without a script", async () => {
        for (const url of [
          "http://example.com/",
          `http://127.0.0.1:${portOf(proxy)}/`,
          "http://localhost/",
        ])
          expect(await statusOf(url)).toBe("403")
        expect(
          await raw("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"),
        ).toMatch(/^HTTP\/1.1 403 /)
        const page = (
          await curl("--include", "--header", "Accept: text/html", "http://example.com/")
        ).out.toString()
        expect(page).toContain("Content-Security-Policy: default-src 'none'; style-src 'sha256-")
        expect(page).toContain("PROXY_REFUSED")
        expect(page).not.toContain("<script")
      })

      it.each([
        ["a name nobody knows", "http://nobody-knows.i2p/", "404"],
        ["a site that is away", `http://${fakeDestination().b32}/`, "504"],
      ])("answers %s with its own status", async (_what, url, status) => {
        expect(await statusOf(url)).toBe(status)
      })

      const GET = (more: string, line = "GET http://anns-blog.i2p/ HTTP/1.1") =>
        `${line}\r\nHost: anns-blog.i2p\r\n${more}\r\n`

      it.each([
        [
          "a length and chunks",
          `${GET("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")}0\r\n\r\n`,
        ],
        ["two lengths", GET("Content-Length: 5\r\nContent-Length: 6\r\n")],
        ["a list of lengths", GET("Content-Length: 5, 5\r\n")],
        ["a signed length", GET("Content-Length: +5\r\n")],
        ["a negative length", GET("Content-Length: -5\r\n")],
        ["an unknown coding", GET("Transfer-Encoding: xchunked\r\n")],
        ["two codings", GET("Transfer-Encoding: gzip, chunked\r\n")],
        ["a coding that is not last", GET("Transfer-Encoding: chunked, identity\r\n")],
        ["a folded line", GET("X-A: 1\r\n  folded\r\n")],
        ["a bare line feed", GET("X-A: 1\nX-B: 2\r\n")],
        ["a bare carriage return", GET("X-A: 1\rX-B: 2\r\n")],
        ["a NUL", GET("X-A: 1\0\r\n")],
        ["a space before the colon", GET("X-A : 1\r\n")],
        ["two hosts", GET("Host: anns-blog.i2p\r\n")],
        ["a host that differs", "GET http://anns-blog.i2p/ HTTP/1.1\r\nHost: other.i2p\r\n\r\n"],
        ["no host", "GET http://anns-blog.i2p/ HTTP/1.1\r\n\r\n"],
        ["no URL", "GET / HTTP/1.1\r\nHost: anns-blog.i2p\r\n\r\n"],
        [
          "chunks in HTTP/1.0",
          GET("Transfer-Encoding: chunked\r\n", "GET http://anns-blog.i2p/ HTTP/1.0"),
        ],
        ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
        ["HTTP/0.9", "GET http://anns-blog.i2p/\r\n\r\n"],
        [
          "a chunk size that overflows",
          `${GET("Transfer-Encoding: chunked\r\n")}FFFFFFFFFFFFFFFFF\r\n`,
        ],
      ])("refuses a request with %s: 400, and no site hears of it", async (_what, text) => {
        const before = context.dialled.length
        expect(await raw(text)).toMatch(/^HTTP\/1.1 400 /)
        expect(context.dialled.length).toBe(before)
      })

      it.each([
        ["an endless line", `X-A: ${"a".repeat(70_000)}\r\n`],
        ["a flood of fields", "X-A: 1\r\n".repeat(101)],
      ])("refuses %s with 431", async (_what, more) => {
        expect(await raw(GET(more))).toMatch(/^HTTP\/1.1 431 /)
      })

      it.each([
        ["nothing at all", ""],
        ["what is not HTTP", "SSH-2.0-OpenSSH_9.2\r\n"],
        [
          "a length and chunks",
          "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        ],
        ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"],
        ["an endless head", `HTTP/1.1 200 OK\r\nX-A: ${"a".repeat(100_000)}`],
        ["a flood of fields", `HTTP/1.1 200 OK\r\n${"X-A: 1\r\n".repeat(200)}\r\n`],
        ["endless interim answers", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1_000)],
        [
          "a switch nobody asked for",
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        ],
      ])("answers 502 for a site that sends %s", async (_what, answer) => {
        expect(await statusOf(`http://${await openHostileSite(answer)}/`)).toBe("502")
      })

      it.each([
        ["a body shorter than its length", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"],
        [
          "chunks without an end",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ],
        ["a broken chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
      ])("makes curl fail for a site that sends %s", async (_what, answer) => {
        const { exit } = await curl(`http://${await openHostileSite(answer)}/`)
        expect([0, CURL_GAVE_UP]).not.toContain(exit)
      })

      it("ends an answer that stalls in its body", async () => {
        const site = await openHostileSite(
          "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
          false,
        )
        expect((await inHaste(() => curl(`http://${site}/`))).exit).toBe(18)
      })

      it("answers 504 for a site that takes the request and says nothing", async () => {
        const session = scope.use(network.open())
        await session.ready({ signal: scope.signal })
        void (async () => {
          for await (const stream of session.incoming) stream.resume()
        })()
        const status = await inHaste(() => statusOf(`http://${session.destination.b32}/`))
        expect(status).toBe("504")
      })

      it("takes fields out of an answer that would lead a browser past it", async () => {
        const fields =
          'Alt-Svc: h3=":443"\r\nNEL: {}\r\nReport-To: {}\r\nX-Kept: 1\r\nContent-Length: 0\r\n'
        const site = await openHostileSite(`HTTP/1.1 200 OK\r\n${fields}\r\n`)
        const { out } = await curl("--include", `http://${site}/`)
        expect(out.toString()).toMatch(/X-Kept: 1/)
        expect(out.toString()).not.toMatch(/alt-svc|nel:|report-to/i)
      })
    })
  })
}

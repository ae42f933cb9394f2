/**
 * What `http-server` promises, whatever the network below.
 *
 * @module
 */
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as openRequest,
  type RequestOptions,
  type ServerResponse,
} from "node:http"
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net"
import type { Duplex } from "node:stream"
import { buffer } from "node:stream/consumers"
import { setTimeout as wait } from "node:timers/promises"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { StreamAgent, StreamSocket } from "../../../src/base/http/index.ts"
import { Scope } from "../../../src/base/scope.ts"
import type { SamStream, Session } from "../../../src/sam/session.ts"
import { httpServer } from "../../../tunnels/http-server/index.ts"
import type { FakeNetwork } from "../../support/fake-session.ts"
import { openFakeTunnelContext } from "../../support/fake-tunnel-context.ts"

/** A request as the program saw it. */
interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly raw: readonly string[]
  readonly trailers: NodeJS.Dict<string>
  readonly body: Buffer
  readonly from: string
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly trailers: NodeJS.Dict<string>
  readonly body: Buffer
}

/** Runs every promise on a network of its own; what `openNetwork` opens, it hands to the scope. */
export function describeHttpServer(
  name: string,
  openNetwork: (scope: Scope) => Promise<FakeNetwork>,
): void {
  describe(name, () => {
    const whole = new Scope()
    let network: FakeNetwork
    beforeAll(async () => {
      network = await openNetwork(whole)
    })
    afterAll(() => whole.close())

    let scope = new Scope()
    afterEach(async () => {
      await scope.close()
      scope = new Scope()
    })

    const big = randomBytes(2 * 2 ** 20)
    const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

    async function startProgram() {
      const seen: Seen[] = []
      const sockets = new Set<Socket>()
      const server = createServer((request, response) => void serve(request, response, seen))
      server.keepAliveTimeout = 60_000
      server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
        if (request.url === "/too-large")
          return void response.writeHead(413, { "Content-Length": 0 }).end()
        response.writeContinue()
        void serve(request, response, seen)
      })
      server.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
        socket.on("error", () => {})
        if (request.url !== "/socket")
          return void socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        socket.write(
          "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
        )
        socket.write(`${request.headers["x-i2p-destb32"]}\n`)
        socket.pipe(socket)
      })
      server.on("connection", (socket) => {
        sockets.add(socket)
        socket.once("close", () => sockets.delete(socket))
      })
      server.listen(0, "127.0.0.1")
      await once(server, "listening")
      scope.defer(() => {
        server.close()
        server.closeAllConnections()
      })
      return { port: (server.address() as AddressInfo).port, seen, sockets }
    }

    async function serve(
      request: IncomingMessage,
      response: ServerResponse,
      seen: Seen[],
    ): Promise<void> {
      const { method = "", url = "", headers, rawHeaders: raw } = request
      const body = await buffer(request).catch(() => Buffer.alloc(0))
      const { trailers } = request
      const from = request.socket.remoteAddress ?? ""
      seen.push({ method, url, headers, raw, trailers, body, from })
      if (url === "/big") response.end(big)
      else if (url === "/moved")
        response
          .writeHead(302, {
            Location: `http://127.0.0.1:${request.socket.localPort}/there`,
            server: "nginx/1.22",
            "X-POWERED-BY": "PHP",
            "set-cookie": ["a=1; Domain=127.0.0.1", "b=2"],
          })
          .end()
      else if (url === "/trailers") {
        response.writeHead(200, { Trailer: "X-Sum" }).write("x")
        response.addTrailers({ "X-Sum": "1", Server: "late" })
        response.end()
      } else if (url === "/events") {
        response.writeHead(200, { "Content-Type": "text/event-stream" })
        for (const word of ["one", "two", "three"]) {
          response.write(`data: ${word}\n\n`)
          await wait(150)
        }
        response.end()
      } else response.end(`${method} ${url} ${sha256(body)}`)
    }

    async function openServer(options: Record<string, unknown>) {
      const context = scope.use(await openFakeTunnelContext(network))
      return scope.use(await httpServer.open(context, httpServer.options.parse(options)))
    }

    async function openVisitor(): Promise<Session> {
      const visitor = scope.use(network.open())
      await visitor.ready({ signal: scope.signal })
      return visitor
    }

    /** Connections of one visitor, each kept for several requests. */
    function agentOf(visitor: Session, address: string, perHostMax = 32): StreamAgent {
      const dial = async () => {
        const stream = await visitor.connect(address, { signal: scope.signal })
        return new StreamSocket(stream, { lingerMs: 1_000 })
      }
      const agent = new StreamAgent(dial, { perHostMax, totalMax: 256, keepMs: 20_000 })
      scope.defer(() => agent.destroy())
      return agent
    }

    async function ask(
      agent: StreamAgent,
      path: string,
      more: RequestOptions & { body?: Uint8Array } = {},
    ): Promise<Answer> {
      const { body, ...options } = more
      const request = openRequest({ agent, host: "site", path, ...options })
      request.end(body)
      const [response] = (await once(request, "response")) as [IncomingMessage]
      const got = await buffer(response)
      const { statusCode: status = 0, headers, trailers } = response
      return { status, headers, trailers, body: got }
    }

    /** Sends bytes as they are on a new stream; what comes back until it ends, falls silent, or for `forMs`. */
    async function raw(
      address: string,
      text: string,
      forMs = 700,
      visitor?: Session,
    ): Promise<string> {
      const own = visitor ?? (await openVisitor())
      const stream = await own.connect(address, { signal: scope.signal })
      stream.on("error", () => {})
      let got = ""
      stream.on("data", (chunk: Buffer) => {
        got += chunk.toString("latin1")
      })
      stream.write(Buffer.from(text, "latin1"))
      const ended = once(stream, "end").then(
        () => true,
        () => true,
      )
      for (let length = -1, leftMs = forMs; leftMs > 0; leftMs -= 100) {
        if ((await Promise.race([ended, wait(100)])) === true) break
        if (got.length > 0 && got.length === length) break
        length = got.length
      }
      stream.destroy()
      return got
    }

    const head = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost: x.i2p\r\n${more}\r\n`

    describe("http-server", () => {
      it("A4: answers 200 requests on one stream, over one connection to the program", async () => {
        const { port, seen, sockets } = await startProgram()
        const visitor = await openVisitor()
        const { address, counters } = await openServer({ expose: `${port}` })
        const agent = agentOf(visitor, address!, 1)
        for (let index = 0; index < 200; index++)
          expect((await ask(agent, `/${index}`)).status).toBe(200)
        expect(counters()).toMatchObject({ connections: 1, requests: 200 })
        expect([seen.length, sockets.size]).toEqual([200, 1])
      })

      it("A4: answers ten pipelined requests in order", async () => {
        const { port } = await startProgram()
        const { address } = await openServer({ expose: `${port}` })
        const paths = Array.from({ length: 10 }, (_, index) => `/${index}`)
        const got = await raw(address!, paths.map((path) => head(path)).join(""))
        expect(got.match(/GET \/\d/g)).toEqual(paths.map((path) => `GET ${path}`))
      })

      it("A5: switches protocols, says who asks, and carries a mebibyte both ways", async () => {
        const { port } = await startProgram()
        const { address } = await openServer({ expose: `${port}` })
        const visitor = await openVisitor()
        const stream = await visitor.connect(address!, { signal: scope.signal })
        stream.on("error", () => {})
        const chunks: Buffer[] = []
        stream.on("data", (chunk: Buffer) => chunks.push(chunk))
        const forged = "X-I2P-DestB32: forged\r\n"
        stream.write(head("/socket", `Connection: Upgrade\r\nUpgrade: echo\r\n${forged}`))
        await expect.poll(() => Buffer.concat(chunks).includes(".b32.i2p\n")).toBe(true)
        const bytes = randomBytes(2 ** 20)
        stream.write(bytes)
        await expect.poll(() => Buffer.concat(chunks).includes(bytes.subarray(-64))).toBe(true)
        const text = Buffer.concat(chunks)
        expect(text.subarray(0, 12).toString()).toBe("HTTP/1.1 101")
        expect(text.includes(`${visitor.destination.b32}\n`)).toBe(true)
        expect(text.subarray(-bytes.length).equals(bytes)).toBe(true)
      })

      it("A5: passes a refusal to switch with its body", async () => {
        const { port } = await startProgram()
        const { address } = await openServer({ expose: `${port}` })
        const got = await raw(address!, head("/none", "Connection: Upgrade\r\nUpgrade: echo\r\n"))
        expect(got).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n[\s\S]*\r\n\r\nno$/)
      })

      it("A6: passes events one by one", async () => {
        const { port } = await startProgram()
        const { address } = await openServer({ expose: `${port}` })
        const agent = agentOf(await openVisitor(), address!)
        const request = openRequest({ agent, host: "site", path: "/events" }).end()
        const [response] = (await once(request, "response")) as [IncomingMessage]
        const times: number[] = []
        response.on("data", () => times.push(performance.now()))
        await once(response, "end")
        expect(times.length).toBeGreaterThanOrEqual(3)
        expect(times[2]! - times[0]!).toBeGreaterThan(180) // 60 % of two intervals
      })

      it("A7: passes chunked uploads with trailers, and answers with trailers", async () => {
        const { port, seen } = await startProgram()
        const { address } = await openServer({ expose: `${port}` })
        const agent = agentOf(await openVisitor(), address!)
        const request = openRequest({
          ...{ agent, host: "site", path: "/up", method: "PUT" },
          headers: { "Transfer-Encoding": "chunked", Trailer: "X-Check" },
        })
        request.write(big)
        request.addTrailers([
          ["X-Check", "sum"],
          ["X-I2P-DestB32", "forged"],
          ["X_I2P_DestB32", "forged"],
        ] as never)
        request.end()
        const [response] = (await once(request, "response")) as [IncomingMessage]
        expect((await buffer(response)).toString()).toBe(`PUT /up ${sha256(big)}`)
        expect(seen[0]?.trailers).toEqual({ "x-check": "sum" })
        const { trailers, body } = await ask(agent, "/trailers")
        expect([body.toString(), trailers]).toEqual(["x", { "x-sum": "1" }])
      })

      it("A7: lets the program say go on, or no, before the body comes", async () => {
        const { port } = await startProgram()
        const { address } = await openServer({ expose: `${port}` })
        const put = (path: string) =>
          `PUT ${path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`
        expect(await raw(address!, put("/up"), 300)).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
        expect(await raw(address!, put("/too-large"), 300)).toMatch(/^HTTP\/1\.1 413 /)
      })

      it("A14: frees the program of fifty slow readers, and serves ten others meanwhile", async () => {
        const { port, sockets } = await startProgram()
        const { address } = await openServer({ expose: `${port}`, connectionsPerPeer: 64 })
        const visitors = [await openVisitor(), await openVisitor()]
        const slow: SamStream[] = []
        for (let index = 0; index < 50; index++) {
          const stream = await visitors[index % 2]!.connect(address!, { signal: scope.signal })
          stream.on("error", () => {})
          stream.write(head("/big"))
          slow.push(stream) // nobody reads it
        }
        const agent = agentOf(await openVisitor(), address!)
        const normal = await Promise.all(Array.from({ length: 10 }, () => ask(agent, "/big")))
        expect(normal.map(({ body }) => sha256(body))).toEqual(Array(10).fill(sha256(big)))
        // Each answer was read ahead, so its connection waits for the next request.
        await expect.poll(() => ask(agent, "/last").then(({ status }) => status)).toBe(200)
        expect(sockets.size).toBeLessThanOrEqual(61)
        const [first] = slow
        let got = 0
        first!.on("data", (chunk: Buffer) => {
          got += chunk.length
        })
        await expect.poll(() => got, { timeout: 5_000 }).toBeGreaterThan(big.length)
      })

      it("serves 200 connections at once", async () => {
        const { port } = await startProgram()
        const { address, counters } = await openServer({
          expose: `${port}`,
          connectionsPerPeer: 256,
        })
        const agents = await Promise.all(
          Array.from({ length: 8 }, async () => agentOf(await openVisitor(), address!, 25)),
        )
        const askAll = (agent: StreamAgent) =>
          Promise.all(Array.from({ length: 25 }, (_, index) => ask(agent, `/${index}`)))
        for (const agent of agents) await askAll(agent) // a router takes so many new streams at once
        const all = await Promise.all(agents.map(askAll))
        const { connections, requests } = counters()
        expect(requests).toBe(400)
        expect(connections).toBeGreaterThanOrEqual(200) // on a busy machine some are not kept so long
        expect(all.flat().every(({ status }) => status === 200)).toBe(true)
      })

      const FORGED = [
        "X-I2P-DestB32: forged",
        "x-i2p-destb32:forged",
        "X_I2P_DestB32: forged",
        "X-I2P_DESTHASH: forged",
        "X-I2P-DestB64: forged",
        "X.I2P.DestB32: forged",
        "X-Forwarded-For: forged",
        "X-Real-IP: forged",
      ].join("\r\n")

      it("B1: tells the truth about every request: the first, pipelined ones, those behind a body", async () => {
        const { port, seen } = await startProgram()
        const { address } = await openServer({ expose: `${port}` })
        const visitor = await openVisitor()
        const post = `POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n${FORGED}\r\n\r\nhello`
        const nominated = "Connection: keep-alive, X-I2P-DestB32, X-I2P-DestHash\r\n"
        const all = [head("/1", `${FORGED}\r\n`), post, head("/2", `${nominated}${FORGED}\r\n`)]
        await raw(address!, all.join(""), 700, visitor)
        expect(seen.map(({ url }) => url)).toEqual(["/1", "/p", "/2"])
        for (const { headers, raw: fields } of seen) {
          expect(headers).toMatchObject({
            "x-i2p-destb32": visitor.destination.b32,
            "x-i2p-destb64": visitor.destination.base64,
            host: address,
          })
          expect(fields.join()).not.toContain("forged")
        }
      })

      it("B1: does so after 100-continue and after a refused upgrade", async () => {
        const { port, seen } = await startProgram()
        const { address } = await openServer({ expose: `${port}` })
        const agent = agentOf(await openVisitor(), address!)
        const headers = { Expect: "100-continue", "X-I2P-DestB32": "forged" }
        const body = Buffer.from("hello")
        await ask(agent, "/a", {
          method: "PUT",
          headers: { ...headers, "Content-Length": 5 },
          body,
        })
        const switching = `Connection: Upgrade\r\nUpgrade: echo\r\n${FORGED}\r\n`
        await raw(address!, head("/none", switching) + head("/b", `${FORGED}\r\n`))
        expect(seen.map(({ url }) => url)).toEqual(["/a"]) // behind a refusal the stream ends
        expect(JSON.stringify(seen[0]?.raw)).not.toContain("forged")
      })

      const CHUNKED = "Transfer-Encoding: chunked"
      it.each([
        [
          "length and chunks",
          `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n${CHUNKED}\r\n\r\n0\r\n\r\n`,
        ],
        [
          "two lengths",
          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        ],
        ["a list of lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4, 4\r\n\r\nabcd"],
        ["a length with a sign", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd"],
        ["a negative length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -4\r\n\r\n"],
        [
          "an unknown coding",
          "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        ],
        ["two codings", `POST / HTTP/1.1\r\nHost: x\r\n${CHUNKED}, identity\r\n\r\n0\r\n\r\n`],
        ["chunks of HTTP/1.0", `POST / HTTP/1.0\r\nHost: x\r\n${CHUNKED}\r\n\r\n0\r\n\r\n`],
        ["a bare line feed", "GET / HTTP/1.1\nHost: x\n\n"],
        ["a bare carriage return", "GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n"],
        ["NUL in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n"],
        ["a folded line", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"],
        ["a space before the colon", "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n"],
        ["two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"],
        ["no host", "GET / HTTP/1.1\r\n\r\n"],
        ["HTTP/0.9", "GET /\r\n\r\n"],
        ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
        ["a path that is none", "GET x:/y HTTP/1.1\r\nHost: x\r\n\r\n"],
      ])("B2: refuses %s with 400, and nothing of it reaches the program", async (_what, text) => {
        const { port, seen } = await startProgram()
        const { address } = await openServer({ expose: `${port}` })
        const got = await raw(address!, text)
        expect(got).toMatch(/^HTTP\/1\.1 400 /)
        expect(got.match(/^HTTP\/1\.1 /gm)).toHaveLength(1)
        expect(seen).toEqual([])
      })

      it("B2: refuses a chunk whose size overflows, and an endless extension", async () => {
        const { port, seen } = await startProgram()
        const { address } = await openServer({ expose: `${port}` })
        const post = `POST / HTTP/1.1\r\nHost: x\r\n${CHUNKED}\r\n\r\n`
        expect(await raw(address!, `${post}FFFFFFFFFFFFFFFFFF\r\n`)).toMatch(/^HTTP\/1\.1 400 /)
        await raw(address!, `${post}5;${"x".repeat(2 ** 20)}\r\nhello\r\n0\r\n\r\n`)
        expect(seen.every(({ body }) => body.length === 0)).toBe(true)
      })

      /** A program that answers every connection with these bytes. */
      async function startLiar(answer: string): Promise<string> {
        const liar = createTcpServer((socket) => {
          socket.on("error", () => {})
          socket.once("data", () => socket.end(Buffer.from(answer, "latin1")))
        })
        liar.listen(0, "127.0.0.1")
        await once(liar, "listening")
        scope.defer(() => liar.close())
        return `${(liar.address() as AddressInfo).port}`
      }

      it.each([
        ["a head of 10 MB", `HTTP/1.1 200 OK\r\nA: ${"x".repeat(10 * 2 ** 20)}\r\n\r\n`],
        ["101 fields", `HTTP/1.1 200 OK\r\n${"A: b\r\n".repeat(101)}\r\n`],
        ["endless 1xx", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100)],
        [
          "a switch nobody asked for",
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        ],
        [
          "length and chunks",
          `HTTP/1.1 200 OK\r\nContent-Length: 1\r\n${CHUNKED}\r\n\r\n0\r\n\r\n`,
        ],
        ["no HTTP", "SSH-2.0-OpenSSH_9\r\n"],
        ["nothing", ""],
      ])(
        "B3: answers 502 when the program says %s, and tells nothing of it",
        async (_what, answer) => {
          const { address } = await openServer({ expose: await startLiar(answer) })
          const agent = agentOf(await openVisitor(), address!)
          const { status, headers, body } = await ask(agent, "/")
          expect(status).toBe(502)
          expect(body.toString()).not.toMatch(/127\.0\.0\.1|ECONN|SSH/)
          expect(headers).not.toHaveProperty("date")
        },
      )

      it("B3: cuts an answer that is shorter than announced, so that nobody takes it for whole", async () => {
        const liar = await startLiar("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
        const { address } = await openServer({ expose: liar })
        await expect(ask(agentOf(await openVisitor(), address!), "/")).rejects.toThrow()
      })

      it("B5: makes no connection to the program before a head is whole", async () => {
        const { port, sockets } = await startProgram()
        const { address } = await openServer({ expose: `${port}`, connectionsPerPeer: 200 })
        const visitor = await openVisitor()
        for (let index = 0; index < 100; index++) {
          const stream = await visitor.connect(address!, { signal: scope.signal })
          stream.on("error", () => {})
          stream.write("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        }
        await wait(100)
        expect(sockets.size).toBe(0)
        const { status } = await ask(agentOf(await openVisitor(), address!), "/")
        expect(status).toBe(200)
      })

      it("B6: answers 429 beyond the rate, with when to come again, and other visitors as before", async () => {
        const { port, seen } = await startProgram()
        const { address } = await openServer({ expose: `${port}`, requestRate: "5/100" })
        const agent = agentOf(await openVisitor(), address!)
        const flood: Answer[] = []
        for (let index = 0; index < 8; index++) flood.push(await ask(agent, "/"))
        expect(flood.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429, 429, 429])
        expect(Number(flood[5]?.headers["retry-after"])).toBeGreaterThan(15)
        expect((await ask(agentOf(await openVisitor(), address!), "/")).status).toBe(200)
        expect(seen).toHaveLength(6)
      })

      it("A18: bans who posts too often, from reading too", async () => {
        const { port } = await startProgram()
        const { address } = await openServer({
          expose: `${port}`,
          postRate: "2/300",
          postBanSeconds: 60,
        })
        const agent = agentOf(await openVisitor(), address!)
        const post = () => ask(agent, "/", { method: "POST", body: Buffer.from("x") })
        const answers = [await post(), await post(), await post(), await ask(agent, "/")]
        expect(answers.map(({ status }) => status)).toEqual([200, 200, 429, 429])
      })

      it("A18: lets nobody near the program who is denied", async () => {
        const { port, sockets } = await startProgram()
        const visitor = await openVisitor()
        const { address } = await openServer({ expose: `${port}`, deny: [visitor.destination.b32] })
        expect(await raw(address!, head("/"), 500, visitor)).toBe("")
        expect(sockets.size).toBe(0)
      })

      it("tells who has too many streams why, with a page", async () => {
        const { port } = await startProgram()
        const { address } = await openServer({ expose: `${port}`, connectionsPerPeer: 1 })
        const visitor = await openVisitor()
        const first = await visitor.connect(address!, { signal: scope.signal })
        first.on("error", () => {}).resume()
        first.write(head("/"))
        await once(first, "data")
        expect(await raw(address!, head("/"), 500, visitor)).toMatch(/^HTTP\/1\.1 429 /)
      })

      it("B14: shows nothing of the machine, wherever the program says it", async () => {
        const { port } = await startProgram()
        const { address } = await openServer({ expose: `${port}` })
        const { status, headers } = await ask(agentOf(await openVisitor(), address!), "/moved")
        expect([status, headers.location, headers["set-cookie"]]).toEqual([
          302,
          "/there",
          ["a=1", "b=2"],
        ])
        for (const name of ["server", "x-powered-by", "date", "via"])
          expect(headers).not.toHaveProperty(name)
      })

      it("answers 413, 414, 431 and 503 itself, without a word of the machine", async () => {
        const { port, seen } = await startProgram()
        const { address } = await openServer({ expose: `${port}`, bodyMib: 1, headKib: 32 })
        const agent = agentOf(await openVisitor(), address!)
        const post = await raw(
          address!,
          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n",
        )
        expect(post).toMatch(/^HTTP\/1\.1 413 [\s\S]*Connection: close/)
        const chunked = ask(agent, "/", {
          method: "PUT",
          headers: { "Transfer-Encoding": "chunked" },
          body: big,
        })
        expect((await chunked).status).toBe(413)
        expect((await ask(agent, `/${"x".repeat(9_000)}`)).status).toBe(414)
        expect(await raw(address!, head("/", `A: ${"x".repeat(40_000)}\r\n`))).toMatch(
          /^HTTP\/1\.1 431 /,
        )
        expect(await raw(address!, head("/", "A: b\r\n".repeat(101)))).toMatch(/^HTTP\/1\.1 431 /)
        expect(seen.filter(({ body }) => body.length > 2 ** 20)).toEqual([])
        const down = await openServer({ expose: "1" })
        const answer = await raw(down.address!, head("/", "Accept: text/html\r\n"))
        expect(answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*default-src 'none'/)
        expect(answer).not.toMatch(/127\.0\.0\.1|ECONNREFUSED|^(?:date|server):/im)
      })

      it("refuses gateways, foreign links and programs where that was asked for", async () => {
        const { port } = await startProgram()
        const { address } = await openServer({
          ...{ expose: `${port}`, refuseInproxy: true, refuseReferer: true },
          refuseUserAgent: ["Bot", "none"],
        })
        const agent = agentOf(await openVisitor(), address!)
        const status = async (headers: Record<string, string>) =>
          (await ask(agent, "/", { headers: { "User-Agent": "curl", ...headers } })).status
        expect(await status({})).toBe(200)
        expect(await status({ "X-Forwarded-For": "1.2.3.4" })).toBe(403)
        expect(await status({ Referer: "http://other.i2p/" })).toBe(403)
        expect(await status({ Referer: "/page" })).toBe(200)
        expect(await status({ "User-Agent": "GoodBot/1" })).toBe(403)
        expect(await status({ "User-Agent": "" })).toBe(403)
      })

      it("keeps a connection for each visitor when the program is told who asks on it", async () => {
        const lines: string[] = []
        const program = createTcpServer((socket) => {
          socket.on("error", () => {})
          let text = ""
          socket.on("data", (chunk: Buffer) => {
            text += chunk.toString("latin1")
            for (let at = text.indexOf("\r\n\r\n"); at >= 0; at = text.indexOf("\r\n\r\n")) {
              lines.push(text.slice(0, at).split("\r\n", 1)[0]!)
              text = text.slice(at + 4)
              socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            }
          })
        })
        program.listen(0, "127.0.0.1")
        await once(program, "listening")
        scope.defer(() => program.close())
        const expose = `${(program.address() as AddressInfo).port}`
        const { address } = await openServer({ expose, clientAddress: "proxy-v1" })
        const one = agentOf(await openVisitor(), address!)
        const other = agentOf(await openVisitor(), address!)
        for (const agent of [one, one, other]) expect((await ask(agent, "/")).status).toBe(200)
        expect(lines.map((line) => line.slice(0, 14))).toEqual(
          ["PROXY TCP6 fd", "GET / HTTP/1.1", "PROXY TCP6 fd"].map((line, index) =>
            index === 1 ? line : expect.stringContaining(line),
          ),
        )
        expect(new Set(lines.filter((line) => line.startsWith("PROXY"))).size).toBe(2)
      })
    })
  })
}

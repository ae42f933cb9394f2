import { once } from "node:events"
import {
  Agent,
  createServer,
  type IncomingMessage,
  request as openRequest,
  type Server,
} from "node:http"
import { buffer } from "node:stream/consumers"
import { setTimeout as wait } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { fuzzRuns } from "../../support/fuzz.ts"
import { GET, OK, type RawSite, readUntil, Stage, type StagedProxy } from "./proxy-stage.ts"

describe("http-proxy: messages", () => {
  const stage = new Stage()
  let proxy: StagedProxy
  let site: RawSite
  let server: Server
  const seen: { url: string; fields: string[]; body: Buffer; trailers: string[] }[] = []

  beforeAll(async () => {
    await stage.open()
    server = createServer(async (request, response) => {
      const { url = "" } = request
      const body = await buffer(request).catch(() => Buffer.alloc(0))
      seen.push({ url, fields: request.rawHeaders, body, trailers: request.rawTrailers })
      if (url === "/slow") await wait(150)
      if (url === "/none") return void response.writeHead(204).end()
      if (url === "/same") return void response.writeHead(304, { ETag: '"a"' }).end()
      if (url === "/ranges")
        return void response
          .writeHead(206, { "Content-Type": "multipart/byteranges; boundary=x" })
          .end("--x\r\nContent-Range: bytes 0-0/9\r\n\r\na\r\n--x--\r\n")
      response.end(`${url} ${body}`)
    })
    server.keepAliveTimeout = 60_000
    site = await stage.served(server)
    proxy = await stage.proxy()
  })
  afterAll(() => stage.close())

  /** One request by Node's own client, over `agent`. */
  async function ask(agent: Agent, path: string): Promise<string> {
    const url = `http://${site.b32}${path}`
    const options = {
      host: "127.0.0.1",
      port: proxy.port,
      path: url,
      agent,
      headers: { Host: site.b32 },
    }
    const sent = openRequest(options).end()
    const [answer] = (await once(sent, "response")) as [IncomingMessage]
    return (await buffer(answer)).toString()
  }

  it("A1: an HTTP/1.0 program gets its answer up to the end of the connection", async () => {
    const text = `GET http://${site.b32}/old HTTP/1.0\r\n\r\n`
    const answer = await stage.raw(proxy, text)
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(answer).toMatch(/\r\n\r\n\/old $/)
    expect(answer).not.toMatch(/transfer-encoding/i)
  })

  it.each([
    ["HEAD", "/head", /^HTTP\/1\.1 200 [\s\S]*\r\n\r\nHTTP\/1\.1 200 /],
    ["GET", "/none", /^HTTP\/1\.1 204 [\s\S]*\r\n\r\nHTTP\/1\.1 200 /],
    ["GET", "/same", /^HTTP\/1\.1 304 [\s\S]*ETag: "a"[\s\S]*\r\n\r\nHTTP\/1\.1 200 /],
  ])(
    "A1: the answer to %s %s has no body, and the next one follows it",
    async (method, path, both) => {
      const text = GET(site.b32, path, "", method) + GET(site.b32, "/next")
      const answer = await stage.raw(proxy, text, /\/next /)
      expect(answer).toMatch(both)
      expect(answer.split("\r\n\r\n")[0]).not.toMatch(/transfer-encoding/i)
    },
  )

  it("A1: several ranges pass as they are", async () => {
    const answer = await stage.raw(
      proxy,
      GET(site.b32, "/ranges", "Range: bytes=0-0,2-2\r\n"),
      /--x--/,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 206 [\s\S]*multipart\/byteranges; boundary=x/)
    expect(seen.at(-1)!.fields).toContain("bytes=0-0,2-2")
  })

  it("A4: hundreds of requests on one connection are one stream", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const before = site.streams.length
    for (let number = 0; number < fuzzRuns(200); number++)
      if ((await ask(agent, `/${number}`)) !== `/${number} `) throw new Error("wrong answer")
    agent.destroy()
    expect(site.streams.length - before).toBeLessThanOrEqual(1)
  })

  it("A4: ten pipelined requests are served one after another, and answered in order", async () => {
    const before = seen.length
    const paths = ["/slow", ...Array.from({ length: 9 }, (_, index) => `/p${index}`)]
    const answer = await stage.raw(
      proxy,
      paths.map((path) => GET(site.b32, path)).join(""),
      /\/p8 /,
    )
    const bodies = [...answer.matchAll(/\r\n\r\n[\s\S]*?(\/\w+) /g)].map(([, path]) => path)
    expect(bodies).toEqual(paths)
    expect(seen.slice(before).map(({ url }) => url)).toEqual(paths)
  })

  it("A4: whoever pipelines a CONNECT behind a request is let go", async () => {
    const connect = `CONNECT ${site.b32}:80 HTTP/1.1\r\nHost: ${site.b32}:80\r\n\r\n`
    const answer = await stage.raw(proxy, GET(site.b32, "/slow") + connect)
    expect(answer).not.toContain("established")
  })

  it("A7: chunks and trailers go up as they came", async () => {
    const head = GET(site.b32, "/up", "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n", "POST")
    const body =
      "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Sum: 11\r\nX-I2P-DestB32: forged\r\n\r\n"
    expect(await stage.raw(proxy, head + body, /hello world/)).toMatch(/^HTTP\/1\.1 200 /)
    expect(seen.at(-1)!.trailers).toEqual(["X-Sum", "11"])
  })

  it("A7: an upload that is refused half-way is answered, and the rest is not sent on", async () => {
    let received = 0
    const refusing = await stage.site((stream) => {
      let answered = false
      stream.on("data", (chunk: Buffer) => {
        received += chunk.length
        if (!answered && received > 100_000)
          answered = stream.write("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno") || true
      })
    })
    const size = 32 * 2 ** 20
    const socket = await stage.client(proxy)
    const answer = readUntil(socket, /HTTP\/1\.1 200 /)
    socket.write(GET(refusing.b32, "/", `Content-Length: ${size}\r\n`, "POST"))
    for (let sent = 0; sent < size; sent += 2 ** 20)
      if (!socket.write(Buffer.alloc(2 ** 20))) await once(socket, "drain")
    socket.write(GET(site.b32, "/after"))
    expect(await answer).toMatch(/^HTTP\/1\.1 413 [\s\S]*\r\n\r\nnoHTTP\/1\.1 200 /)
    expect(received).toBeLessThan(size / 2)
  })

  it("A8: a program that ends its side after the request gets the whole answer", async () => {
    const socket = await stage.client(proxy)
    socket.end(GET(site.b32, "/slow", "Connection: close\r\n"))
    expect(await readUntil(socket, /$^/)).toMatch(/\r\n\r\n[\s\S]*\/slow /)
  })

  it("A13: 200 requests at once are all answered", async () => {
    const agent = new Agent({ keepAlive: true })
    const paths = Array.from({ length: 200 }, (_, index) => `/c${index}`)
    const answers = await Promise.all(paths.map((path) => ask(agent, path)))
    agent.destroy()
    expect(answers).toEqual(paths.map((path) => `${path} `))
  })

  it("waits for a site that is just starting", async () => {
    const session = stage.network.open()
    const { b32 } = session.destination
    await session.ready({ signal: stage.scope.signal })
    await session[Symbol.asyncDispose]()
    const answer = stage.raw(proxy, GET(b32), /late/)
    await wait(200)
    const late = await stage.site(
      (stream) => stream.on("data", () => stream.write(OK("late"))),
      stage.scope.use(stage.network.open(session.destination)),
    )
    expect([late.b32, await answer]).toEqual([b32, expect.stringMatching(/^HTTP\/1\.1 200 /)])
  })

  it("asks a second time beside a new stream that stays silent, for what changes nothing", async () => {
    const hasty = await stage.proxy({ limits: { secondMs: 100 } })
    const mute = await stage.site((stream, index) => {
      stream.on("data", () => index > 0 && stream.write(OK("second")))
    })
    expect(await stage.raw(hasty, GET(mute.b32), /second/)).toMatch(/^HTTP\/1\.1 200 /)
    expect(mute.streams).toHaveLength(2)
    const post = await stage.site((stream) => stream.resume())
    const impatient = await stage.proxy({ limits: { secondMs: 100, answerMs: 400 } })
    const body = GET(post.b32, "/", "Content-Length: 2\r\n", "POST")
    expect(await stage.raw(impatient, `${body}hi`, /504/)).toMatch(/^HTTP\/1\.1 504 /)
    expect(post.streams).toHaveLength(1)
  })

  it("asks once more on a new stream when a kept one turns out to be closed, but posts only once", async () => {
    const closing = await stage.site((stream) => {
      let requests = 0
      stream.on("data", () => (++requests === 1 ? stream.write(OK("one")) : stream.end()))
    })
    expect(await stage.raw(proxy, GET(closing.b32), /one/)).toMatch(/ 200 /)
    expect(await stage.raw(proxy, GET(closing.b32), /one/)).toMatch(/ 200 /)
    expect(closing.streams).toHaveLength(2)
    expect(await stage.raw(proxy, GET(closing.b32), /one/)).toMatch(/ 200 /)
    const body = GET(closing.b32, "/", "Content-Length: 2\r\n", "POST")
    expect(await stage.raw(proxy, `${body}hi`, /BAD_ANSWER/)).toMatch(/ 502 /)
    expect(closing.streams).toHaveLength(3)
  })

  it("A5: a refused upgrade is passed on with its body, and nothing after it is served", async () => {
    const refusing = await stage.answering("HTTP/1.1 403 No\r\nContent-Length: 6\r\n\r\nsorry!")
    const head = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    const answer = await stage.raw(
      proxy,
      GET(refusing.b32, "/ws", head) + GET(site.b32, "/smuggled"),
    )
    expect(answer).toMatch(/^HTTP\/1\.1 403 [\s\S]*\r\n\r\nsorry!$/)
    expect(seen.some(({ url }) => url === "/smuggled")).toBe(false)
  })

  it("A5: a WebSocket carries a megabyte both ways", async () => {
    const echo = await stage.site((stream) => {
      stream.once("data", () => {
        stream.write("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n")
        stream.pipe(stream)
      })
    })
    const socket = await stage.client(proxy)
    socket.write(GET(echo.b32, "/ws", "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"))
    const [head] = (await once(socket, "data")) as [Buffer]
    expect(head.toString()).toMatch(/^HTTP\/1\.1 101 /)
    const sent = Buffer.alloc(2 ** 20, "abcdefg")
    socket.write(sent)
    const got: Buffer[] = []
    let count = 0
    for await (const chunk of socket.iterator({
      destroyOnReturn: false,
    }) as AsyncIterable<Buffer>) {
      got.push(chunk)
      count += chunk.length
      if (count >= sent.length) break
    }
    socket.destroy()
    expect(Buffer.concat(got).equals(sent)).toBe(true)
  })

  it("A5: other protocols may be switched to, but HTTP/2 is answered in HTTP/1.1", async () => {
    const switching = await stage.answering(
      "HTTP/1.1 101 Ok\r\nConnection: Upgrade\r\nUpgrade: tunnel/1\r\n\r\nhello",
    )
    const head = "Connection: Upgrade\r\nUpgrade: tunnel/1\r\n"
    expect(await stage.raw(proxy, GET(switching.b32, "/", head), /hello/)).toMatch(
      / 101 [\s\S]*hello$/,
    )
    const h2 = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    const answer = await stage.raw(proxy, GET(site.b32, "/h2", h2))
    expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*Connection: close[\s\S]*\/h2 /)
    expect(seen.at(-1)!.fields.join()).not.toMatch(/h2c|upgrade|http2/i)
  })

  it("a cut answer is a reset for who takes the end of the connection for the end of it", async () => {
    const cut = await stage.site((stream) => {
      stream.once("data", () => {
        stream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        setTimeout(() => stream.end(), 100)
      })
    })
    const socket = await stage.client(proxy)
    socket.write(`GET http://${cut.b32}/ HTTP/1.0\r\n\r\n`)
    await expect(buffer(socket)).rejects.toMatchObject({ code: "ECONNRESET" })
  })

  it("counts what it did", async () => {
    const own = await stage.proxy()
    await stage.raw(own, GET(site.b32, "/count"), /count/)
    await stage.raw(own, GET("nobody.i2p"), /404/)
    expect(own.counters()).toMatchObject({ requests: 2, "failed.NAME_NOT_FOUND": 1, sessions: 1 })
    expect(own.counters().bytesIn).toBeGreaterThan(50)
  })
})

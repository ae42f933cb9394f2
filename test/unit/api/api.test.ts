import { once } from "node:events"
import { mkdir, rename, stat, writeFile } from "node:fs/promises"
import { connect, createServer, type Socket } from "node:net"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { setTimeout as wait } from "node:timers/promises"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { z } from "zod"
import { openApi } from "../../../src/api/api.ts"
import { BODY_BYTES_MAX, EMBEDDED_BANNER } from "../../../src/api/protocol.ts"
import { FrameReader } from "../../../src/api/sse.ts"
import { systemClock } from "../../../src/base/clock.ts"
import { openLog } from "../../../src/base/log.ts"
import { openSampleApi } from "../../contract/api/sample-api.ts"

const ECHO = { path: "/v1/note/echo", body: `{"text":"hi"}` }
const codeOf = (reply: { body: string }) => JSON.parse(reply.body).error.code as string

/** Speaks HTTP by hand. */
async function dial(socketPath: string, ...pieces: string[]): Promise<Socket> {
  const socket = connect({ path: socketPath })
  await once(socket, "connect")
  for (const piece of pieces) socket.write(piece)
  return socket
}

/** The machine may be busy. */
const PATIENT = { timeout: 5_000 }

describe("B10: openApi() on loopback", () => {
  it.each([
    ["a rebound name", { host: "evil.example" }, 421],
    ["0.0.0.0", { host: "0.0.0.0:80" }, 421],
    ["another origin", { origin: "https://evil.example" }, 403],
    ["a page without origin", { origin: "null" }, 403],
    ["a cross-site fetch", { "sec-fetch-site": "cross-site" }, 403],
    ["a form", { "content-type": "application/x-www-form-urlencoded" }, 415],
    ["a wrong token", { authorization: "Bearer wrong" }, 401],
    ["no token", { authorization: "" }, 401],
    [
      "a web socket from another page",
      { connection: "Upgrade", upgrade: "websocket", origin: "https://evil.example" },
      403,
    ],
    [
      "events for another page",
      { accept: "text/event-stream", origin: "https://evil.example" },
      403,
    ],
  ])("turns away %s", async (_, headers, status) => {
    await using sample = await openSampleApi()
    const reply = await sample.ask("loopback", { ...ECHO, headers })
    expect(reply.status).toBe(status)
    expect(reply.body).not.toContain("hi")
    expect(Object.keys(reply.headers).filter((name) => name.startsWith("access-control"))).toEqual(
      [],
    )
  })

  it("answers a preflight of another page with no permission", async () => {
    await using sample = await openSampleApi()
    const headers = { origin: "https://evil.example", "access-control-request-method": "POST" }
    const reply = await sample.ask("loopback", { ...ECHO, method: "OPTIONS", headers })
    expect(reply.status).toBe(403)
    expect(reply.headers["access-control-allow-origin"]).toBeUndefined()
  })

  it("slows down who guesses, but not the socket", async () => {
    await using sample = await openSampleApi()
    const statuses: number[] = []
    for (let n = 0; n < 100; n++) {
      const headers = { authorization: `Bearer wrong${n}` }
      statuses.push((await sample.ask("loopback", { ...ECHO, headers })).status)
    }
    expect(statuses.filter((status) => status === 401).length).toBeLessThan(15)
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(85)
    expect((await sample.ask("loopback", ECHO)).status).toBe(429)
    expect((await sample.ask("socket", ECHO)).status).toBe(200)
  })

  it("stays closed unless asked for, and says so when its port is taken", async () => {
    await using closed = await openSampleApi({ port: undefined })
    expect(closed.api.port).toBeUndefined()
    await using first = await openSampleApi()
    await expect(openSampleApi({ port: first.api.port })).rejects.toMatchObject({
      code: "PORT_TAKEN",
    })
  })
})

describe("openApi()", () => {
  it("sets the security headers on every answer", async () => {
    await using sample = await openSampleApi()
    for (const path of ["/v1", "/v1/note/echo", "/nowhere"]) {
      const { headers } = await sample.ask("loopback", { path, method: "GET" })
      expect(headers).toMatchObject({
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "content-security-policy": expect.stringContaining("default-src 'none'"),
        "cross-origin-resource-policy": "same-origin",
      })
    }
  })

  it.each([
    ["GET", "/v1/note/echo", 405, "METHOD_NOT_ALLOWED"],
    ["DELETE", "/v1", 405, "METHOD_NOT_ALLOWED"],
    ["POST", "/v1/events", 404, "UNKNOWN_VERB"],
    ["POST", "/v1/note", 404, "UNKNOWN_VERB"],
    ["POST", "/v1/note/echo/", 404, "UNKNOWN_VERB"],
    ["POST", "/v1/../v1/note/echo", 404, "NOT_FOUND"],
    ["POST", "/v1/note%2Fecho", 404, "NOT_FOUND"],
    ["POST", "http://evil.example/v1/note/echo", 404, "NOT_FOUND"],
    ["GET", "/", 404, "NOT_FOUND"],
    ["GET", `/v1/events?names=${"a,".repeat(65)}`, 400, "BAD_INPUT"],
  ])("answers %s %.40s with %i", async (method, path, status, code) => {
    await using sample = await openSampleApi()
    const reply = await sample.ask("socket", { method, path })
    expect([reply.status, codeOf(reply)]).toEqual([status, code])
  })

  it("says on every answer that the network is embedded", async () => {
    await using sample = await openSampleApi({ banner: () => EMBEDDED_BANNER })
    const listing = await sample.ask("socket", { method: "GET", path: "/v1" })
    expect(JSON.parse(listing.body)).toMatchObject({ network: "embedded", banner: EMBEDDED_BANNER })
    for (const ask of [
      ECHO,
      { ...ECHO, headers: { accept: "text/event-stream" } },
      { path: "/no" },
    ])
      expect((await sample.ask("socket", ask)).headers["allium-network"]).toBe(
        "embedded (NOT ANONYMOUS)",
      )
    await using real = await openSampleApi()
    expect((await real.ask("socket", ECHO)).headers["allium-network"]).toBeUndefined()
  })

  it("hides what nobody expected, from the caller and from the log", async () => {
    const lines: string[] = []
    const log = openLog({ level: "debug", now: Date.now, write: (line) => lines.push(line) })
    await using sample = await openSampleApi({ log })
    const reply = await sample.ask("socket", { path: "/v1/note/fail", body: `{"how":"fault"}` })
    expect([reply.status, codeOf(reply)]).toEqual([500, "INTERNAL"])
    expect(`${reply.body}${lines.join()}`).not.toContain("secret detail")
    expect(lines.join()).toMatch(/"event":"fault","fault":"Error","where":"sample-offers.ts:\d+"/)
  })

  it("refuses more requests than it can run", async () => {
    await using sample = await openSampleApi({ limits: { runningMax: 2 } })
    const stop = new AbortController()
    const waiting = [1, 2].map(() =>
      sample.ask("socket", { path: "/v1/note/hang", signal: stop.signal }),
    )
    await expect.poll(() => sample.ask("socket", ECHO), PATIENT).toMatchObject({ status: 503 })
    stop.abort()
    await Promise.allSettled(waiting)
    await expect.poll(() => sample.seen.left, PATIENT).toBe(2)
    expect((await sample.ask("socket", ECHO)).status).toBe(200)
  })

  it.each([
    ["a document", {}],
    ["events", { accept: "text/event-stream" }],
  ])("ends the run when the caller who wants %s goes away", async (_, headers) => {
    await using sample = await openSampleApi()
    const stop = new AbortController()
    const waiting = sample.ask("socket", { path: "/v1/note/hang", headers, signal: stop.signal })
    await sample.seen.hanging
    stop.abort()
    await expect(waiting).rejects.toMatchObject({ name: "AbortError" })
    await expect.poll(() => sample.seen.left, PATIENT).toBe(1)
  })

  it("ends what runs when it closes, and takes its socket away", async () => {
    const sample = await openSampleApi()
    const waiting = sample.ask("socket", { path: "/v1/note/hang" })
    const listening = await sample.start("socket", { method: "GET", path: "/v1/events" })
    await sample.seen.hanging
    await sample[Symbol.asyncDispose]()
    expect(codeOf(await waiting)).toBe("ABORTED")
    expect(await text(listening)).toBe("")
    await expect(stat(sample.socketPath)).rejects.toMatchObject({ code: "ENOENT" })
  })
})

describe("openApi() and bodies", () => {
  it.each([
    ["no JSON", "{", "BAD_REQUEST"],
    ["no UTF-8", Buffer.from([0x22, 0xff, 0x22]), "BAD_REQUEST"],
    ["brackets without end", "[".repeat(500_000), "BAD_REQUEST"],
    ["brackets to the bottom", "[".repeat(500_000) + "]".repeat(500_000), "BAD_INPUT"],
    ["a bare null", "null", "BAD_INPUT"],
    ["nothing", "", "BAD_INPUT"],
    ["a byte too many", `"${"x".repeat(BODY_BYTES_MAX - 1)}"`, "TOO_LARGE"],
    ["as many bytes as may be", `"${"x".repeat(BODY_BYTES_MAX - 2)}"`, "BAD_INPUT"],
  ])("answers %s", async (_, body, code) => {
    await using sample = await openSampleApi()
    expect(codeOf(await sample.ask("socket", { ...ECHO, body }))).toBe(code)
    expect((await sample.ask("socket", ECHO)).status).toBe(200)
  })

  it("stops reading a body of unknown length", async () => {
    await using sample = await openSampleApi()
    const head =
      "POST /v1/note/echo HTTP/1.1\r\nHost: allium\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`
    const socket = await dial(
      sample.socketPath,
      head,
      ...Array(BODY_BYTES_MAX / 65_536 + 1).fill(chunk),
    )
    const [answer] = await once(socket, "data")
    expect(String(answer)).toContain("413 Payload Too Large")
    socket.destroy()
  })

  it("answers any request with a document or a code", async () => {
    await using sample = await openSampleApi()
    const path = fc.oneof(
      fc.constantFrom("/v1/note/echo", "/v1/note/count", "/v1/note/list", "/v1/events/x"),
      fc.webPath().map((tail) => `/v1${tail}`),
    )
    const body = fc.oneof(fc.json(), fc.string(), fc.uint8Array())
    const accept = fc.constantFrom("application/json", "text/event-stream", "*/*")
    await fc.assert(
      fc.asyncProperty(path, body, accept, async (anywhere, anything, wanted) => {
        const ask = { path: anywhere, body: anything, headers: { accept: wanted } }
        const reply = await sample.ask("socket", ask)
        expect(reply.status).toBeLessThan(500)
        if (reply.status >= 400) expect(codeOf(reply)).toMatch(/^[A-Z_]+$/)
      }),
      { numRuns: 300 },
    )
  }, 30_000)
})

describe("openApi() and slow callers", () => {
  it.each([
    ["headers", "POST /v1/note/echo HTTP/1.1\r\nHost: all"],
    [
      "a body",
      "POST /v1/note/echo HTTP/1.1\r\nHost: allium\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    ],
  ])("hangs up on who never ends %s", async (_, beginning) => {
    await using sample = await openSampleApi({ limits: { headersMs: 50, requestMs: 100 } })
    const socket = await dial(sample.socketPath, beginning)
    expect(await text(socket)).toMatch(/^(HTTP\/1.1 408 |$)/)
  })

  it("cuts off a reader that takes nothing, and ends its run", async () => {
    await using sample = await openSampleApi({ limits: { stallMs: 50 } })
    let ended = false
    sample.book.register({ ...sampleStream, verb: "note flood" }, async function* () {
      try {
        for (;;) yield "x".repeat(65_536)
      } finally {
        ended = true
      }
    })
    const head =
      "POST /v1/note/flood HTTP/1.1\r\nHost: allium\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    const socket = await dial(sample.socketPath, head)
    await expect.poll(() => ended, PATIENT).toBe(true)
    socket.destroy()
  })
})

describe("openApi() and its socket", () => {
  it("is for its owner alone", async () => {
    await using sample = await openSampleApi()
    expect((await stat(sample.socketPath)).mode & 0o777).toBe(0o600)
    expect((await stat(join(sample.socketPath, ".."))).mode & 0o777).toBe(0o700)
  })

  it("does not take over from a router that lives", async () => {
    await using sample = await openSampleApi()
    const { socketPath } = sample
    await expect(openSampleApi({ socketPath })).rejects.toMatchObject({ code: "ALREADY_RUNNING" })
    expect((await sample.ask("socket", ECHO)).status).toBe(200)
  })

  it("takes over from a router that died", async () => {
    await using sample = await openSampleApi()
    const socketPath = join(sample.folder, "run", "old.sock")
    await leaveSocketBehind(socketPath)
    expect((await stat(socketPath)).isSocket()).toBe(true)
    await using next = await openSampleApi({ socketPath })
    expect(next.api.socketPath).toBe(socketPath)
  })

  it.each([
    [
      "a file in its place",
      async (folder: string) => {
        await mkdir(join(folder, "own"), { mode: 0o700 })
        await writeFile(join(folder, "own", "api.sock"), "precious")
        return join(folder, "own", "api.sock")
      },
    ],
    [
      "a folder open to others",
      async (folder: string) => {
        await mkdir(join(folder, "open"), { mode: 0o755 })
        return join(folder, "open", "api.sock")
      },
    ],
    [
      "a path that is too long",
      async (folder: string) => join(folder, "x".repeat(100), "api.sock"),
    ],
  ])("refuses %s", async (_, arrange) => {
    await using sample = await openSampleApi()
    const socketPath = await arrange(sample.folder)
    await expect(openSampleApi({ socketPath })).rejects.toMatchObject({ code: "BAD_SOCKET" })
  })
})

describe("GET /v1/events", () => {
  it("tells what happens, filtered, and resumes", async () => {
    await using sample = await openSampleApi()
    const stop = new AbortController()
    const ask = { method: "GET", path: "/v1/events?names=mail.*,file.done", signal: stop.signal }
    const response = await sample.start("socket", ask)
    for (const name of ["mail.in", "other.in", "file.done"]) sample.events.emit(name, { name })
    const [first, second] = await readFrames(response, 2)
    expect(first).toMatchObject({ event: "mail.in", id: "run1-1" })
    expect(JSON.parse(second!.data)).toEqual({
      name: "file.done",
      at: expect.any(Number),
      data: { name: "file.done" },
    })
    stop.abort()

    const again = await sample.start("socket", {
      method: "GET",
      path: "/v1/events",
      headers: { "last-event-id": "run1-1" },
    })
    expect((await readFrames(again, 2)).map(({ event }) => event)).toEqual([
      "other.in",
      "file.done",
    ])
    again.destroy()
  })

  it("shows that it lives while nothing happens", async () => {
    const beats: (() => void)[] = []
    const sleep = (ms: number, call?: { signal?: AbortSignal }) =>
      new Promise<void>((resolve, reject) => {
        if (ms === 15_000) beats.push(resolve)
        call?.signal?.addEventListener("abort", () => reject(call.signal?.reason))
      })
    await using sample = await openSampleApi({ clock: { ...systemClock, sleep } })
    const response = await sample.start("socket", { method: "GET", path: "/v1/events" })
    beats.shift()?.()
    const [chunk] = await once(response, "data")
    expect(String(chunk)).toBe(": here\n\n")
    response.destroy()
  })
})

describe("progress over the API", () => {
  it("leaves out what comes too fast, never the last word", async () => {
    await using sample = await openSampleApi()
    sample.book.register(
      { ...sampleStream, stream: false, verb: "note hurry" },
      async (_, { progress }) => {
        for (let done = 1; done <= 10_000; done++) progress({ done, unit: "items" })
        await wait(0)
        return "ready"
      },
    )
    const response = await sample.start("socket", {
      path: "/v1/note/hurry",
      headers: { accept: "text/event-stream" },
    })
    const frames = new FrameReader().push(await text(response))
    const told = frames
      .filter(({ event }) => event === "progress")
      .map(({ data }) => JSON.parse(data).done)
    expect(told.length).toBeLessThan(10)
    expect(told.at(-1)).toBe(10_000)
    expect(frames.at(-1)).toEqual({ event: "done", data: `"ready"` })
  })
})

describe("openApi() without a home", () => {
  it("leaves nothing open when it fails half way", async () => {
    await using sample = await openSampleApi()
    const socketPath = join(sample.folder, "run", "half.sock")
    const options = {
      offers: sample.book,
      events: sample.events,
      socketPath,
      port: sample.api.port,
    }
    const rest = {
      token: "right",
      log: openLog({ level: "silent", now: Date.now, write: () => {} }),
      clock: systemClock,
      banner: () => undefined,
    }
    await expect(openApi({ ...options, ...rest })).rejects.toMatchObject({ code: "PORT_TAKEN" })
    await expect(stat(socketPath)).rejects.toMatchObject({ code: "ENOENT" })
  })
})

const sampleStream = {
  summary: "Stream",
  positional: [],
  examples: [],
  display: {},
  stream: true,
  input: z.object({}),
  output: z.string(),
}

async function readFrames(
  response: AsyncIterable<Buffer> & { iterator(options: object): AsyncIterable<Buffer> },
  count: number,
) {
  const reader = new FrameReader()
  const frames = []
  for await (const chunk of response.iterator({ destroyOnReturn: false })) {
    frames.push(...reader.push(String(chunk)))
    if (frames.length >= count) break
  }
  return frames
}

/** A bound socket file without a process: what kill -9 leaves. */
async function leaveSocketBehind(path: string): Promise<void> {
  const server = createServer().listen({ path: `${path}.live` })
  await once(server, "listening")
  await rename(`${path}.live`, path)
  server.close()
  await once(server, "close")
}

import { once } from "node:events"
import type { ServerResponse } from "node:http"
import { setTimeout as wait } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import {
  makeHttpServer,
  StreamSocket,
  startWithoutListening,
} from "../../../../src/base/http/index.ts"
import { fakeStreams } from "../../../support/fake-session.ts"

const LIMITS = { headBytesMax: 4_096, headMs: 300, requestMs: 600, keepAliveMs: 200 }

/** A server with one stream, and the visitor's end of that. */
function serveOne(limits = LIMITS, lingerMs = 100) {
  const [visitor, stream] = fakeStreams()
  const server = makeHttpServer(limits)
  server.on("request", (request, response: ServerResponse) => {
    response.sendDate = false
    request.resume()
    request.once("end", () => response.end("ok"))
  })
  startWithoutListening(server)
  server.emit("connection", new StreamSocket(stream, { lingerMs }))
  visitor.on("error", () => {})
  let got = ""
  visitor.on("data", (chunk: Buffer) => {
    got += chunk.toString("latin1")
  })
  const started = performance.now()
  const ended = once(visitor, "end").then(() => performance.now() - started)
  return { visitor, ended, answer: () => got, close: () => server.close() }
}

const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

describe.concurrent("makeHttpServer()", () => {
  it.each([
    ["says nothing", ""],
    ["sends half a head", "GET / HTTP/1.1\r\nHost: x\r\nX-A"],
    ["sends half a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"],
  ])("ends a stream whose visitor %s", async (_what, text) => {
    const { visitor, ended, answer, close } = serveOne()
    if (text !== "") visitor.write(text)
    expect(await ended).toBeLessThan(3_500)
    expect(answer()).toMatch(/^HTTP\/1.1 408 |^$/)
    close()
  })

  it("ends a stream whose visitor sends a head one byte at a time", async () => {
    const { visitor, ended, close } = serveOne()
    const drip = setInterval(() => visitor.write("a"), 50)
    visitor.write("GET / HTTP/1.1\r\nX-A: ")
    expect(await ended).toBeLessThan(3_500)
    clearInterval(drip)
    close()
  })

  it("ends an idle stream after keepAliveMs, and not before", async () => {
    const { visitor, ended, answer, close } = serveOne()
    visitor.write(GET)
    await wait(100)
    visitor.write(GET)
    const endedAt = await ended
    expect(answer().match(/200 OK/g)?.length).toBe(2)
    expect(endedAt).toBeGreaterThan(280)
    close()
  })

  it("answers 431 to a head that is too large, and ends", async () => {
    const { visitor, ended, answer, close } = serveOne()
    visitor.write(`GET / HTTP/1.1\r\nX-A: ${"a".repeat(5_000)}`)
    await ended
    expect(answer()).toMatch(/^HTTP\/1.1 431 /)
    close()
  })

  it("lets the visitor close first when the stream is to end after an answer", async () => {
    const { visitor, ended, answer, close } = serveOne(LIMITS, 400)
    visitor.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await wait(200)
    expect(answer()).toMatch(/Connection: close\r\n(?:.|\r|\n)*ok$/)
    expect(visitor.readableEnded).toBe(false)
    expect(await ended).toBeGreaterThan(390)
    close()
  })

  it("ends at once when the visitor does close first", async () => {
    const [visitor, stream] = fakeStreams()
    const server = makeHttpServer(LIMITS)
    server.on("request", (_request, response: ServerResponse) => response.end("ok"))
    startWithoutListening(server)
    const connection = new StreamSocket(stream, { lingerMs: 60_000 })
    server.emit("connection", connection)
    visitor.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await once(visitor, "data")
    visitor.end()
    await once(connection, "close")
    expect(stream.destroyed).toBe(true)
    server.close()
  })
})

import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { type IncomingHttpHeaders, request } from "node:http"
import { connect } from "node:net"
import { buffer } from "node:stream/consumers"
import { setTimeout as sleep } from "node:timers/promises"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { mediaTypeOf } from "../../../../../plugins/files/play/media-type.ts"
import type { PlayState } from "../../../../../plugins/files/play/playable.ts"
import { rangeOf } from "../../../../../plugins/files/play/range.ts"
import { PlayServer } from "../../../../../plugins/files/play/server.ts"
import { PlaySession } from "../../../../../plugins/files/play/session.ts"
import { Bitfield } from "../../../../../plugins/files/torrent/bitfield.ts"
import { Geometry } from "../../../../../plugins/files/torrent/geometry.ts"
import type { Metainfo } from "../../../../../plugins/files/torrent/metainfo.ts"
import { systemClock } from "../../../../../src/base/clock.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"

const PIECE_BYTES = 65_536

describe("rangeOf()", () => {
  const tag = `"abc-0"`
  it.each([
    [undefined, undefined],
    ["bytes=0-", { first: 0, last: 99 }],
    ["bytes=10-19", { first: 10, last: 19 }],
    ["bytes=90-1000", { first: 90, last: 99 }],
    ["bytes=-10", { first: 90, last: 99 }],
    ["bytes=-1000", { first: 0, last: 99 }],
    ["bytes=100-", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=20-10", undefined],
    ["bytes=0-1,5-6", undefined],
    ["bytes=-", undefined],
    ["bytes=9999999999999999-", undefined],
    ["lines=1-2", undefined],
  ])("reads %j of 100 bytes", (range, expected) => {
    expect(rangeOf({ range }, 100, tag)).toEqual(expected)
  })
  it("sends all of it when If-Range names another state", () => {
    const range = "bytes=1-2"
    expect(rangeOf({ range, "if-range": tag }, 100, tag)).toEqual({ first: 1, last: 2 })
    expect(rangeOf({ range, "if-range": `"other"` }, 100, tag)).toBeUndefined()
    expect(rangeOf({ range, "if-range": `W/${tag}` }, 100, tag)).toBeUndefined()
    expect(
      rangeOf({ range, "if-range": "Sat, 21 Nov 2026 18:00:00 GMT" }, 100, tag),
    ).toBeUndefined()
  })
  it("never leaves the file, whatever is asked", () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), fc.nat(), fc.nat(10_000), (noise, from, to, size) => {
        for (const range of [noise, `bytes=${from}-${to}`, `bytes=-${to}`, `bytes=${from}-`]) {
          const found = rangeOf({ range }, size, tag)
          if (typeof found !== "object") continue
          expect(found.first).toBeLessThanOrEqual(found.last)
          expect(found.last).toBeLessThan(size)
        }
      }),
      { numRuns: fuzzRuns(200) },
    )
  })
})

it("mediaTypeOf() names nothing that a browser runs", () => {
  expect(mediaTypeOf("Film.MKV")).toBe("video/x-matroska")
  for (const name of ["a.html", "a.svg", "a.js", "a.xhtml", "a", "constructor", "a.__proto__"])
    expect(mediaTypeOf(name)).toBe("application/octet-stream")
})

describe("PlayServer", () => {
  const bytes = randomBytes(10 * PIECE_BYTES + 1_000)
  const geometry = new Geometry(bytes.length, PIECE_BYTES)
  const metainfo = {
    ...{ infohash: new Uint8Array(20).fill(1), info: new Uint8Array(), name: "a", isFolder: true },
    files: [
      { path: ["a", "pad"], offset: 0, size: 100, kind: "padding" },
      { path: ["a", "film é.mkv"], offset: 100, size: bytes.length - 100, kind: "file" },
      { path: ["a", "empty.txt"], offset: bytes.length, size: 0, kind: "file" },
    ],
    ...{ geometry, pieceHashes: new Uint8Array(), isPrivate: true },
  } as unknown as Metainfo
  const file = metainfo.files[1]!
  const film = bytes.subarray(100)
  const windows: [from: number, to: number][] = []
  let have = new Bitfield(geometry.pieceCount)
  let reads = 0
  let state: PlayState = { kind: "never" }
  let server: PlayServer
  let token: string
  let url: string

  function coming(): PlayState {
    const read = async (block: { piece: number; begin: number }, into: Uint8Array) => {
      reads++
      into.set(bytes.subarray(block.piece * PIECE_BYTES + block.begin).subarray(0, into.length))
    }
    const setWindow = (from: number, to: number) => void windows.push([from, to])
    return { kind: "now", playable: { metainfo, have, read, setWindow, endWindow() {} } }
  }

  beforeAll(async () => {
    have = Bitfield.full(geometry.pieceCount)
    state = coming()
    server = await PlayServer.open(() => systemClock.monotonicMs())
    const look = async () => state
    token = server.add(new PlaySession({ metainfo, look, clock: systemClock }))
    url = server.url(token, 1, file)
  })
  afterAll(() => server[Symbol.asyncDispose]())

  async function get(at: string, headers: Record<string, string> = {}, method = "GET") {
    const sent = request(at, { headers, method, agent: false })
    sent.end()
    const [response] = await once(sent, "response")
    const body = await buffer(response)
    return {
      status: response.statusCode as number,
      fields: response.headers as IncomingHttpHeaders,
      body,
    }
  }

  it("gives all of a file, or the bytes that are asked for", async () => {
    const all = await get(url)
    expect(all.status).toBe(200)
    expect(all.body.equals(film)).toBe(true)
    expect(all.fields).toMatchObject({
      ...{
        "accept-ranges": "bytes",
        "cache-control": "no-store",
        "content-type": "video/x-matroska",
      },
      ...{ "x-content-type-options": "nosniff", "content-length": `${film.length}` },
    })
    expect(all.fields).not.toHaveProperty("access-control-allow-origin")
    const part = await get(url, { Range: "bytes=60000-70000", "If-Range": all.fields.etag! })
    expect(part.status).toBe(206)
    expect(part.fields["content-range"]).toBe(`bytes 60000-70000/${film.length}`)
    expect(part.body.equals(film.subarray(60_000, 70_001))).toBe(true)
    expect((await get(url, { Range: "bytes=999999999-" })).status).toBe(416)
  })

  it("answers HEAD without bytes, and an empty file with none", async () => {
    const head = await get(url, { Range: "bytes=0-9" }, "HEAD")
    expect(head).toMatchObject({ status: 206, fields: { "content-length": "10" } })
    expect(head.body).toHaveLength(0)
    const empty = await get(server.url(token, 2, metainfo.files[2]!))
    expect(empty).toMatchObject({ status: 200, fields: { "content-length": "0" } })
  })

  it.each([
    ["another host name, as DNS rebinding has it", () => url, { Host: "evil.example" }, "GET", 421],
    ["a page's script", () => url, { Origin: "http://evil.example" }, "GET", 403],
    ["a page's player", () => url, { "Sec-Fetch-Site": "cross-site" }, "GET", 403],
    ["another method", () => url, {}, "POST", 405],
    ["no token", () => url.replace(token, ""), {}, "GET", 404],
    ["a wrong token", () => url.replace(token, `${token.slice(1)}A`), {}, "GET", 404],
    ["padding", () => url.replace("/1/", "/0/"), {}, "GET", 404],
    ["no such file", () => url.replace("/1/", "/3/"), {}, "GET", 404],
    [
      "a file by another name of its number",
      () => url.replace("/1/", "/__proto__/"),
      {},
      "GET",
      404,
    ],
  ])("tells nothing to %s", async (_name, at, headers, method, status) => {
    const refused = await get(at(), headers as Record<string, string>, method)
    expect(refused.status).toBe(status)
    expect(refused.body).toHaveLength(0)
  })

  it("waits for pieces that are not here, and says where it reads", async () => {
    have = new Bitfield(geometry.pieceCount)
    state = coming()
    windows.length = 0
    const asking = get(url, { Range: `bytes=${5 * PIECE_BYTES}-${6 * PIECE_BYTES}` })
    await sleep(150)
    expect(windows).toEqual([[5 * PIECE_BYTES + 100, bytes.length]])
    for (let piece = 5; piece < 7; piece++) have.set(piece)
    const { status, body } = await asking
    expect(status).toBe(206)
    expect(body.equals(film.subarray(5 * PIECE_BYTES, 6 * PIECE_BYTES + 1))).toBe(true)
  })

  it("reads no further than a slow player takes", async () => {
    have = Bitfield.full(geometry.pieceCount)
    const big = coming()
    state = big
    reads = 0
    const { port } = new URL(url)
    const socket = connect(Number(port), "127.0.0.1")
    socket.pause()
    await once(socket, "connect")
    // Many times the same film on one connection: more than any socket holds.
    for (let times = 0; times < 40; times++)
      socket.write(`GET ${new URL(url).pathname} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
    await sleep(500)
    const after = reads
    await sleep(200)
    expect(reads).toBe(after)
    expect(after).toBeLessThan(40 * geometry.pieceCount)
    socket.destroy()
  })

  it("goes on from the final name, and ends when the transfer is gone", async () => {
    state = { kind: "never" }
    expect((await get(url)).status).toBe(410)
    state = { kind: "whole", path: "/nowhere/at/all" }
    expect((await get(url)).status).toBe(410)
    server.remove(token)
    expect((await get(url)).status).toBe(404)
  })
})

/**
 * Serves files to players on loopback: ranges of what is here, and of what is still to come. Who knows no token learns nothing.
 *
 * @module
 */
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { AlliumError, makeHttpServer, requestFault, toAlliumError } from "allium/plugin"
import type { TorrentFile } from "../torrent/metainfo-files.ts"
import { mediaTypeOf } from "./media-type.ts"
import { type ByteRange, rangeOf } from "./range.ts"
import type { PlaySession } from "./session.ts"

const HOST = "127.0.0.1"
const TOKEN_BYTES = 32
/** Readers of one session at once: a player has two or three. */
const READERS_MAX = 8
/** Connections of all players. */
const PLAYERS_MAX = 64
/** A reader that takes nothing is let go: it was left open and forgotten. */
const READER_IDLE_MS = 1_800_000
const LIMITS = { headBytesMax: 8_192, headMs: 10_000, requestMs: 30_000, keepAliveMs: 30_000 }

interface Served {
  readonly session: PlaySession
  readonly end: AbortController
  readers: number
  /** On the clock of the caller. */
  usedAtMs: number
}

/** See the module. */
export class PlayServer implements AsyncDisposable {
  readonly #server: Server
  readonly #now: () => number
  /** By SHA-256 of the token, so that comparing takes the same time for all that are wrong. */
  readonly #served = new Map<string, Served>()

  private constructor(server: Server, now: () => number) {
    this.#server = server
    this.#now = now
    server.maxConnections = PLAYERS_MAX
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      void this.#answer(request, response).catch(() => response.destroy())
    })
  }

  /** @param now - Milliseconds that pass, whatever the wall clock says. */
  static async open(now: () => number): Promise<PlayServer> {
    const server = makeHttpServer(LIMITS)
    server.listen(0, HOST)
    await once(server, "listening")
    return new PlayServer(server, now)
  }

  /** Serves a session. @returns The token. */
  add(session: PlaySession): string {
    const token = randomBytes(TOKEN_BYTES).toString("base64url")
    const end = new AbortController()
    this.#served.set(keyOf(token), { session, end, readers: 0, usedAtMs: this.#now() })
    return token
  }

  /** Where a player finds a file. */
  url(token: string, index: number, file: TorrentFile): string {
    const name = encodeURIComponent(file.path.at(-1) ?? "file")
    return `http://${this.#host}/${token}/${index}/${name}`
  }

  /** Ends every reader of a session. */
  remove(token: string): void {
    const key = keyOf(token)
    this.#served.get(key)?.end.abort()
    this.#served.get(key)?.session.close()
    this.#served.delete(key)
  }

  /** When somebody used it last, or now if somebody does; `undefined` when it is not there. */
  usedAtMs(token: string): number | undefined {
    const served = this.#served.get(keyOf(token))
    return served && served.readers > 0 ? this.#now() : served?.usedAtMs
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { end, session } of this.#served.values()) {
      end.abort()
      session.close()
    }
    this.#served.clear()
    const closed = once(this.#server, "close")
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  get #host(): string {
    return `${HOST}:${(this.#server.address() as AddressInfo).port}`
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.sendDate = false
    const { method, headers } = request
    // Another name for this address is a web page's trick; a page's own request says where it comes from.
    if (headers.host !== this.#host) return end(response, 421)
    if (requestFault(request) !== undefined) return end(response, 400)
    if (headers.origin !== undefined || isForeign(headers["sec-fetch-site"]))
      return end(response, 403)
    if (method !== "GET" && method !== "HEAD") return end(response, 405, { Allow: "GET, HEAD" })
    const [, token = "", index = ""] = (request.url ?? "").split("/")
    const served = this.#served.get(keyOf(token))
    const file = /^\d{1,6}$/.test(index) ? served?.session.metainfo.files[+index] : undefined
    if (served === undefined || file?.kind !== "file") return end(response, 404)
    if (served.readers >= READERS_MAX) return end(response, 503, { "Retry-After": "1" })
    served.readers++
    try {
      await this.#serve(served, file, +index, request, response)
    } finally {
      served.readers--
      served.usedAtMs = this.#now()
    }
  }

  async #serve(
    { session, end: ended }: Served,
    file: TorrentFile,
    index: number,
    { method, headers }: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { size } = file
    const tag = `"${Buffer.from(session.metainfo.infohash).toString("hex")}-${index}"`
    const range = rangeOf(headers, size, tag)
    if (range === "unsatisfiable") return end(response, 416, { "Content-Range": `bytes */${size}` })
    const fields = { ...FIELDS, ETag: tag, "Content-Type": mediaTypeOf(file.path.at(-1) ?? "") }
    const wanted = range ?? { first: 0, last: size - 1 }
    const head = () => writeHead(response, fields, wanted, range === undefined ? undefined : size)
    if (method === "HEAD" || size === 0) {
      head()
      return void response.end()
    }
    const gone = new AbortController()
    response.once("close", () => gone.abort())
    response.setTimeout(READER_IDLE_MS, () => response.destroy())
    const signal = AbortSignal.any([gone.signal, ended.signal])
    const bytes = session.bytes(file, wanted, signal)
    // The first bytes decide between an answer and a fault.
    const first = await bytes.next().catch((error: unknown) => toAlliumError(error))
    if (first instanceof AlliumError) return refuse(response, first)
    head()
    await pipeline(Readable.from(following(first.value!, bytes), { objectMode: false }), response, {
      signal,
    }).catch(() => response.destroy()) // cut off: nobody takes it for whole
  }
}

const FIELDS = {
  "Accept-Ranges": "bytes",
  "Cache-Control": "no-store",
  "Content-Security-Policy": "sandbox; default-src 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
}

/** @param size - Of the file, when only a part of it is sent. */
function writeHead(
  response: ServerResponse,
  fields: Readonly<Record<string, string>>,
  { first, last }: ByteRange,
  size: number | undefined,
): void {
  const length = { "Content-Length": last - first + 1 }
  if (size === undefined) response.writeHead(200, { ...fields, ...length })
  else
    response.writeHead(206, {
      ...{ ...fields, ...length, "Content-Range": `bytes ${first}-${last}/${size}` },
    })
}

async function* following(
  first: Uint8Array,
  rest: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield first
  yield* rest
}

function refuse(response: ServerResponse, { code }: AlliumError): void {
  if (response.destroyed) return
  if (code === "TIMED_OUT") end(response, 503, { "Retry-After": "5" })
  else end(response, 410)
}

function end(
  response: ServerResponse,
  status: number,
  fields: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...fields, "Cache-Control": "no-store", "Content-Length": 0 }).end()
}

/** A browser says so of requests that another page makes. */
function isForeign(site: string | string[] | undefined): boolean {
  return site !== undefined && site !== "none" && site !== "same-origin"
}

function keyOf(token: string): string {
  return createHash("sha256").update(token).digest("hex")
}

/**
 * A web server of one page and files of any length, and visitors who come through a proxy and take the time.
 *
 * @module
 */
import { once } from "node:events"
import { type Agent, createServer, type IncomingMessage, request, type Server } from "node:http"
import { connect, type Socket } from "node:net"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { StreamAgent } from "../src/base/http/index.ts"
import { MIB } from "./carry.ts"

const PAGE = Buffer.alloc(1_024, 65)
const BLOCK = Buffer.alloc(MIB, 66)
/** Nothing came for so long: the request has failed. */
const SILENCE_MS = 30_000
/** A site that is new to a router may not be found for so long. */
const PATIENCE_MS = 600_000

/** How visitors reach a site. */
export interface Way {
  readonly kind: "http" | "socks"
  /** Of the proxy, on 127.0.0.1. */
  readonly port: number
  /** Its `.b32.i2p` name. */
  readonly site: string
}

/** Listens on loopback: `/N` is N MiB, everything else a page of 1 KiB. */
export async function openOrigin(): Promise<Server> {
  const server = createServer((asked, response) => {
    const mib = Number(/^\/(\d+)$/.exec(asked.url ?? "")?.[1] ?? 0)
    if (mib === 0) return void response.end(PAGE)
    response.setHeader("Content-Length", mib * MIB)
    const blocks = Readable.from(Array.from({ length: mib }, () => BLOCK))
    pipeline(blocks, response).catch(() => {}) // the visitor left
  })
  await once(server.listen(0, "127.0.0.1"), "listening")
  return server
}

/** Visitors of one site, and how many of their requests failed. */
export class Visitors {
  failed = 0
  readonly #way: Way

  constructor(way: Way) {
    this.#way = way
  }

  /** Asks until the site answers. */
  async arrive(): Promise<void> {
    for (const endMs = performance.now() + PATIENCE_MS; performance.now() < endMs; ) {
      const agent = this.#agent()
      const found = await this.#ask(agent, "/").catch(() => 0)
      agent.destroy()
      if (found === PAGE.length) return
      await new Promise((resolve) => setTimeout(resolve, 1_000))
    }
    throw new Error("Cannot measure: the site does not answer")
  }

  /** Milliseconds from the wish for a page until its answer begins, with a new connection to the proxy each time. */
  async firstByteMs(times: number): Promise<number[]> {
    const waited: number[] = []
    while (waited.length < times) {
      const agent = this.#agent()
      const startMs = performance.now()
      const answer = await this.#count(() => this.#head(agent, "/"))
      if (answer !== undefined) waited.push(performance.now() - startMs)
      agent.destroy()
    }
    return waited
  }

  /** MiB a second of `parallel` downloads together. */
  async download(mib: number, parallel: number): Promise<number> {
    const agent = this.#agent()
    const startMs = performance.now()
    const one = async () => {
      while ((await this.#count(() => this.#ask(agent, `/${mib}`))) !== mib * MIB) {}
    }
    await Promise.all(Array.from({ length: parallel }, one))
    agent.destroy()
    return (mib * parallel) / ((performance.now() - startMs) / 1_000)
  }

  /** Pages a second over so many connections that are kept, where the proxy keeps them. */
  async pages(connections: number, seconds: number): Promise<number> {
    const agent = this.#agent()
    const endMs = performance.now() + seconds * 1_000
    let count = 0
    const askOn = async () => {
      while (performance.now() < endMs)
        if ((await this.#count(() => this.#ask(agent, "/"))) === PAGE.length) count++
    }
    const startMs = performance.now()
    await Promise.all(Array.from({ length: connections }, askOn))
    agent.destroy()
    return count / ((performance.now() - startMs) / 1_000)
  }

  /** Opens so many connections, asks for a page on each, and keeps them until the result is disposed. */
  async stay(connections: number): Promise<Disposable> {
    const agents = Array.from({ length: connections }, () => this.#agent())
    const waiting = [...agents]
    const askNext = async () => {
      for (let agent = waiting.pop(); agent !== undefined; agent = waiting.pop())
        await this.#count(() => this.#ask(agent!, "/"))
    }
    await Promise.all(Array.from({ length: 16 }, askNext))
    return {
      [Symbol.dispose]() {
        for (const agent of agents) agent.destroy()
      },
    }
  }

  async #count<T>(deed: () => Promise<T>): Promise<T | undefined> {
    try {
      return await deed()
    } catch {
      this.failed++
      return undefined
    }
  }

  /** @returns Bytes of the body, of a 200. */
  async #ask(agent: Agent, path: string): Promise<number> {
    const answer = await this.#head(agent, path)
    let byteCount = 0
    for await (const chunk of answer) byteCount += (chunk as Buffer).length
    return byteCount
  }

  async #head(agent: Agent, path: string): Promise<IncomingMessage> {
    const { kind, site } = this.#way
    const asked = request({
      agent,
      host: site,
      path: kind === "http" ? `http://${site}${path}` : path,
      headers: { Host: site },
      timeout: SILENCE_MS,
    })
    asked.on("timeout", () => asked.destroy(new Error("silence")))
    const [answer] = (await once(asked.end(), "response")) as [IncomingMessage]
    if (answer.statusCode === 200) return answer
    answer.resume()
    throw new Error(`status ${answer.statusCode}`)
  }

  #agent(): Agent {
    const bounds = { perHostMax: 1_024, totalMax: 1_024, keepMs: SILENCE_MS }
    return new StreamAgent(() => open(this.#way), bounds)
  }
}

async function open({ kind, port, site }: Way): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true })
  await once(socket, "connect")
  if (kind === "socks") await askSocks(socket, site)
  return socket
}

/** CONNECT of SOCKS 5 to port 80, without a user. */
async function askSocks(socket: Socket, site: string): Promise<void> {
  socket.write(Uint8Array.of(5, 1, 0))
  await readExactly(socket, 2)
  const head = Buffer.from([5, 1, 0, 3, site.length])
  socket.write(Buffer.concat([head, Buffer.from(site), Buffer.from([0, 80])]))
  const [, code, , type, length = 0] = await readExactly(socket, 5)
  const rest = { 1: 5, 3: length + 2, 4: 17 }[type ?? 0] ?? 0
  await readExactly(socket, rest)
  if (code !== 0) throw new Error(`SOCKS answers ${code}`)
}

async function readExactly(socket: Socket, byteCount: number): Promise<Buffer> {
  for (;;) {
    const bytes = socket.read(byteCount) as Buffer | null
    if (bytes !== null) return bytes
    if (socket.readableEnded || socket.destroyed) throw new Error("SOCKS closed the connection")
    await once(socket, "readable", { signal: AbortSignal.timeout(SILENCE_MS) })
  }
}

/**
 * Programs of others through `http-proxy`, over real i2pd: curl, wget, git and Chromium.
 *
 * Run it with `npm run testnet -- npx vitest run --project live test/live/http-proxy.test.ts`.
 */
import { execFile, spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { tmpdir } from "node:os"
import { join, normalize } from "node:path"
import type { Duplex } from "node:stream"
import { setTimeout as wait } from "node:timers/promises"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { systemClock } from "../../src/base/clock.ts"
import { StreamSocket, startWithoutListening } from "../../src/base/http/index.ts"
import { Scope } from "../../src/base/scope.ts"
import { dial } from "../../src/router/dial.ts"
import { openSupervisedSession } from "../../src/sam/index.ts"
import { httpProxy } from "../../tunnels/http-proxy/index.ts"
import type { FakeNetwork } from "../support/fake-session.ts"
import { openFakeTunnelContext } from "../support/fake-tunnel-context.ts"
import { CHROMIUM_FLAGS, CURL_AGAIN, foreign, lacks } from "../support/foreign-programs.ts"

const MIB = 2 ** 20
/** Of the large download, in MiB; 1,024 for the whole promise. */
const BIG_MIB = Number(process.env.ALLIUM_LIVE_MIB ?? 64)
const ports = (process.env.ALLIUM_TESTNET_SAM_PORTS ?? "").split(",").filter(Boolean).map(Number)
const [near, far] = [ports[0], ports.at(-1)]

/** Waits for one program; resolves with what it printed. */
async function run(program: string, ...args: string[]): Promise<string> {
  const options = { encoding: "latin1", maxBuffer: 2 ** 28 } as const
  return (await promisify(execFile)(program, args, options)).stdout
}

function side(port: number): FakeNetwork {
  const bridge = { host: "127.0.0.1", port }
  return {
    faults: { tailLoss: true },
    open: () => openSupervisedSession({ bridge, keys: "transient" }),
  }
}

/** The same block for ever: a file of any length whose sum is known. */
const BLOCK = randomBytes(MIB)

function sumOf(mib: number): string {
  const hash = createHash("sha256")
  for (let count = 0; count < mib; count++) hash.update(BLOCK)
  return hash.digest("hex")
}

const PAGE = `<!doctype html><meta charset="utf-8"><img src="/wait">
<link rel="stylesheet" href="/style.css">
<script>
const seen = {}
const tell = () => Object.keys(seen).length === 3 && fetch("/result", { method: "POST", body: JSON.stringify(seen) })
fetch("/data.json").then((answer) => answer.json()).then((data) => { seen.data = data; tell() })
const socket = new WebSocket("ws://" + location.host + "/socket")
socket.onmessage = ({ data }) => { seen.socket = data; tell() }
const events = new EventSource("/events")
const gaps = []
events.onmessage = () => { gaps.push(performance.now()); if (gaps.length === 3) { events.close(); seen.events = gaps[2] - gaps[0]; tell() } }
</script>`

/** A site with everything a program may ask for. */
class Site {
  result: Record<string, unknown> | undefined
  readonly visitors = new Set<string>()
  readonly userAgents = new Set<string>()
  /** Folder of a bare git repository. */
  repository = ""
  readonly #held: ServerResponse[] = []

  serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { url = "" } = request
    this.userAgents.add(request.headers["user-agent"] ?? "")
    if (url === "/") response.setHeader("Content-Type", "text/html").end(PAGE)
    else if (url === "/data.json") response.end('{"ok":true}')
    else if (url === "/wait") this.#held.push(response)
    else if (url === "/events") await sendEvents(response)
    else if (url === "/result") await this.#take(request, response)
    else if (url.startsWith("/big")) await sendBig(request, response)
    else if (url.startsWith("/repo.git/")) await this.#sendFile(url, response)
    else response.end(`page ${url}`)
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = ""
    for await (const chunk of request) text += chunk
    this.result = JSON.parse(text)
    response.end()
    for (const held of this.#held.splice(0)) held.end()
  }

  async #sendFile(url: string, response: ServerResponse): Promise<void> {
    const path = normalize(url.split("?")[0]!.slice("/repo.git/".length))
    const bytes = await readFile(join(this.repository, path)).catch(() => undefined)
    if (bytes === undefined) response.writeHead(404)
    response.end(bytes)
  }
}

async function sendEvents(response: ServerResponse): Promise<void> {
  response.writeHead(200, { "Content-Type": "text/event-stream" })
  for (let count = 0; count < 3; count++) {
    response.write(`data: ${count}\n\n`)
    await wait(500)
  }
  response.end()
}

/** Honours `bytes=N-`. */
async function sendBig({ headers }: IncomingMessage, response: ServerResponse): Promise<void> {
  const size = BIG_MIB * MIB
  const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0)
  const more = from > 0 ? { "Content-Range": `bytes ${from}-${size - 1}/${size}` } : {}
  const fields = { "Content-Length": size - from, "Accept-Ranges": "bytes", ETag: '"big"', ...more }
  response.writeHead(from > 0 ? 206 : 200, fields)
  for (let at = from; at < size && !response.destroyed; ) {
    const piece = BLOCK.subarray(at % MIB)
    at += piece.length
    if (!response.write(piece)) await writable(response)
  }
  response.end()
}

/** Resolves when more can be written, or nothing ever again. */
function writable(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done)
      resolve()
    }
    response.once("drain", done).once("close", done)
  })
}

/** Agrees, and says one word. */
function greetSocket(request: IncomingMessage, socket: Duplex): void {
  const magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
  const key = `${request.headers["sec-websocket-key"]}${magic}`
  const accept = createHash("sha1").update(key).digest("base64")
  const head = "HTTP/1.1 101 Ok\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
  socket.write(`${head}Sec-WebSocket-Accept: ${accept}\r\n\r\n`)
  socket.write(Buffer.concat([Buffer.from([0x81, 5]), Buffer.from("hello")]))
  socket.on("error", () => {}).resume()
}

if (near === undefined || far === undefined || near === far)
  describe("http-proxy over i2pd", () => {
    it.skip("needs ALLIUM_TESTNET_SAM_PORTS: run it with `npm run testnet`", () => {})
  })
else
  describe("http-proxy over i2pd", () => {
    const scope = new Scope()
    const site = new Site()
    let folder: string
    let host: string
    let proxy: string

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "allium-live-"))
      scope.defer(() => rm(folder, { recursive: true, force: true }))
      const server = createServer((request, response) => void site.serve(request, response))
      server.on("upgrade", greetSocket)
      startWithoutListening(server)
      scope.defer(() => server.close())
      const session = scope.use(side(far).open())
      await session.ready({ signal: scope.signal })
      host = session.destination.b32
      void (async () => {
        for await (const stream of session.incoming) {
          site.visitors.add(stream.peer.b32)
          server.emit("connection", new StreamSocket(stream, { lingerMs: 30_000 }))
        }
      })()
      proxy = await openProxy({})
      await run(
        "curl",
        "--silent",
        "--fail",
        "--max-time",
        "600",
        ...CURL_AGAIN,
        "--proxy",
        proxy,
        `http://${host}/first`,
      )
    })
    afterAll(() => scope.close())

    async function openProxy(given: Record<string, unknown>): Promise<string> {
      const context = scope.use(await openFakeTunnelContext(side(near!)))
      const tools = { clock: systemClock, chance: Math.random }
      const patient = {
        ...context,
        dial: ((session, to, call) => dial(session, to, call, tools)) as typeof context.dial,
      }
      const options = httpProxy.options.parse({ listen: "0", waitSeconds: 600, ...given })
      return `http://${scope.use(await httpProxy.open(patient, options)).listens}`
    }

    const curl = (...args: string[]) =>
      run(
        "curl",
        "--silent",
        "--show-error",
        "--fail",
        "--max-time",
        "1500",
        "--proxy",
        proxy,
        ...args,
      )

    async function sumOfFile(path: string): Promise<string> {
      return (await run("sha256sum", path)).slice(0, 64)
    }

    it("A1, A2: curl downloads a large file whole, and the rest of one that broke off", async () => {
      const path = join(folder, "big")
      const before = process.memoryUsage().rss
      const startedMs = performance.now()
      await curl("--output", path, `http://${host}/big`)
      const rate = BIG_MIB / ((performance.now() - startedMs) / 1_000)
      expect(await sumOfFile(path)).toBe(sumOf(BIG_MIB))
      console.log(`${BIG_MIB} MiB at ${rate.toFixed(1)} MiB/s`)
      expect(process.memoryUsage().rss - before).toBeLessThan(128 * MIB)
      await run("truncate", "--size", `${10 * MIB + 77}`, path)
      await curl("--continue-at", "-", "--output", path, `http://${host}/big`)
      expect(await sumOfFile(path)).toBe(sumOf(BIG_MIB))
    })

    it.skipIf(lacks("wget"))("A3: wget goes on where it was killed", async () => {
      const path = join(folder, "wget")
      const env = { ...process.env, http_proxy: proxy }
      const args = [
        "--quiet",
        "--continue",
        "--tries=3",
        "--output-document",
        path,
        `http://${host}/big`,
      ]
      const first = spawn(foreign("wget"), args, { env })
      const grown = async () => (await stat(path).catch(() => ({ size: 0 }))).size
      await expect.poll(grown, { timeout: 300_000 }).toBeGreaterThan(MIB)
      first.kill("SIGKILL")
      await once(first, "exit")
      await promisify(execFile)(foreign("wget"), args, { env })
      expect(await sumOfFile(path)).toBe(sumOf(BIG_MIB))
    })

    it.skipIf(lacks("git"))("A9: git clones over HTTP", async () => {
      const work = join(folder, "work")
      await run("git", "init", "--quiet", work)
      await writeFile(join(work, "file.bin"), BLOCK)
      const me = ["-c", "user.name=a", "-c", "user.email=a@a"]
      await run("git", "-C", work, "add", ".")
      await run("git", "-C", work, ...me, "commit", "--quiet", "--message", "one")
      site.repository = join(folder, "bare.git")
      await run("git", "clone", "--quiet", "--bare", work, site.repository)
      await run("git", "-C", site.repository, "update-server-info")
      const copy = join(folder, "copy")
      await run(
        "git",
        "-c",
        `http.proxy=${proxy}`,
        "clone",
        "--quiet",
        `http://${host}/repo.git`,
        copy,
      )
      expect((await readFile(join(copy, "file.bin"))).equals(BLOCK)).toBe(true)
    })

    it.skipIf(lacks("chromium"))(
      "A5, A6, A12: Chromium loads a page, its parts, a WebSocket and events as they come",
      async () => {
        site.result = undefined
        const browser = spawn(foreign("chromium"), [
          ...CHROMIUM_FLAGS,
          "--dump-dom",
          ...[`--user-data-dir=${join(folder, "chromium")}`, `--proxy-server=${proxy}`],
          "--proxy-bypass-list=<-loopback>",
          `http://${host}/`,
        ])
        scope.defer(() => browser.kill("SIGKILL"))
        await expect.poll(() => site.result, { timeout: 300_000 }).toBeDefined()
        browser.kill("SIGTERM")
        expect(site.result).toMatchObject({ data: { ok: true }, socket: "hello" })
        expect(site.result!.events).toBeGreaterThan(600) // 1,000 ms when nothing is held back
        expect([...site.userAgents]).toEqual(["MYOB/6.66 (AN/ON)"])
      },
    )

    it("A13: 200 requests at once", async () => {
      const args = Array.from({ length: 200 }, (_, index) => `http://${host}/p${index}`)
      const text = await curl("--parallel", "--parallel-max", "200", ...args)
      expect(text.match(/page \/p\d+/g)).toHaveLength(200)
    })

    it("B17: two users are two visitors", async () => {
      const isolated = await openProxy({ isolate: "user" })
      const ask = (user: string) =>
        curl("--proxy", isolated, "--proxy-user", `${user}:x`, `http://${host}/`)
      const before = site.visitors.size
      await Promise.all([ask("ann"), ask("bob")])
      await ask("ann")
      expect(site.visitors.size - before).toBe(2)
    })
  })

/**
 * Much at once through two routers, `http-proxy` and `http-server`, over real i2pd: a large file both ways, 200
 * connections, wrk's too, readers who do not read, and an i2pd that dies.
 *
 * Run it with `npm run testnet -- npx vitest run --project live test/live/http-load.test.ts`;
 * `ALLIUM_LIVE_MIB=1024` for the whole promise of A2.
 */
import { execFile, spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { Agent, createServer, get, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Readable } from "node:stream"
import { text } from "node:stream/consumers"
import { pipeline } from "node:stream/promises"
import { setTimeout as wait } from "node:timers/promises"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { Scope } from "../../src/base/scope.ts"
import { AlliumProcess } from "../support/allium-process.ts"
import { CURL_AGAIN, foreign, lacks } from "../support/foreign-programs.ts"
import { livePorts } from "../support/live-tunnels.ts"
import { killRouter, startRouter } from "../support/testnet/testnet.ts"

const MIB = 2 ** 20
/** Of the large file, in MiB; 1,024 for the whole promise. */
const BIG_MIB = Number(process.env.ALLIUM_LIVE_MIB ?? 64)
const GROWTH_MIB_MAX = 64
const CONNECTIONS = 200
/** How long those ask one page after another; 60 for the whole promise. */
const ASK_SECONDS = Number(process.env.ALLIUM_LIVE_SECONDS ?? 10)
const SLOW_READERS = 50
/** What each of them asks for. */
const SLOW_MIB = 2
const BLOCK = randomBytes(MIB)
const live = livePorts()

/** So many MiB, the same block for ever. */
function* blocks(mib: number): Generator<Buffer> {
  for (let count = 0; count < mib; count++) yield BLOCK
}

function sumOf(mib: number): string {
  const hash = createHash("sha256")
  for (const block of blocks(mib)) hash.update(block)
  return hash.digest("hex")
}

/** `/N` is N MiB; a body is answered with its sum; everything else is a page of 1 KiB. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const mib = Number(/^\/(\d+)$/.exec(request.url ?? "")?.[1] ?? 0)
  if (request.method === "PUT") response.end(await sumFrom(request))
  else if (mib === 0) response.end(BLOCK.subarray(0, 1_024))
  else {
    response.setHeader("Content-Length", mib * MIB)
    await pipeline(Readable.from(blocks(mib)), response).catch(() => {}) // the reader left
  }
}

async function sumFrom(body: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash("sha256")
  for await (const chunk of body) hash.update(chunk)
  return hash.digest("hex")
}

if (live === undefined)
  describe("two routers under load, over i2pd", () => {
    it.skip("needs ALLIUM_TESTNET_SAM_PORTS: run it with `npm run testnet`", () => {})
  })
else
  describe("two routers under load, over i2pd", () => {
    const scope = new Scope()
    let near: AlliumProcess
    let far: AlliumProcess
    let site: string
    let proxy: string
    let folder: string

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "allium-live-"))
      scope.defer(() => rm(folder, { recursive: true, force: true }))
      const origin = createServer((request, response) => void serve(request, response))
      await once(origin.listen(0, "127.0.0.1"), "listening")
      scope.defer(() => origin.closeAllConnections())
      scope.defer(() => void origin.close())
      const open = (name: string, port: number) =>
        scope.use(
          new AlliumProcess(join(folder, name), ["--network", "sam", "--sam", `127.0.0.1:${port}`]),
        )
      near = open("near", live.near)
      far = open("far", live.far)
      await Promise.all([near.start(), far.start()])
      const expose = String((origin.address() as AddressInfo).port)
      const [client, server] = await Promise.all([
        near.call<{ listens: string }>("tunnel add http-proxy", { listen: "0", waitSeconds: 600 }),
        far.call<{ address: string }>("tunnel add http-server", {
          expose,
          requestRate: "1000000/60", // one destination asks for all of them
        }),
      ])
      proxy = client.listens
      site = `http://${server.address}`
      await once(curl("--fail", ...CURL_AGAIN, `${site}/`), "exit")
    })
    afterAll(() => scope.close())

    function curl(...args: string[]) {
      const all = ["--silent", "--show-error", "--max-time", "1500", "--proxy", proxy, ...args]
      return spawn("curl", all, { stdio: ["pipe", "pipe", "ignore"] })
    }

    it("A1, A2: a large file passes whole both ways, and memory stays", async () => {
      const growth = await watchMemory([near, far])
      const down = await timed(() => sumFrom(curl("--fail", `${site}/${BIG_MIB}`).stdout))
      const up = await timed(async () => {
        const put = curl("--fail", "--upload-file", "-", `${site}/up`)
        const [sum] = await Promise.all([
          text(put.stdout),
          pipeline(Readable.from(blocks(BIG_MIB)), put.stdin),
        ])
        return sum
      })
      const mib = growth()
      const rate = (ms: number) => (BIG_MIB / (ms / 1_000)).toFixed(1)
      console.log(`A2: ${BIG_MIB} MiB down at ${rate(down.ms)}, up at ${rate(up.ms)} MiB/s`)
      console.log(`A2: memory grew by ${mib.map((one) => one.toFixed(0)).join(" and ")} MiB`)
      expect(down.value).toBe(sumOf(BIG_MIB))
      expect(up.value).toBe(sumOf(BIG_MIB))
      for (const one of mib) expect(one).toBeLessThan(GROWTH_MIB_MAX)
    })

    it("A13: 200 connections ask page after page, and each is answered", async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
      const [host, port] = proxy.split(":") as [string, string]
      const waitedMs: number[] = []
      const endMs = performance.now() + ASK_SECONDS * 1_000
      const askOn = async () => {
        while (performance.now() < endMs) {
          const startMs = performance.now()
          const path = `${site}/page`
          const headers = { host: new URL(site).host }
          const asked = get({ agent, host, port, path, headers, timeout: 60_000 })
          asked.on("timeout", () => asked.destroy(new Error("nothing came for 60 s")))
          const [answer] = (await once(asked, "response")) as [IncomingMessage]
          const page: Buffer[] = await answer.toArray()
          expect(answer.statusCode).toBe(200)
          expect(Buffer.concat(page).equals(BLOCK.subarray(0, 1_024))).toBe(true)
          waitedMs.push(performance.now() - startMs)
        }
      }
      await Promise.all(Array.from({ length: CONNECTIONS }, askOn))
      agent.destroy()
      const at = (share: number) => waitedMs[Math.floor(waitedMs.length * share)]!.toFixed(0)
      waitedMs.sort((left, right) => left - right)
      console.log(`A13: ${waitedMs.length} pages, half within ${at(0.5)} ms, 99 % in ${at(0.99)}`)
    })

    it.skipIf(lacks("wrk"))("A13: 200 connections of wrk, and no error at any", async () => {
      // It knows no proxy, but asks for whatever it is told to ask for.
      const script = join(folder, "proxy.lua")
      await writeFile(
        script,
        `wrk.path = "${site}/page"\nwrk.headers.Host = "${new URL(site).host}"\n`,
      )
      const load = ["--connections", String(CONNECTIONS), "--duration", `${ASK_SECONDS}s`]
      const words = [...load, "--latency", "--timeout", "60s", "--script", script]
      const { stdout } = await promisify(execFile)(foreign("wrk"), [...words, `http://${proxy}/`])
      const figure = (words: RegExp) => words.exec(stdout)?.[1]
      const [pages, half, most] = [/(\d+) requests in/, /50% +(\S+)/, /99% +(\S+)/].map(figure)
      console.log(`A13: wrk had ${pages} pages, half within ${half}, 99 % in ${most}`)
      expect(Number(pages)).toBeGreaterThan(0)
      expect(stdout).not.toMatch(/Socket errors|Non-2xx/)
    })

    it("A14: readers who hardly read hold no memory, and hold up nobody", async () => {
      const ask = () => timed(() => sumFrom(curl("--fail", `${site}/${SLOW_MIB}`).stdout))
      const askTen = async () => (await Promise.all(Array.from({ length: 10 }, ask))).map(ms)
      const alone = median(await askTen())
      const growth = await watchMemory([near, far])
      const slow = Array.from({ length: SLOW_READERS }, () =>
        curl("--limit-rate", "10k", "--output", "/dev/null", `${site}/${SLOW_MIB}`),
      )
      // By then what is meant for them has come: five times what came for the ten.
      await wait(15_000 + 5 * alone)
      const beside = median(await askTen())
      const mib = growth()
      const left = slow.filter(({ exitCode }) => exitCode === null)
      for (const reader of slow) reader.kill()
      console.log(
        `A14: ${SLOW_MIB} MiB in ${alone.toFixed(0)} ms, beside them ${beside.toFixed(0)}`,
      )
      console.log(`A14: memory grew by ${mib.map((one) => one.toFixed(0)).join(" and ")} MiB`)
      expect(left.length).toBe(SLOW_READERS)
      for (const one of mib) expect(one).toBeLessThan(GROWTH_MIB_MAX)
      expect(beside).toBeLessThan(3 * alone + 2_000) // the machine is busy; what is lost waits for minutes
    })

    it("A15: i2pd dies and comes back: who asked hears of it, and the tunnels go on", async () => {
      const broken = curl("--fail", `${site}/1024`)
      const ended = once(broken, "exit")
      await Promise.race([once(broken.stdout, "data"), ended])
      expect(broken.exitCode).toBe(null)
      broken.stdout.resume()
      const died = performance.now()
      await killRouter(1)
      const [code] = await ended
      console.log(`A15: the download ended after ${(performance.now() - died).toFixed(0)} ms`)
      expect(code).not.toBe(0)
      await startRouter(1)
      const back = performance.now()
      const ask = () =>
        text(curl("--output", "/dev/null", "--write-out", "%{http_code}", `${site}/`).stdout)
      await expect.poll(ask, { timeout: 600_000, interval: 1_000 }).toBe("200")
      console.log(
        `A15: answered ${((performance.now() - back) / 1_000).toFixed(0)} s after SAM was back`,
      )
    })
  })

const ms = ({ ms }: { ms: number }) => ms

function median(values: number[]): number {
  return values.sort((left, right) => left - right)[values.length >> 1]!
}

async function timed<T>(deed: () => Promise<T>): Promise<{ value: T; ms: number }> {
  const startMs = performance.now()
  return { value: await deed(), ms: performance.now() - startMs }
}

/** Looks at resident memory often; the function it returns stops that and tells by how much it grew at most, in MiB. */
async function watchMemory(routers: readonly AlliumProcess[]): Promise<() => number[]> {
  const before = await Promise.all(routers.map(residentMib))
  const most = [...before]
  const timer = setInterval(() => {
    for (const [index, router] of routers.entries())
      void residentMib(router).then((mib) => {
        most[index] = Math.max(most[index]!, mib)
      })
  }, 250)
  onTestFinished(() => clearInterval(timer))
  return () => {
    clearInterval(timer)
    return most.map((mib, index) => mib - before[index]!)
  }
}

async function residentMib({ processId }: AlliumProcess): Promise<number> {
  const status = await readFile(`/proc/${processId}/status`, "utf8")
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_024
}

/** The parts of the contract that only a real router can break. ALLIUM_TESTNET_SAM_PORTS names SAM ports. */
import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { type AddressInfo, connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { buffer } from "node:stream/consumers"
import { setTimeout as wait } from "node:timers/promises"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { sites } from "../../../plugins/sites/index.ts"
import { siteServe } from "../../../plugins/sites/offers.ts"
import { systemClock } from "../../../src/base/clock.ts"
import { Scope } from "../../../src/base/scope.ts"
import { dial } from "../../../src/router/dial.ts"
import type { TunnelContext } from "../../../src/router/tunnel.ts"
import { openSupervisedSession } from "../../../src/sam/index.ts"
import { httpProxy } from "../../../tunnels/http-proxy/index.ts"
import { tcpClient } from "../../../tunnels/tcp-client/index.ts"
import { tcpServer } from "../../../tunnels/tcp-server/index.ts"
import type { FakeNetwork } from "../../support/fake-session.ts"
import { emptyDisk, startFakePlugin } from "../../support/fake-site-context.ts"
import { openFakeTunnelContext } from "../../support/fake-tunnel-context.ts"

const ports = (process.env.ALLIUM_TESTNET_SAM_PORTS ?? "").split(",").filter(Boolean).map(Number)
const [near, far] = [ports[0], ports.at(-1)]

/** One router's side of the network. */
function side(port: number): FakeNetwork {
  const bridge = { host: "127.0.0.1", port }
  return {
    faults: { tailLoss: true },
    open: () => openSupervisedSession({ bridge, keys: "transient" }),
  }
}

/** As the router hands it to a tunnel: dialling waits for a LeaseSet. */
async function contextAt(port: number, scope: Scope): Promise<TunnelContext> {
  const context = scope.use(await openFakeTunnelContext(side(port)))
  const tools = { clock: systemClock, chance: Math.random }
  return { ...context, dial: (session, host, call) => dial(session, host, call, tools) }
}

if (near === undefined || far === undefined || near === far)
  describe("tunnels over i2pd", () => {
    it.skip("needs ALLIUM_TESTNET_SAM_PORTS: run it with `npm run testnet`", () => {})
  })
else
  describe("tunnels over i2pd", () => {
    const scope = new Scope()
    const bytes = randomBytes(16 * 2 ** 20)
    let proxy: string
    let site: string
    let tcp: string

    beforeAll(async () => {
      const folder = await mkdtemp(join(tmpdir(), "allium-live-"))
      scope.defer(() => rm(folder, { recursive: true }))
      await writeFile(join(folder, "bytes.bin"), bytes)
      await writeFile(join(folder, "index.html"), "hello")
      const program = createServer((local) => local.end(bytes)).listen(0, "127.0.0.1")
      scope.defer(() => program.close())
      await once(program, "listening")
      const expose = String((program.address() as AddressInfo).port)

      const [plugin, serverContext, clientContext, proxyContext] = await Promise.all([
        startFakePlugin(sites, side(far), emptyDisk()),
        contextAt(far, scope),
        contextAt(near, scope),
        contextAt(near, scope),
      ])
      scope.use(plugin)
      const [served, server] = await Promise.all([
        plugin.run(siteServe, { folder, name: "live" }),
        tcpServer.open(serverContext, tcpServer.options.parse({ expose })),
      ])
      scope.use(server)
      const to = { to: [server.address], waitSeconds: 600 }
      const client = scope.use(await tcpClient.open(clientContext, tcpClient.options.parse(to)))
      const options = { listen: "0", waitSeconds: 600 }
      const tunnel = scope.use(await httpProxy.open(proxyContext, httpProxy.options.parse(options)))
      site = served.address
      tcp = client.listens!
      proxy = tunnel.listens!
    })
    afterAll(() => scope.close())

    const curl = async (...args: string[]) => {
      const all = ["--silent", "--fail", "--max-time", "700", "--proxy", `http://${proxy}`, ...args]
      const options = { encoding: "buffer", maxBuffer: 2 ** 27 } as const
      return (await promisify(execFile)("curl", all, options)).stdout
    }

    it("curl reads a served site by its b32, the first time and many times", async () => {
      const urls = Array.from({ length: 50 }, () => `http://${site}/`)
      expect((await curl(...urls)).toString()).toBe("hello".repeat(50))
    })

    it("curl fetches 16 MiB whole, also when it reads slowly and the site closes the connection", async () => {
      const url = `http://${site}/bytes.bin`
      expect((await curl(url)).equals(bytes)).toBe(true)
      const slow = await curl("--limit-rate", "2M", "--header", "Connection: close", url)
      expect(slow.equals(bytes)).toBe(true)
    })

    it("a program that pauses for 40 s while the other side closes gets everything", async () => {
      const local = connect({
        host: "127.0.0.1",
        port: Number(tcp.split(":")[1]),
        allowHalfOpen: true,
      })
      local.pause()
      await wait(40_000)
      const got = await buffer(local)
      local.end()
      expect(got.equals(bytes)).toBe(true)
    })
  })

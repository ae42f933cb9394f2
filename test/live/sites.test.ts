/** Servers over real i2pd: nginx and a Node server behind `http-server`, and sites, all read by curl. */
import { execFile, spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { buffer } from "node:stream/consumers"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { sites } from "../../plugins/sites/index.ts"
import { siteReceive, siteServe, siteShare, siteShow } from "../../plugins/sites/offers.ts"
import { systemClock } from "../../src/base/clock.ts"
import { Scope } from "../../src/base/scope.ts"
import { dial } from "../../src/router/dial.ts"
import type { TunnelContext } from "../../src/router/tunnel.ts"
import { openSupervisedSession } from "../../src/sam/index.ts"
import { httpProxy } from "../../tunnels/http-proxy/index.ts"
import { httpServer } from "../../tunnels/http-server/index.ts"
import type { FakeNetwork } from "../support/fake-session.ts"
import { emptyDisk, type FakeRun, startFakePlugin } from "../support/fake-site-context.ts"
import { openFakeTunnelContext } from "../support/fake-tunnel-context.ts"
import { foreign, lacks } from "../support/foreign-programs.ts"

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
  describe("servers over i2pd", () => {
    it.skip("needs ALLIUM_TESTNET_SAM_PORTS: run it with `npm run testnet`", () => {})
  })
else
  describe("servers over i2pd", () => {
    const scope = new Scope()
    const bytes = randomBytes(8 * 2 ** 20)
    const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest("hex")
    let root: string
    let proxy: string
    let plugin: FakeRun

    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), "allium-live-"))
      scope.defer(() => rm(root, { recursive: true }))
      await mkdir(join(root, "html"))
      await writeFile(join(root, "html", "bytes.bin"), bytes)
      await writeFile(join(root, "html", "index.html"), "hello")
      plugin = scope.use(await startFakePlugin(sites, side(far), emptyDisk()))
      const options = httpProxy.options.parse({ listen: "0", waitSeconds: 600 })
      proxy = scope.use(await httpProxy.open(await contextAt(near, scope), options)).listens!
    })
    afterAll(() => scope.close())

    const curl = async (...args: string[]) => {
      const all = ["--silent", "--max-time", "700", "--proxy", `http://${proxy}`, ...args]
      const options = { encoding: "buffer", maxBuffer: 2 ** 27 } as const
      return (await promisify(execFile)("curl", all, options)).stdout
    }

    const openServer = async (options: Record<string, unknown>): Promise<string> => {
      const parsed = httpServer.options.parse(options)
      return scope.use(await httpServer.open(await contextAt(far, scope), parsed)).address!
    }

    /** nginx on a Unix socket, with a log of who asked. */
    async function startNginx(): Promise<{ expose: string; log: () => Promise<string> }> {
      const [socket, log] = [join(root, "nginx.sock"), join(root, "access.log")]
      // As nobody, its workers could not read our folder.
      const config = `daemon off; user root; pid ${root}/nginx.pid; error_log ${root}/error.log; events {}
        http { log_format who '$http_x_i2p_destb32 $request_uri'; access_log ${log} who;
        client_body_temp_path ${root}/body; proxy_temp_path ${root}/proxy; fastcgi_temp_path ${root}/fastcgi;
        uwsgi_temp_path ${root}/uwsgi; scgi_temp_path ${root}/scgi;
        server { listen unix:${socket}; root ${root}/html; location /moved { return 302 http://127.0.0.1:8080/there; } } }`
      await writeFile(join(root, "nginx.conf"), config)
      const program = spawn(foreign("nginx"), ["-p", root, "-c", join(root, "nginx.conf")])
      scope.defer(() => void program.kill())
      await expect.poll(() => isListening(socket)).toBe(true)
      return { expose: `unix:${socket}`, log: () => readFile(log, "utf8") }
    }

    it.skipIf(lacks("nginx"))("A1: curl reads nginx: bytes, ranges, conditions, HEAD", async () => {
      const nginx = await startNginx()
      const url = `http://${await openServer({ expose: nginx.expose })}`
      expect(sha256(await curl("--fail", `${url}/bytes.bin`))).toBe(sha256(bytes))
      expect(
        (await curl("--range", "100-199", `${url}/bytes.bin`)).equals(bytes.subarray(100, 200)),
      ).toBe(true)
      const head = (await curl("--head", `${url}/`)).toString()
      expect(head).toMatch(/^HTTP\/1\.1 200/)
      expect(head).not.toMatch(/^(?:server|date|via):/im)
      const [, etag = ""] = /^etag: (.*)\r$/im.exec(head) ?? []
      const status = ["--output", "/dev/null", "--write-out", "%{http_code}"]
      const unchanged = await curl(...status, "--header", `If-None-Match: ${etag}`, `${url}/`)
      expect(unchanged.toString()).toBe("304")
      const moved = (await curl("--head", `${url}/moved`)).toString()
      expect(moved).toMatch(/^location: \/there\r$/im)
      await curl(
        "--header",
        "X-I2P-DestB32: forged",
        "--header",
        "X_I2P_DestB32: forged",
        `${url}/`,
      )
      expect(await nginx.log()).toMatch(/^(?:[a-z2-7]{52}\.b32\.i2p \S+\n)+$/)
    })

    it("A4, A7: curl keeps one stream to a Node server, uploads in chunks, and gets trailers", async () => {
      const server = createServer(async (request, response) => {
        const body = await buffer(request)
        response.writeHead(200, { Trailer: "X-Sum" })
        response.addTrailers({ "X-Sum": sha256(body) })
        response.end(`${request.method} ${body.length}`)
      }).listen(0, "127.0.0.1")
      scope.defer(() => server.close())
      await once(server, "listening")
      const url = `http://${await openServer({ expose: `${(server.address() as AddressInfo).port}` })}`
      const urls = Array.from({ length: 100 }, () => `${url}/`)
      expect((await curl(...urls)).toString()).toBe("GET 0".repeat(100))
      const upload = join(root, "html", "bytes.bin")
      const chunked = ["--header", "Transfer-Encoding: chunked", "--upload-file", upload]
      const put = (await curl("--include", ...chunked, `${url}/up`)).toString()
      expect(put).toContain(`PUT ${bytes.length}`)
    })

    it("a private site opens by its link, and by nothing else", async () => {
      const site = await plugin.run(siteServe, { folder: join(root, "html"), private: true })
      const status = ["--output", "/dev/null", "--write-out", "%{http_code}"]
      expect((await curl(...status, `http://${site.address}/`)).toString()).toBe("403")
      const jar = ["--location", "--cookie-jar", join(root, "jar"), "--cookie", join(root, "jar")]
      expect((await curl(...jar, site.url)).toString()).toBe("hello")
      const resumed = await curl(...jar, "--range", "1000-", `http://${site.address}/bytes.bin`)
      expect(resumed.equals(bytes.subarray(1_000))).toBe(true)
    })

    it("a shared file arrives whole and is counted once; files are dropped whole", async () => {
      const files = [join(root, "html", "bytes.bin")]
      const share = await plugin.run(siteShare, { files, name: "gift", downloads: 1 })
      expect(sha256(await curl("--fail", `${share.url}get/0/bytes.bin`))).toBe(sha256(bytes))
      await expect
        .poll(async () => (await plugin.run(siteShow, { name: "gift" })).downloads)
        .toBe(1)
      const inbox = join(root, "inbox")
      await mkdir(inbox)
      const box = await plugin.run(siteReceive, { folder: inbox })
      await curl("--form", "message=hi", "--form", `files=@${files[0]}`, box.url)
      const [visit = ""] = await readdir(inbox)
      expect(sha256(await readFile(join(inbox, visit, "bytes.bin")))).toBe(sha256(bytes))
    })
  })

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const local = connect({ path })
    local.once("connect", () => resolve(true)).once("error", () => resolve(false))
    local.once("connect", () => local.destroy())
  })
}

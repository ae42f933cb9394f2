/**
 * Programs of others through `socks`, over real i2pd, to a web server behind `http-server`: curl, git,
 * Chromium, and programs that know nothing of a proxy under proxychains and torsocks. Prosody speaks with another one
 * behind `tcp-server`; a server's name is led to a destination by its `mod_onions`, so nobody asks DNS.
 *
 * Run it with `npm run testnet -- npx vitest run --project live test/live/socks.test.ts`.
 */
import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join, normalize } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { systemClock } from "../../src/base/clock.ts"
import { Scope } from "../../src/base/scope.ts"
import { dial } from "../../src/router/dial.ts"
import type { TunnelContext } from "../../src/router/tunnel.ts"
import { openSupervisedSession } from "../../src/sam/index.ts"
import { httpServer } from "../../tunnels/http-server/index.ts"
import { socks } from "../../tunnels/socks/index.ts"
import { tcpServer } from "../../tunnels/tcp-server/index.ts"
import { openFakeTunnelContext } from "../support/fake-tunnel-context.ts"
import { CHROMIUM_FLAGS, CURL_AGAIN, foreign, lacks } from "../support/foreign-programs.ts"
import { openProsody, openSendxmpp } from "../support/xmpp-programs.ts"

const MIB = 2 ** 20
const hasNoXmpp = lacks("prosody", "mod_onions.lua", "go-sendxmpp")
const ports = (process.env.ALLIUM_TESTNET_SAM_PORTS ?? "").split(",").filter(Boolean).map(Number)
const [near, far] = [ports[0], ports.at(-1)]

/** Waits for one program; resolves with what it printed. */
async function run(program: string, args: string[], env: Record<string, string> = {}) {
  const options = {
    encoding: "latin1",
    maxBuffer: 2 ** 26,
    env: { ...process.env, ...env },
  } as const
  return (await promisify(execFile)(foreign(program), args, options)).stdout
}

/** As the router hands it to a tunnel: dialling waits for a LeaseSet. */
async function contextAt(port: number, scope: Scope): Promise<TunnelContext> {
  const bridge = { host: "127.0.0.1", port }
  const open = () => openSupervisedSession({ bridge, keys: "transient" })
  const context = scope.use(await openFakeTunnelContext({ faults: { tailLoss: true }, open }))
  const tools = { clock: systemClock, chance: Math.random }
  return { ...context, dial: (session, host, call) => dial(session, host, call, tools) }
}

/** Its script writes who visits; its picture is of the clear net. */
const PAGE = `<!doctype html><img src="http://example.org/"><p><script src="/script"></script>`

/** Answers with the visitor's address, with a large block, with a page, or with a file of the repository. */
class Site {
  readonly block = randomBytes(4 * MIB)
  requests = 0
  /** Folder of a bare git repository. */
  repository = ""

  serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { url = "" } = request
    this.requests++
    if (url === "/block") response.end(this.block)
    else if (url === "/page") response.setHeader("Content-Type", "text/html").end(PAGE)
    else if (url === "/script") response.end(`document.write("${visitorOf(request)}")`)
    else if (url.startsWith("/repo.git/")) await this.#sendFile(url, response)
    else response.end(visitorOf(request))
  }

  async #sendFile(url: string, response: ServerResponse): Promise<void> {
    const path = normalize(url.split("?")[0]!.slice("/repo.git/".length))
    const bytes = await readFile(join(this.repository, path)).catch(() => undefined)
    if (bytes === undefined) response.writeHead(404)
    response.end(bytes)
  }
}

function visitorOf({ headers }: IncomingMessage): string {
  return `${headers["x-i2p-destb32"]}`
}

if (near === undefined || far === undefined || near === far)
  describe("socks over i2pd", () => {
    it.skip("needs ALLIUM_TESTNET_SAM_PORTS: run it with `npm run testnet`", () => {})
  })
else
  describe("socks over i2pd", () => {
    const scope = new Scope()
    const site = new Site()
    let folder: string
    let host: string
    /** HOST:PORT. */
    let proxy: string
    let refusals: () => number
    /** HOST:PORT at which bob's server takes him, and its address for other servers. */
    let bobs: { server: string; address: string }

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "allium-live-"))
      scope.defer(() => rm(folder, { recursive: true, force: true }))
      const server = createServer((request, response) => void site.serve(request, response))
      scope.defer(() => void server.close().closeAllConnections())
      await once(server.listen(0, "127.0.0.1"), "listening")
      const expose = String((server.address() as AddressInfo).port)
      const [farContext, nearContext] = await Promise.all([
        contextAt(far, scope),
        contextAt(near, scope),
      ])
      const options = { listen: "0", waitSeconds: 600 }
      const [exposed, tunnel, exposedChat] = await Promise.all([
        httpServer.open(farContext, httpServer.options.parse({ expose })),
        socks.open(nearContext, socks.options.parse(options)),
        hasNoXmpp ? undefined : openBobsServer(),
      ])
      scope.use(exposed)
      scope.use(tunnel)
      host = exposed.address!
      proxy = tunnel.listens!
      refusals = () => tunnel.counters()["failed.PROXY_REFUSED"] ?? 0
      if (exposedChat !== undefined) bobs = exposedChat
      await curl(...CURL_AGAIN, "--socks5-hostname", proxy, `http://${host}/`)
    })
    afterAll(() => scope.close())

    async function openBobsServer() {
      const wish = { folder: join(folder, "bob"), nicks: ["bob"], other: "localhost" } as const
      const { people, servers } = await openProsody({ ...wish, domain: "sam.test" }, scope)
      const options = tcpServer.options.parse({ expose: String(servers) })
      const { address } = scope.use(await tcpServer.open(await contextAt(far!, scope), options))
      return { server: `127.0.0.1:${people}`, address: address! }
    }

    /** Whoever is there says something to a word that is not XMPP; a first stream may stay silent. */
    async function expectAnswer(address: string): Promise<void> {
      const words = ["--silent", "--http0.9", "--max-time", "8", "--socks5-hostname", proxy]
      const ask = () =>
        run("curl", [...words, `http://${address}:5269/`]).catch(({ stdout }) => stdout)
      await expect.poll(ask, { timeout: 600_000, interval: 1_000 }).toContain("stream:error")
    }

    const CURL = ["--silent", "--show-error", "--fail", "--max-time", "700"]
    const curl = (...args: string[]) => run("curl", [...CURL, ...args])

    it("A12: curl by SOCKS 5 and 4a gets a page, and a large block whole", async () => {
      const visitor = await curl("--socks5-hostname", proxy, `http://${host}/`)
      expect(visitor).toMatch(/^[a-z2-7]{52}\.b32\.i2p$/)
      expect(await curl("--socks4a", proxy, `http://${host}/`)).toBe(visitor)
      const startedMs = performance.now()
      const block = await curl("--socks5-hostname", proxy, `http://${host}/block`)
      const rate = 4 / ((performance.now() - startedMs) / 1_000)
      console.log(`4 MiB at ${rate.toFixed(1)} MiB/s`)
      expect(Buffer.from(block, "latin1").equals(site.block)).toBe(true)
    })

    it("A12: nothing leads to the clear net: neither a name nor an address", async () => {
      const before = site.requests
      const refused = { code: 97 } // curl: the proxy refused
      const ask = (way: string, to: string) => curl(way, proxy, `http://${to}/`)
      await expect(ask("--socks5-hostname", "example.org")).rejects.toMatchObject(refused)
      await expect(ask("--socks5-hostname", "192.0.2.1")).rejects.toMatchObject(refused)
      await expect(ask("--socks5-hostname", "[2001:db8::1]")).rejects.toMatchObject(refused)
      await expect(ask("--socks4a", "example.org")).rejects.toMatchObject(refused)
      expect(site.requests).toBe(before)
    })

    it("B17: two users are two visitors, and one who comes again is the same", async () => {
      const ask = (user: string) =>
        curl("--socks5-hostname", `${user}:x@${proxy}`, `http://${host}/`)
      const [nobody, ann, bob] = await Promise.all([
        curl("--socks5-hostname", proxy, `http://${host}/`),
        ask("ann"),
        ask("bob"),
      ])
      expect(new Set([nobody, ann, bob]).size).toBe(3)
      expect(await ask("ann")).toBe(ann)
    })

    it.skipIf(lacks("git"))("A9: git clones over SOCKS", async () => {
      const git = (...args: string[]) => run("git", args)
      const work = join(folder, "work")
      await git("init", "--quiet", work)
      await writeFile(join(work, "file.bin"), site.block)
      const me = ["-c", "user.name=a", "-c", "user.email=a@a"]
      await git("-C", work, "add", ".")
      await git("-C", work, ...me, "commit", "--quiet", "--message", "one")
      site.repository = join(folder, "bare.git")
      await git("clone", "--quiet", "--bare", work, site.repository)
      await git("-C", site.repository, "update-server-info")
      const copy = join(folder, "copy")
      const through = `http.proxy=socks5h://${proxy}`
      await git("-c", through, "clone", "--quiet", `http://${host}/repo.git`, copy)
      expect((await readFile(join(copy, "file.bin"))).equals(site.block)).toBe(true)
    })

    it.skipIf(lacks("chromium"))(
      "A12: Chromium shows a page and runs its script, and what is of the clear net goes nowhere",
      async () => {
        const before = refusals()
        const shown = await run("chromium", [
          ...CHROMIUM_FLAGS,
          ...["--dump-dom", `--user-data-dir=${join(folder, "chromium")}`],
          ...[`--proxy-server=socks5://${proxy}`, "--proxy-bypass-list=<-loopback>"],
          `http://${host}/page`,
        ])
        expect(shown).toMatch(/<\/script>[a-z2-7]{52}\.b32\.i2p<\/p>/)
        expect(refusals()).toBeGreaterThan(before) // it asked the proxy by name, not the system
      },
    )

    it.skipIf(hasNoXmpp)(
      "A11: two servers of XMPP bring their people's words to each other",
      async () => {
        await expectAnswer(bobs.address)
        const wish = { folder: join(folder, "ann"), nicks: ["ann"], other: "sam.test" } as const
        const way = { address: bobs.address, proxy }
        const { people } = await openProsody({ ...wish, way, domain: "localhost" }, scope)
        const anns = `127.0.0.1:${people}`
        const ann = openSendxmpp(
          { home: folder, nick: "ann", domain: "localhost", to: "bob@sam.test", server: anns },
          scope,
        )
        const bob = openSendxmpp(
          {
            home: folder,
            nick: "bob",
            domain: "sam.test",
            to: "ann@localhost",
            server: bobs.server,
          },
          scope,
        )
        const patience = { timeout: 300_000 }
        ann.say("hello from ann")
        await expect.poll(() => bob.text, patience).toContain("ann@localhost: hello from ann\n")
        bob.say("hello from bob")
        await expect.poll(() => ann.text, patience).toContain("bob@sam.test: hello from bob\n")
      },
    )

    it.skipIf(lacks("libproxychains.so.4"))(
      "A12: under proxychains, a program that knows no proxy gets through, and nowhere else",
      async () => {
        const config = join(folder, "proxychains.conf")
        const [ip, port] = proxy.split(":")
        const head = "strict_chain\nproxy_dns\nremote_dns_subnet 224\nquiet_mode\n"
        await writeFile(config, `${head}[ProxyList]\nsocks5 ${ip} ${port}\n`)
        await expectCaptured("libproxychains.so.4", { PROXYCHAINS_CONF_FILE: config })
      },
    )

    it.skipIf(lacks("libtorsocks.so"))(
      "A12: under torsocks, a program that knows no proxy gets through, and nowhere else",
      async () => {
        const config = join(folder, "torsocks.conf")
        const [ip, port] = proxy.split(":")
        const head = "OnionAddrRange 127.42.42.0/24\nAllowOutboundLocalhost 1\n"
        await writeFile(config, `${head}TorAddress ${ip}\nTorPort ${port}\n`)
        await expectCaptured("libtorsocks.so", { TORSOCKS_CONF_FILE: config })
      },
    )

    /** A library that takes a program's connections leads them into I2P, or nowhere. */
    async function expectCaptured(library: string, config: Record<string, string>): Promise<void> {
      const env = { ...config, LD_PRELOAD: foreign(library) }
      const ask = (to: string) => run("curl", [...CURL, `http://${to}/`], env)
      expect(await ask(host)).toMatch(/^[a-z2-7]{52}\.b32\.i2p$/)
      const before = refusals()
      await expect(ask("example.org")).rejects.toMatchObject({ code: expect.any(Number) })
      expect(refusals()).toBeGreaterThan(before) // it asked the proxy, not the system
    }
  })

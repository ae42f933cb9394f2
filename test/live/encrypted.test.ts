/** Encrypted LeaseSets on real i2pd: a site that only its guests find, read through `http-proxy`. */
import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { sites } from "../../plugins/sites/index.ts"
import { siteInvite, siteServe, siteUninvite } from "../../plugins/sites/offers.ts"
import { systemClock } from "../../src/base/clock.ts"
import { Scope } from "../../src/base/scope.ts"
import { dial } from "../../src/router/dial.ts"
import { openSupervisedSession, type Session } from "../../src/sam/index.ts"
import {
  encryptedAddress,
  encryptedOptions,
  newReaderKey,
  readerOptions,
} from "../../src/sam/reader-keys.ts"
import type { I2cpOptions } from "../../src/sam/session-options.ts"
import { httpProxy } from "../../tunnels/http-proxy/index.ts"
import { emptyDisk, startFakePlugin } from "../support/fake-site-context.ts"
import { openFakeTunnelContext } from "../support/fake-tunnel-context.ts"

const ports = (process.env.ALLIUM_TESTNET_SAM_PORTS ?? "").split(",").filter(Boolean).map(Number)
const [near, far] = [ports[0], ports.at(-1)]

if (near === undefined || far === undefined || near === far)
  describe("encrypted LeaseSets", () => {
    it.skip("needs ALLIUM_TESTNET_SAM_PORTS: run it with `npm run testnet`", () => {})
  })
else
  describe("encrypted LeaseSets", () => {
    const scope = new Scope()
    const { signal } = scope
    const tools = { clock: systemClock, chance: Math.random }
    const open = (port: number, i2cpOptions: I2cpOptions = {}): Session => {
      const bridge = { host: "127.0.0.1", port }
      return scope.use(openSupervisedSession({ bridge, keys: "transient", i2cpOptions }))
    }
    let root: string
    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), "allium-live-"))
      scope.defer(() => rm(root, { recursive: true }))
      await writeFile(join(root, "index.html"), "for guests")
    })
    afterAll(() => scope.close())

    it("A18: 32 reader keys open the way, and nothing else does, by b33 or by hash", async () => {
      const keys = Array.from({ length: 32 }, newReaderKey)
      const server = open(far, encryptedOptions(keys))
      const address = encryptedAddress(server.destination)
      await server.ready({ signal })
      const [first, last, wrong, none] = [keys[0]!, keys[31]!, newReaderKey()]
        .map((key) => open(near, readerOptions(key)))
        .concat(open(near))
      void (async () => {
        for await (const stream of server.incoming) stream.on("error", () => {}).end("inside")
      })()
      for (const reader of [first!, last!]) {
        const stream = await dial(reader, address, { signal, waitMs: 300_000 }, tools)
        stream.on("error", () => {}).write("?")
        expect(String((await stream.iterator().next()).value)).toBe("inside")
        expect((await reader.lookup(address, { signal })).b32).toBe(server.destination.b32)
      }
      for (const stranger of [wrong!, none!])
        for (const target of [address, server.destination.b32]) {
          const refused = { code: expect.stringMatching(/^(?:PEER_UNREACHABLE|NAME_NOT_FOUND)$/) }
          await expect(stranger.connect(target, { signal })).rejects.toMatchObject(refused)
          // Their router met the destination as a guest's, so by its hash it knows the name, and no way.
          if (target === address)
            await expect(stranger.lookup(target, { signal })).rejects.toMatchObject(refused)
        }
    })

    it("A18: a guest's link leads into an encrypted site through the proxy; guests come and go", async () => {
      const plugin = scope.use(
        await startFakePlugin(sites, { open: () => open(far) } as never, emptyDisk(), {
          session: async ({ readers = [] }) => open(far, encryptedOptions(readers)),
        }),
      )
      const site = await plugin.run(siteServe, { folder: root, name: "hidden", encrypted: true })
      expect(site.address).toMatch(/^[a-z2-7]{56}\.b32\.i2p$/)
      const more = { name: "hidden", guest: "grandma", link: true }
      const { link } = await plugin.run(siteInvite, more)
      const context = scope.use(await openFakeTunnelContext({ open: () => open(near) } as never))
      const sessions = new Map<string, Session>()
      const readers: (string | undefined)[] = []
      const options = httpProxy.options.parse({ listen: "0", waitSeconds: 300 })
      const { listens } = scope.use(
        await httpProxy.open(
          {
            ...context,
            lookup: async (name) => ({ address: name, source: "address", isPublic: false }),
            dial: (session, host, call) => dial(session, host, call, tools),
            async session(wish) {
              const readerKey = "readerKey" in wish ? wish.readerKey : undefined
              if (!sessions.has(wish.name ?? "")) readers.push(readerKey)
              const made =
                sessions.get(wish.name ?? "") ??
                open(near, readerKey ? readerOptions(readerKey) : {})
              sessions.set(wish.name ?? "", made)
              return made
            },
          },
          options,
        ),
      )
      const curl = async (jar: string, url: string) => {
        const cookies = ["--location", "--cookie-jar", join(root, jar), "--cookie", join(root, jar)]
        const how = ["--silent", "--max-time", "400", "--write-out", " %{http_code}"]
        const args = [...how, "--proxy", `http://${listens}`, ...cookies, url]
        return (await promisify(execFile)("curl", args)).stdout
      }
      expect(await curl("first", site.url)).toBe("for guests 200")
      expect(await curl("second", link)).toBe("for guests 200")
      expect(readers.filter((key) => key !== undefined)).toHaveLength(2)
      await plugin.run(siteUninvite, { name: "hidden", guest: "grandma" })
      expect(await curl("second", `http://${new URL(link).host}/`)).toMatch(/ 403$/)
      expect(await curl("first", `http://${new URL(site.url).host}/`)).toBe("for guests 200")
    })
  })

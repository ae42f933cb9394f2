import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../../src/bridge/index.ts"
import type { Finding, Status } from "../../../src/router/core/status-offers.ts"
import { parseHostLine } from "../../../src/router/names/host-line.ts"
import { checkOuter } from "../../../src/router/names/signed-record.ts"
import { createRouter, type Router } from "../../../src/router/router.ts"
import { parseDestination } from "../../../src/sam/index.ts"
import { tcpClient } from "../../../tunnels/tcp-client/index.ts"
import { tcpServer } from "../../../tunnels/tcp-server/index.ts"
import { projectRoot } from "../../support/project.ts"

const B32 = `${"a".repeat(52)}.b32.i2p`

describe("createRouter()", () => {
  let bridge: EmbeddedBridge
  let folder: string
  let pluginFolder: string
  let router: Router

  const open = () =>
    createRouter({
      home: join(folder, "home"),
      network: { choice: "embedded", sam: bridge.address },
      plugins: [],
      tunnels: [tcpClient, tcpServer],
    })
  const ask = async <T = unknown>(verb: string, input: Record<string, unknown> = {}) => {
    const call = { signal: new AbortController().signal, progress: () => {} }
    const answer = await router.offers.run(verb, input, call)
    return ("document" in answer ? answer.document : undefined) as T
  }
  const reopen = async () => {
    await router[Symbol.asyncDispose]()
    router = await open()
  }

  beforeAll(async () => {
    bridge = await openEmbeddedBridge()
    folder = await mkdtemp(join(tmpdir(), "allium-router-"))
    // Inside the project, where the test runner finds `allium/plugin`; anywhere else is told in test/scenario.
    pluginFolder = await mkdtemp(join(projectRoot, "test", ".examples-"))
    router = await open()
  })
  afterAll(async () => {
    await router[Symbol.asyncDispose]()
    await bridge[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
    await rm(pluginFolder, { recursive: true })
  })

  describe("names", () => {
    it("lead where the user said, also after a restart, and are never overwritten", async () => {
      await ask("name add", { name: "Forum.i2p", address: B32 })
      await reopen()
      expect(await ask("name lookup", { name: "forum.I2P" })).toEqual({
        name: "forum.i2p",
        address: B32,
        source: "petname",
      })
      await expect(ask("name add", { name: "forum.i2p", address: B32 })).rejects.toMatchObject({
        code: "ALREADY_EXISTS",
      })
    })

    it.each([
      ["a space", { name: "my forum", address: B32 }, "BAD_NAME"],
      ["an address as a name", { name: B32, address: B32 }, "BAD_NAME"],
      ["68 characters", { name: `${"a".repeat(64)}.i2p`, address: B32 }, "BAD_NAME"],
      ["half an address", { name: "x.i2p", address: "aaaa.b32.i2p" }, "BAD_NAME"],
      ["no destination", { name: "x.i2p", address: "AAAA" }, "BAD_DESTINATION"],
    ])("refuse %s", async (_, input, code) => {
      await expect(ask("name add", input)).rejects.toMatchObject({ code })
    })

    it("answer for whole addresses, and say so when nobody knows", async () => {
      expect(await ask("name lookup", { name: B32 })).toMatchObject({ source: "address" })
      for (const name of ["nobody.i2p", "nobody", "x".repeat(900)])
        await expect(ask("name lookup", { name })).rejects.toMatchObject({
          code: expect.stringMatching(/^(NAME_NOT_FOUND|BAD_NAME)$/),
        })
    })

    it("can be forgotten", async () => {
      await ask("name remove", { name: "forum.i2p" })
      expect(await ask("name list")).toEqual([])
      await expect(ask("name remove", { name: "forum.i2p" })).rejects.toMatchObject({
        code: "NAME_NOT_FOUND",
      })
    })
  })

  describe("names told to others and by others", () => {
    it("are signed as a tunnel of ours, and by nobody else", async () => {
      const made = await ask<{ address: string }>("tunnel add tcp-server", {
        name: "published",
        expose: "127.0.0.1:22",
      })
      for (const owner of ["published", made.address]) {
        const { record } = await ask<{ record: string }>("name publish", {
          name: "Forum.i2p",
          for: owner,
        })
        expect(record).toMatch(/^forum\.i2p=\S+#!date=\d+#sig=\S+$/)
        const line = parseHostLine(record)
        if (line.kind !== "name") throw new Error(line.kind)
        expect(checkOuter(line.written, line.fields, line.address)).toBe("valid")
        expect(parseDestination(line.address).b32).toBe(made.address)
      }
      await expect(ask("name publish", { name: "a.i2p", for: "nobody" })).rejects.toMatchObject({
        code: "NOT_FOUND",
      })
      await ask("tunnel remove", { name: "published" })
    })

    it("come from feeds that are kept over restarts", async () => {
      const url = "http://feed.i2p/hosts.txt"
      await ask("name feed add", { url })
      await reopen()
      expect(await ask("name feed list")).toMatchObject([{ url, names: 0 }])
      await ask("name feed remove", { url })
      expect(await ask("name feed list")).toEqual([])
    })
  })

  describe("tunnels", () => {
    it("come back after a restart, with the same address", async () => {
      const made = await ask<{ address: string }>("tunnel add tcp-server", {
        name: "ssh",
        expose: "127.0.0.1:22",
      })
      expect(made.address).toMatch(/\.b32\.i2p$/)
      await reopen()
      expect(await ask("tunnel show", { name: "ssh" })).toMatchObject({
        kind: "tcp-server",
        state: "open",
        address: made.address,
      })
    })

    it("get another address when they are made again after they were removed", async () => {
      const { address } = await ask<{ address: string }>("tunnel show", { name: "ssh" })
      await ask("tunnel remove", { name: "ssh" })
      const again = await ask<{ address: string }>("tunnel add tcp-server", {
        name: "ssh",
        expose: "127.0.0.1:22",
      })
      expect(again.address).not.toBe(address)
    })

    it("that cannot be opened are not kept", async () => {
      const taken = createServer().listen(0, "127.0.0.1")
      await new Promise((resolve) => taken.once("listening", resolve))
      const { port } = taken.address() as { port: number }
      const input = { name: "client", to: [B32], listen: String(port) }
      await expect(ask("tunnel add tcp-client", input)).rejects.toMatchObject({
        code: "PORT_TAKEN",
      })
      await new Promise((resolve) => taken.close(resolve))
      await expect(ask("tunnel show", { name: "client" })).rejects.toMatchObject({
        code: "NO_TUNNEL",
      })
    })
  })

  describe("plugins of the user's own", () => {
    const code = (name: string, body: string) => `
      import { definePlugin, offer, z } from "allium/plugin"
      const say = offer({ verb: "${name} say", summary: "Say it", input: z.object({}), output: z.object({ said: z.string() }) })
      export default definePlugin({ name: "${name}", offers: [say], async start(context) { ${body} } })`
    const write = async (name: string, body: string) => {
      const place = join(pluginFolder, name)
      await mkdir(place, { recursive: true })
      await writeFile(join(place, "index.mjs"), code(name, body))
      return place
    }
    const works = `context.answer(say, async () => ({ said: "hello" })); return undefined`

    it("offer at once, after a restart too, and nothing once removed", async () => {
      await ask("plugin add", { path: await write("greeter", works) })
      expect(await ask("greeter say")).toEqual({ said: "hello" })
      await reopen()
      expect(await ask("greeter say")).toEqual({ said: "hello" })
      await ask("plugin remove", { name: "greeter" })
      await expect(ask("greeter say")).rejects.toMatchObject({ code: "UNKNOWN_VERB" })
    })

    it.each([
      ["throws at start", "sad", `throw new Error("no")`],
      ["does not answer its offer", "mute", "return undefined"],
    ])("that %s are refused, and the router lives", async (_, name, body) => {
      const path = await write(name, body)
      await expect(ask("plugin add", { path })).rejects.toMatchObject({ code: "PLUGIN_FAILED" })
      expect(await ask("plugin list")).toEqual([])
    })

    it.each([
      ["is not there", async () => join(folder, "nowhere")],
      [
        "is no plugin",
        async () => {
          await writeFile(join(folder, "none.mjs"), "export default 7")
          return join(folder, "none.mjs")
        },
      ],
      [
        "does not parse",
        async () => {
          await writeFile(join(folder, "broken.mjs"), "export default {{")
          return join(folder, "broken.mjs")
        },
      ],
    ])("whose module %s are refused", async (_, place) => {
      await expect(ask("plugin add", { path: await place() })).rejects.toMatchObject({
        code: "PLUGIN_FAILED",
      })
    })
  })

  describe("status and doctor", () => {
    it("say that the embedded network is not anonymous", async () => {
      expect((await ask<Status>("status")).network).toMatchObject({ anonymous: false })
      const network = (await ask<Finding[]>("doctor")).find(({ check }) => check === "network")
      expect(network).toMatchObject({
        state: "warning",
        found: expect.stringContaining("NOT ANON"),
      })
    })

    it("show each session with its owner", async () => {
      await ask("identity create", { name: "ann" })
      const { sessions } = await ask<Status>("status")
      expect(sessions.map(({ owner }) => owner).sort()).toEqual(["identity ann", "tunnel ssh"])
      expect(new Set(sessions.map(({ address }) => address)).size).toBe(2)
    })
  })
})

import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { connect, createServer, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../../src/bridge/index.ts"
import { createRouter, type Router } from "../../../src/router/router.ts"
import type { TunnelReport } from "../../../src/router/tunnel-host.ts"
import { httpProxy } from "../../../tunnels/http-proxy/index.ts"
import { httpServer } from "../../../tunnels/http-server/index.ts"
import { tcpClient } from "../../../tunnels/tcp-client/index.ts"
import { tcpServer } from "../../../tunnels/tcp-server/index.ts"
import { openSampleApi } from "../api/sample-api.ts"

const KINDS = [httpProxy, httpServer, tcpClient, tcpServer]

describe("tunnels at run time", () => {
  let bridge: EmbeddedBridge
  let folder: string
  let router: Router
  let echo: Server
  let echoPort: number

  const open = () =>
    createRouter({
      home: join(folder, "home"),
      network: { choice: "embedded", sam: bridge.address },
      plugins: [],
      tunnels: KINDS,
    })
  const ask = async <T = TunnelReport>(verb: string, input: Record<string, unknown> = {}) => {
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
    folder = await mkdtemp(join(tmpdir(), "allium-tunnels-"))
    echo = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => {})
      socket.pipe(socket)
    }).listen(0, "127.0.0.1")
    await once(echo, "listening")
    echoPort = (echo.address() as { port: number }).port
    router = await open()
    const { address } = await ask("tunnel add tcp-server", {
      name: "echo",
      expose: `127.0.0.1:${echoPort}`,
    })
    await ask("tunnel add tcp-client", { name: "steady", to: [address] })
    await ask("tunnel add tcp-client", { name: "other", to: [address] })
  })
  afterAll(async () => {
    await router[Symbol.asyncDispose]()
    await bridge[Symbol.asyncDispose]()
    echo.close()
    await rm(folder, { recursive: true })
  })

  it("A16: 20 connections go on while others are added, edited, stopped, started and removed", async () => {
    const { listens = "" } = await ask("tunnel show", { name: "steady" })
    const talkers = await Promise.all(Array.from({ length: 20 }, () => openTalker(listens)))
    const say = (word: string) => Promise.all(talkers.map((talker) => talker.say(word)))
    await say("before")
    await ask("tunnel edit", { name: "other", waitSeconds: 5 })
    await say("edited")
    await ask("tunnel stop", { name: "other" })
    await ask("tunnel start", { name: "other" })
    await ask("tunnel restart", { name: "other" })
    await say("restarted")
    await ask("tunnel add http-proxy", { name: "extra", listen: "127.0.0.1:0", lazy: true })
    await ask("tunnel remove", { name: "extra" })
    await say("removed")
    expect(talkers.filter(({ socket }) => socket.destroyed)).toEqual([])
    for (const { socket } of talkers) socket.destroy()
  })

  it("edit keeps the address and every option that was not named, also over a restart", async () => {
    const before = await ask("tunnel show", { name: "echo" })
    const after = await ask("tunnel edit", {
      name: "echo",
      connectionsPerPeer: 7,
      clientFirst: true,
    })
    const options = { ...before.options, connectionsPerPeer: 7, clientFirst: true }
    expect(after).toMatchObject({ state: "open", address: before.address, options })
    await reopen()
    expect(await ask("tunnel show", { name: "echo" })).toMatchObject({ state: "open", options })
  })

  it("edit gives options their defaults back by the name of the flag", async () => {
    const edit = { name: "echo", unset: ["connections-per-peer", "--client-first"] }
    const { options } = await ask("tunnel edit", edit)
    expect(options).not.toMatchObject({ connectionsPerPeer: 7 })
    expect(options).toMatchObject({ clientFirst: false })
  })

  it.each([
    ["an option of another kind", { clientFirst: true }, "BAD_INPUT"],
    ["a value its kind refuses", { connections: 0 }, "BAD_INPUT"],
    ["several values where one is wanted", { toPort: 1, listen: "nonsense" }, "BAD_INPUT"],
    ["an unknown name to unset", { unset: ["__proto__"] }, "BAD_INPUT"],
    ["nothing", {}, "BAD_INPUT"],
  ])("edit refuses %s and leaves the tunnel as it was", async (_, edit, code) => {
    const before = await ask("tunnel show", { name: "steady" })
    await expect(ask("tunnel edit", { name: "steady", ...edit })).rejects.toMatchObject({ code })
    expect(await ask("tunnel show", { name: "steady" })).toMatchObject({
      state: "open",
      options: before.options,
    })
  })

  it("edit that cannot be opened is undone: the old one listens again", async () => {
    const listen = `127.0.0.1:${echoPort}`
    await ask("tunnel edit", { name: "steady", waitSeconds: 9 })
    await expect(ask("tunnel edit", { name: "steady", listen })).rejects.toMatchObject({
      code: "PORT_TAKEN",
    })
    const { state, listens = "", options } = await ask("tunnel show", { name: "steady" })
    expect({ state, waitSeconds: options.waitSeconds }).toEqual({ state: "open", waitSeconds: 9 })
    const talker = await openTalker(listens)
    await talker.say("still here")
    talker.socket.destroy()
  })

  it("stop ends the listener and its session, and lasts over a restart until start", async () => {
    const { listens = "" } = await ask("tunnel show", { name: "other" })
    await ask("tunnel stop", { name: "other" })
    await expect(openTalker(listens)).rejects.toMatchObject({ code: "ECONNREFUSED" })
    await reopen()
    const shown = await ask("tunnel show", { name: "other" })
    expect(shown.state).toBe("stopped")
    expect(shown.listens).toBeUndefined()
    const { sessions } = await ask<{ sessions: { owner: string }[] }>("status")
    expect(sessions.map(({ owner }) => owner)).not.toContain("tunnel other")
    expect(await ask("tunnel edit", { name: "other", waitSeconds: 8 })).toMatchObject({
      state: "stopped",
    })
    expect(await ask("tunnel start", { name: "other" })).toMatchObject({
      state: "open",
      options: { waitSeconds: 8 },
    })
  })

  it("deeds on one tunnel run one after another", async () => {
    const deeds = ["stop", "start", "restart", "stop", "restart"].map((deed) =>
      ask(`tunnel ${deed}`, { name: "other" }),
    )
    const states = (await Promise.all(deeds)).map(({ state }) => state)
    expect(states).toEqual(["stopped", "open", "open", "stopped", "open"])
  })

  it("one name is added once, however many ask at the same time", async () => {
    const adding = ["a", "b"].map(() =>
      ask("tunnel add http-proxy", { name: "twice", listen: "127.0.0.1:0", lazy: true }),
    )
    const made = await Promise.allSettled(adding)
    expect(made.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"])
    await ask("tunnel remove", { name: "twice" })
  })

  it.each(["edit", "stop", "start", "restart", "remove"])(
    "%s says when there is none",
    async (deed) => {
      const input = { name: "nobody", ...(deed === "edit" && { listen: "0" }) }
      await expect(ask(`tunnel ${deed}`, input)).rejects.toMatchObject({ code: "NO_TUNNEL" })
    },
  )

  it("numbers of every kind are in show and, with the token alone, at GET /metrics", async () => {
    const { listens = "" } = await ask("tunnel show", { name: "steady" })
    const talker = await openTalker(listens)
    await talker.say("count me")
    const shown = await ask("tunnel show", { name: "steady" })
    expect(shown).toMatchObject({ sessions: 1, firstByte: { count: 1 } })
    expect(shown.counters).toMatchObject({ connectionsNow: 1, bytesIn: 8, bytesOut: 8 })
    await using sample = await openSampleApi({ offers: router.offers })
    const path = "/metrics"
    const get = { method: "GET", path }
    const { status, headers, body } = await sample.ask("loopback", get)
    expect([status, headers["content-type"]]).toEqual([
      200,
      "text/plain; version=0.0.4; charset=utf-8",
    ])
    expect(body).toContain('allium_tunnel_connections{tunnel="steady"} 1\n')
    expect(body).toContain('allium_tunnel_first_byte_seconds_count{tunnel="echo"}')
    expect(body).not.toMatch(/i2p"|127\.0/)
    const stranger = { ...get, headers: { authorization: "" } }
    expect((await sample.ask("loopback", stranger)).status).toBe(401)
    expect((await sample.ask("socket", { method: "POST", path, body: "{}" })).status).toBe(405)
    talker.socket.resetAndDestroy()
    const now = async () => (await ask("tunnel show", { name: "steady" })).counters.connectionsNow
    await expect.poll(now).toBe(0)
  })

  it("no session is shared: identities and tunnels have one each", async () => {
    await ask("identity create", { name: "ann" })
    const { sessions } = await ask<{ sessions: { owner: string; address: string }[] }>("status")
    expect(new Set(sessions.map(({ address }) => address)).size).toBe(sessions.length)
    expect(sessions.map(({ owner }) => owner)).toContain("identity ann")
    expect(sessions.map(({ owner }) => owner)).toContain("tunnel echo")
  })
})

/** A connection that says a word and hears it again. */
async function openTalker(
  listens: string,
): Promise<{ socket: Socket; say(word: string): Promise<void> }> {
  const socket = connect(Number(listens.split(":")[1]), "127.0.0.1")
  await once(socket, "connect")
  return {
    socket,
    async say(word) {
      socket.write(word)
      let heard = ""
      while (heard.length < word.length) heard += String((await once(socket, "data"))[0])
      expect(heard).toBe(word)
    },
  }
}

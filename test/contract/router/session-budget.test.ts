import { mkdtemp, rm } from "node:fs/promises"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../../src/bridge/index.ts"
import { definePlugin, type PluginContext } from "../../../src/plugin.ts"
import type { Finding, Status } from "../../../src/router/core/status-offers.ts"
import { createRouter, type Router } from "../../../src/router/router.ts"
import { openSessionBudget } from "../../../src/router/session-budget.ts"
import { socks } from "../../../tunnels/socks/index.ts"
import { tcpClient } from "../../../tunnels/tcp-client/index.ts"
import { tcpServer } from "../../../tunnels/tcp-server/index.ts"

const ANYWHERE = `${"a".repeat(52)}.b32.i2p`
const SESSIONS = 4

describe("the budget of sessions", () => {
  let bridge: EmbeddedBridge
  let folder: string
  let router: Router
  let plugin: PluginContext

  const greedy = definePlugin({
    name: "greedy",
    offers: [],
    async start(context) {
      plugin = context
    },
  })
  const ask = async <T>(verb: string, input: Record<string, unknown> = {}) => {
    const call = { signal: new AbortController().signal, progress: () => {} }
    const answer = await router.offers.run(verb, input, call)
    return ("document" in answer ? answer.document : undefined) as T
  }
  const show = (name: string) =>
    ask<{ listens: string; sessions: number; counters: Record<string, number> }>("tunnel show", {
      name,
    })

  beforeAll(async () => {
    bridge = await openEmbeddedBridge()
    folder = await mkdtemp(join(tmpdir(), "allium-budget-"))
    router = await createRouter({
      home: join(folder, "home"),
      network: { choice: "embedded", sam: bridge.address },
      plugins: [greedy],
      tunnels: [socks, tcpClient, tcpServer],
      sessionsMax: SESSIONS,
    })
  })
  afterAll(async () => {
    await router[Symbol.asyncDispose]()
    await bridge[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  it("is for tunnels and plugins together, isolation included; identities do not count", async () => {
    await ask("identity create", { name: "me" })
    await ask("tunnel add socks", { name: "proxy", listen: "127.0.0.1:0", lazy: true })
    const { listens } = await show("proxy")
    const held = [socksConnect(listens, "ann", ANYWHERE), socksConnect(listens, "bob", ANYWHERE)]
    await expect.poll(async () => (await show("proxy")).sessions).toBe(2)
    await ask("tunnel add tcp-server", { name: "web", expose: "127.0.0.1:9" })
    const site = await plugin.session({ name: "one", keys: "transient" })
    const denied = plugin.session({ name: "two", keys: "transient" })
    await expect(denied).rejects.toMatchObject({
      code: "SESSION_LIMIT",
      message: expect.stringMatching(
        /have 4 already \(tunnel proxy 2, tunnel web 1, plugin greedy 1; not counted: identity 1/,
      ),
    })
    await expect(
      ask("tunnel add tcp-server", { name: "late", expose: "127.0.0.1:9" }),
    ).rejects.toMatchObject({ code: "SESSION_LIMIT" })
    const { budget } = await ask<Status>("status")
    expect(budget).toEqual({
      used: 4,
      max: SESSIONS,
      holders: [
        { owner: "tunnel proxy", sessions: 2 },
        { owner: "tunnel web", sessions: 1 },
        { owner: "plugin greedy", sessions: 1 },
      ],
    })
    const findings = await ask<Finding[]>("doctor")
    expect(findings.find(({ check }) => check === "budget")).toMatchObject({
      state: "warning",
      found: expect.stringContaining("4 of 4 sessions"),
    })
    await site[Symbol.asyncDispose]()
    await ask("tunnel add tcp-server", { name: "late", expose: "127.0.0.1:9" })
    await ask("tunnel stop", { name: "web" })
    await plugin.session({ name: "two", keys: "transient" })
    await expect(plugin.session({ name: "three", keys: "transient" })).rejects.toMatchObject({
      code: "SESSION_LIMIT",
    })
    for (const socket of held) socket.destroy()
  })
})

describe("openSessionBudget()", () => {
  it("names who has most, adds up the others, and takes a place back once", () => {
    const budget = openSessionBudget(12)
    const give = budget.take({ kind: "plugin", name: "sites/a" })
    budget.take({ kind: "plugin", name: "sites/b" })
    for (let count = 0; count < 5; count++) budget.take({ kind: "tunnel", name: "proxy" })
    for (const name of ["a", "b", "c", "d", "e"]) budget.take({ kind: "tunnel", name })
    const more = () => budget.take({ kind: "tunnel", name: "f" })
    expect(more).toThrow("(tunnel proxy 5, plugin sites 2, tunnel a 1, tunnel b 1, others 3)")
    give()
    give()
    more()
    expect(more).toThrow("have 12 already")
  })
})

/** Begins a SOCKS 4a request, whose user name says which visitor it is. */
function socksConnect(listens: string, user: string, host: string): Socket {
  const socket = connect(Number(listens.split(":")[1]), "127.0.0.1").on("error", () => {})
  socket.write(Buffer.from(`\x04\x01\x00\x50\x00\x00\x00\x01${user}\0${host}\0`, "latin1"))
  return socket
}

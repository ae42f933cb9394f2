import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { connect, createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type EmbeddedBridge, openEmbeddedBridge } from "../../../src/bridge/index.ts"
import { createRouter, type Router } from "../../../src/router/router.ts"
import type { TunnelReport } from "../../../src/router/tunnel-host.ts"
import { tcpClient } from "../../../tunnels/tcp-client/index.ts"
import { tcpServer } from "../../../tunnels/tcp-server/index.ts"

describe("tunnels over a restart of the bridge", () => {
  let bridge: EmbeddedBridge
  let folder: string
  let router: Router
  let echo: Server

  const ask = async (verb: string, input: Record<string, unknown>) => {
    const call = { signal: new AbortController().signal, progress: () => {} }
    const answer = await router.offers.run(verb, input, call)
    return ("document" in answer ? answer.document : undefined) as TunnelReport
  }

  beforeAll(async () => {
    bridge = await openEmbeddedBridge()
    folder = await mkdtemp(join(tmpdir(), "allium-recovery-"))
    echo = createServer((socket) => void socket.on("error", () => {}).pipe(socket))
    echo.listen(0, "127.0.0.1")
    await once(echo, "listening")
    router = await createRouter({
      home: join(folder, "home"),
      network: { choice: "embedded", sam: bridge.address },
      plugins: [],
      tunnels: [tcpClient, tcpServer],
    })
  })
  afterAll(async () => {
    await router[Symbol.asyncDispose]()
    await bridge[Symbol.asyncDispose]()
    echo.close()
    await rm(folder, { recursive: true })
  })

  it("A15: open connections end, and new ones go through again without our restart", async () => {
    const { port } = echo.address() as { port: number }
    const far = await ask("tunnel add tcp-server", { name: "far", expose: `127.0.0.1:${port}` })
    const near = await ask("tunnel add tcp-client", { name: "near", to: [far.address] })
    const held = await talk(near.listens!)
    expect(held.heard).toBe("hello")
    await bridge[Symbol.asyncDispose]()
    await expect.poll(() => held.socket.destroyed, { timeout: 10_000 }).toBe(true)
    // The router opens another one at the same port by itself.
    const again = async () => {
      const { socket, heard } = await talk(near.listens!)
      socket.destroy()
      return heard
    }
    await expect.poll(again, { timeout: 30_000, interval: 200 }).toBe("hello")
    for (const name of ["near", "far"])
      expect(await ask("tunnel show", { name })).toMatchObject({ state: "open" })
    expect((await ask("tunnel show", { name: "far" })).address).toBe(far.address)
  }, 60_000)
})

/** Says hello; what is heard is empty when the connection ends, or nothing comes for two seconds. */
async function talk(listens: string) {
  const socket = connect(Number(listens.split(":")[1]), "127.0.0.1").on("error", () => {})
  socket.write("hello")
  socket.setTimeout(2_000, () => socket.emit("quiet"))
  const heard = await new Promise<string>((resolve) => {
    socket.once("data", (data) => resolve(String(data)))
    for (const end of ["close", "quiet"]) socket.once(end, () => resolve(""))
  })
  return { socket: socket.resume(), heard }
}

import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import { afterEach, describe, expect, it } from "vitest"
import { Scope } from "../../../src/base/scope.ts"
import { openEmbeddedBridge } from "../../../src/bridge/index.ts"
import { openSupervisedSession } from "../../../src/sam/index.ts"
import { tcpServer } from "../../../tunnels/tcp-server/index.ts"
import type { FakeNetwork } from "../../support/fake-session.ts"
import { openFakeTunnelContext } from "../../support/fake-tunnel-context.ts"

describe("tcp-server behind a router that tells ports", () => {
  let scope = new Scope()
  afterEach(async () => {
    await scope.close()
    scope = new Scope()
  })

  /** A program that says its name to everybody. */
  async function startProgram(name: string): Promise<number> {
    const program = createServer((local) => local.on("error", () => {}).end(name))
    program.listen(0, "127.0.0.1")
    await once(program, "listening")
    scope.defer(() => program.close())
    return (program.address() as AddressInfo).port
  }

  it.each([
    { router: "java", answers: ["web", "shell", ""] },
    { router: "i2pd-2.45.1", answers: ["", "", ""] },
  ] as const)(
    "leads each port of the destination where its rule says: $router",
    async ({ router, answers }) => {
      const bridge = scope.use(await openEmbeddedBridge({ router, knobs: { sessionCreateMs: 0 } }))
      const open = () => openSupervisedSession({ bridge: bridge.address, keys: "transient" })
      const network: FakeNetwork = { faults: { tailLoss: false }, open }
      const expose = [
        `80 -> ${await startProgram("web")}`,
        `22 -> ${await startProgram("shell")}`,
        "* -> refuse",
      ]
      const context = scope.use(await openFakeTunnelContext(network))
      const tunnel = scope.use(await tcpServer.open(context, tcpServer.options.parse({ expose })))
      const visitor = scope.use(open())
      const got = [80, 22, 443].map(async (toPort) => {
        const stream = await visitor.connect(tunnel.address!, { signal: scope.signal, toPort })
        let text = ""
        stream
          .on("error", () => {})
          .on("data", (chunk: Buffer) => {
            text += String(chunk)
            stream.end()
          })
        await once(stream, "close")
        return text
      })
      expect(await Promise.all(got)).toEqual(answers)
    },
  )
})

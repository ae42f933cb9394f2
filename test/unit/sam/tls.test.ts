import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { createServer, type TLSSocket } from "node:tls"
import { afterEach, describe, expect, it } from "vitest"
import type { BridgeTls } from "../../../src/sam/bridge-address.ts"
import { contextOf } from "../../../src/sam/context.ts"
import { connectStream } from "../../../src/sam/stream.ts"
import { projectRoot } from "../../support/project.ts"
import { PEER } from "../../support/scripted-bridge.ts"

const vector = (name: string) => readFileSync(join(projectRoot, "test/vectors/sam", name), "utf8")
const ca = vector("tls-certificate.pem")

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** A bridge behind TLS, with a certificate of its own making as Java I2P has it. */
async function openTlsBridge(tls: BridgeTls) {
  const sockets = new Set<TLSSocket>()
  const server = createServer({ key: vector("tls-key.pem"), cert: ca }, (socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
    socket.once("data", () => {
      socket.write("HELLO REPLY RESULT=OK VERSION=3.3\n")
      socket.once("data", () => socket.write("STREAM STATUS RESULT=OK\nover TLS"))
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as { port: number }
  return { id: "an-id", context: contextOf({ bridge: { host: "127.0.0.1", port, tls } }) }
}

const signal = AbortSignal.timeout(60_000)

describe("a bridge behind TLS", () => {
  it("is spoken to when its certificate is the one we trust", async () => {
    const session = await openTlsBridge({ ca, serverName: "sam.test" })
    const stream = await connectStream(session, PEER, { signal })
    closing.push(() => stream.destroy())
    expect(String((await once(stream, "data"))[0])).toBe("over TLS")
  })
  it.each([
    ["a certificate nobody vouches for", { serverName: "sam.test" }],
    ["a certificate for another name", { ca, serverName: "other.test" }],
  ])("is refused with %s", async (_, tls) => {
    const session = await openTlsBridge(tls)
    const connecting = connectStream(session, PEER, { signal })
    await expect(connecting).rejects.toMatchObject({ code: "BRIDGE_UNREACHABLE" })
  })
})

import { once, setMaxListeners } from "node:events"
import { connect } from "node:net"
import { afterEach, describe, expect, it } from "vitest"
import { contextOf } from "../../../src/sam/context.ts"
import { type Forwarding, openForward } from "../../../src/sam/forward.ts"
import { parseSamLine } from "../../../src/sam/message.ts"
import type { SamStream } from "../../../src/sam/session.ts"
import { settle } from "../../support/fake-clock.ts"
import { openScriptedBridge, PEER, type Replies } from "../../support/scripted-bridge.ts"

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]()
})
const signal = new AbortController().signal
setMaxListeners(0, signal)

async function forwarding(replies: Replies = {}, backlog = 4) {
  const bridge = await openScriptedBridge({ replies })
  open.push(bridge)
  const session = { id: "an-id", context: contextOf({ bridge: bridge.address }) }
  const forward = await openForward(session, { signal, backlog })
  open.push(forward)
  const { values } = parseSamLine(bridge.seen("STREAM FORWARD")[0]!)
  return { bridge, forward, values, port: Number(values.get("PORT")) }
}

async function knock(port: number, text: string) {
  const socket = connect({ port, host: "127.0.0.1" })
  socket.on("error", () => {})
  await once(socket, "connect")
  socket.write(text)
  return socket
}

async function next({ incoming }: Forwarding): Promise<SamStream | undefined> {
  const { value } = await incoming[Symbol.asyncIterator]().next()
  return value
}

describe("openForward()", () => {
  it("tells the router where to connect to, and gives streams with their first bytes", async () => {
    const { forward, values, port } = await forwarding()
    expect(Object.fromEntries(values)).toEqual({
      ID: "an-id",
      PORT: expect.stringMatching(/^\d+$/),
      HOST: "127.0.0.1",
      SILENT: "false",
    })
    const router = await knock(port, `${PEER.base64} FROM_PORT=0 TO_PORT=80\nhello`)
    const stream = await next(forward)
    expect([stream?.peer.b32, stream?.direction]).toEqual([PEER.b32, "in"])
    expect(String((await once(stream!, "data"))[0])).toBe("hello")
    router.destroy()
  })
  it.each([
    ["no destination", "GET / HTTP/1.1\r\n"],
    ["an endless line", "x".repeat(9_000)],
    ["an error", "STREAM STATUS RESULT=I2P_ERROR\n"],
  ])("hangs up on whoever brings %s", async (_, text) => {
    const { port } = await forwarding()
    const stranger = await knock(port, text)
    stranger.resume()
    while (!stranger.destroyed) await settle()
  })
  it("refuses streams beyond its backlog", async () => {
    const { port, forward } = await forwarding({}, 2)
    const routers = []
    for (let count = 0; count < 3; count++) {
      routers.push(await knock(port, `${PEER.base64}\n`))
      for (let turn = 0; turn < 5; turn++) await settle()
    }
    routers[2]!.resume()
    while (!routers[2]!.destroyed) await settle()
    expect(routers.slice(0, 2).every(({ destroyed }) => !destroyed)).toBe(true)
    await forward[Symbol.asyncDispose]()
    for (const router of routers) router.destroy()
  })
  it("tells when the router stops forwarding, and why it refused to begin", async () => {
    const { bridge, forward } = await forwarding()
    bridge.connections[0]!.socket.destroy()
    expect(await forward.closed).toMatchObject({ code: "BRIDGE_UNREACHABLE" })
    const refused = forwarding({ "STREAM FORWARD": () => "STREAM STATUS RESULT=INVALID_ID\n" })
    await expect(refused).rejects.toMatchObject({ code: "SESSION_LOST" })
  })
})

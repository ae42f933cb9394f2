import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import { describe, expect, it } from "vitest"
import { openEmbeddedBridge } from "../../../src/bridge/bridge.ts"
import { openOrJoinEmbedded } from "../../../src/bridge/join.ts"
import { EMBEDDED_MARKER_NAME, isEmbeddedBridge, markerKeys } from "../../../src/bridge/marker.ts"
import { parseDestination } from "../../../src/sam/index.ts"
import { field, openRaw } from "../../contract/sam/raw-client.ts"
import { TRANSIENT } from "./stage.ts"

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

describe("openOrJoinEmbedded()", () => {
  it("hosts when the port is free, and joins who hosts", async () => {
    const port = await freePort()
    await using first = await openOrJoinEmbedded({ port })
    await using second = await openOrJoinEmbedded({ port })
    expect([first.hosting, second.hosting]).toEqual([true, false])
    expect(second.address).toEqual(first.address)
    expect(second.bridge).toBeUndefined()
  })
  it("takes over on the same port when the host goes away; one of several", async () => {
    const port = await freePort()
    const first = await openOrJoinEmbedded({ port })
    await using second = await openOrJoinEmbedded({ port })
    await using third = await openOrJoinEmbedded({ port })
    await first[Symbol.asyncDispose]()
    await expect.poll(() => [second.hosting, third.hosting].filter(Boolean)).toEqual([true])
    await using sam = await openRaw(port)
    expect(await sam.ask(`SESSION CREATE STYLE=STREAM ID=a ${TRANSIENT}`)).toMatch(/RESULT=OK/)
    const heir = second.hosting ? second : third
    const other = second.hosting ? third : second
    await sam[Symbol.asyncDispose]()
    await heir[Symbol.asyncDispose]()
    await expect.poll(() => other.hosting).toBe(true)
  })
  it("does not come back after it left", async () => {
    const port = await freePort()
    const first = await openOrJoinEmbedded({ port })
    const second = await openOrJoinEmbedded({ port })
    await second[Symbol.asyncDispose]()
    await first[Symbol.asyncDispose]()
    await using third = await openOrJoinEmbedded({ port })
    expect([second.hosting, third.hosting]).toEqual([false, true])
  })
  it("joins a host that wants a password", async () => {
    const port = await freePort()
    const users = new Map([["ann", "two words"]])
    await using first = await openOrJoinEmbedded({ port, users })
    await using second = await openOrJoinEmbedded({ port, users })
    expect([first.hosting, second.hosting]).toEqual([true, false])
    await expect(openOrJoinEmbedded({ port })).rejects.toMatchObject({
      code: "EMBEDDED_PORT_TAKEN",
    })
  })
  it.each([
    { what: "hangs up", greet: false },
    { what: "says something else", greet: true },
  ])("does not join a stranger that $what: EMBEDDED_PORT_TAKEN", async ({ greet }) => {
    const server = createServer((socket) => {
      socket.on("error", () => {})
      if (greet) socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")
      else socket.destroy()
    }).listen(0, "127.0.0.1")
    await once(server, "listening")
    const { port } = server.address() as AddressInfo
    await expect(openOrJoinEmbedded({ port })).rejects.toMatchObject({
      code: "EMBEDDED_PORT_TAKEN",
      message: expect.stringContaining(`port ${port}`),
    })
    server.close()
  })
})

describe("openEmbeddedBridge()", () => {
  it("refuses a port in use: EMBEDDED_PORT_TAKEN, and leaves nothing open", async () => {
    await using bridge = await openEmbeddedBridge()
    const { port, udpPort } = bridge.address
    await expect(openEmbeddedBridge({ port })).rejects.toMatchObject({
      code: "EMBEDDED_PORT_TAKEN",
    })
    const other = await freePort()
    await expect(openEmbeddedBridge({ port: other, udpPort })).rejects.toMatchObject({
      code: "EMBEDDED_PORT_TAKEN",
    })
    await using again = await openEmbeddedBridge({ port: other })
    expect(again.address.port).toBe(other)
  })
})

describe("isEmbeddedBridge()", () => {
  it("knows the embedded network by its marker, in every personality", async () => {
    for (const router of ["strict", "i2pd-2.45.1", "java"] as const) {
      await using bridge = await openEmbeddedBridge({ router })
      await using sam = await openRaw(bridge.address.port)
      const lookup = async (name: string) => {
        const reply = await sam.ask(`NAMING LOOKUP NAME=${name}`)
        return parseDestination(field(reply, "VALUE") ?? "")
      }
      expect(await isEmbeddedBridge(lookup)).toBe(true)
      expect((await lookup(EMBEDDED_MARKER_NAME)).b32).toBe(markerKeys().destination.b32)
    }
  })
  it("is false for a router that does not know the name, or knows another", async () => {
    expect(await isEmbeddedBridge(() => Promise.reject(new Error("NAME_NOT_FOUND")))).toBe(false)
    expect(await isEmbeddedBridge(async () => ({ b32: `${"a".repeat(52)}.b32.i2p` }))).toBe(false)
  })
})

import { createSocket, type Socket } from "node:dgram"
import { once, setMaxListeners } from "node:events"
import fc from "fast-check"
import { afterEach, describe, expect, it } from "vitest"
import { openDatagrams } from "../../../src/sam/datagram.ts"
import {
  DATAGRAM_BYTES_MAX,
  type Datagram,
  formatPacket,
  formatSend,
  parsePacket,
} from "../../../src/sam/datagram-format.ts"
import { parseSamLine } from "../../../src/sam/message.ts"
import { settle } from "../../support/fake-clock.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import { openScriptedBridge, PEER, type Replies } from "../../support/scripted-bridge.ts"

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]()
})
const signal = new AbortController().signal
setMaxListeners(0, signal)
const bytes = (text: string) => new TextEncoder().encode(text)
const text = (payload: Uint8Array | undefined) => Buffer.from(payload ?? []).toString("latin1")

describe("formatPacket()", () => {
  it("writes version, id, destination and no more: i2pd drops what has options", () => {
    expect(text(formatPacket("an-id", PEER, bytes("hi")))).toBe(`3.0 an-id ${PEER.base64}\nhi`)
  })
  it("writes ports when asked to", () => {
    const ports = { fromPort: 1, toPort: 2, protocol: 18 }
    const packet = text(formatPacket("an-id", PEER, bytes("hi"), ports))
    expect(packet).toBe(`3.0 an-id ${PEER.base64} FROM_PORT=1 TO_PORT=2 PROTOCOL=18\nhi`)
  })
  it.each([0, DATAGRAM_BYTES_MAX + 1])(
    "refuses %i bytes, which routers drop or cut",
    (byteCount) => {
      const payload = new Uint8Array(byteCount)
      for (const write of [
        () => formatPacket("a", PEER, payload),
        () => formatSend("RAW", PEER, payload),
      ])
        expect(write).toThrow(expect.objectContaining({ code: "TOO_LARGE" }))
    },
  )
})

describe("formatSend()", () => {
  it("T12: keeps line and payload below what i2pd reads at once", () => {
    const write = (byteCount: number) => formatSend("RAW", PEER, new Uint8Array(byteCount))
    expect(write(6_900).length).toBeLessThan(7_502)
    expect(() => write(7_000)).toThrow(expect.objectContaining({ code: "TOO_LARGE" }))
  })
})

describe("parsePacket()", () => {
  it.each([
    ["DATAGRAM", `${PEER.base64}\nhi`, { peerB32: PEER.b32 }],
    [
      "DATAGRAM",
      `${PEER.base64} FROM_PORT=1 TO_PORT=2\nhi`,
      { peerB32: PEER.b32, fromPort: 1, toPort: 2 },
    ],
    ["DATAGRAM2", `${PEER.base64}\nhi`, { peerB32: PEER.b32 }],
    [
      "DATAGRAM3",
      `${"A".repeat(43)}=\nhi`,
      { peer: undefined, peerB32: `${"a".repeat(52)}.b32.i2p` },
    ],
    ["DATAGRAM3", `${PEER.base64}\nhi`, { peerB32: PEER.b32 }], // i2pd gives it whole
    ["RAW", "hi", { peer: undefined, peerB32: undefined }],
  ] as const)("reads %s %j", (style, packet, want) => {
    const datagram = parsePacket(style, bytes(packet))
    expect(datagram).toMatchObject(want)
    expect(text(datagram?.payload)).toBe("hi")
  })
  it("takes whatever else arrives for no datagram, and never fails", () => {
    const piece = fc.constantFrom(PEER.base64, "\n", " FROM_PORT=", "=", "A".repeat(44), "x", "\0")
    const packets = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      fc.array(piece, { maxLength: 6 }).map((all) => bytes(all.join(""))),
    )
    fc.assert(
      fc.property(packets, (packet) => {
        const datagram = parsePacket("DATAGRAM", packet)
        if (datagram) expect(datagram.peerB32).toMatch(/\.b32\.i2p$/)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

/** The router's UDP side. */
async function udpPort(): Promise<Socket> {
  const socket = createSocket("udp4")
  socket.bind(0, "127.0.0.1")
  await once(socket, "listening")
  open.push({ [Symbol.asyncDispose]: async () => void socket.close() })
  return socket
}

async function bridgeWith(replies: Replies = {}) {
  const bridge = await openScriptedBridge({ replies })
  open.push(bridge)
  return bridge
}

describe("openDatagrams() over UDP", () => {
  const opened = async (style: "DATAGRAM" | "RAW" = "DATAGRAM") => {
    const router = await udpPort()
    const bridge = await bridgeWith()
    const datagrams = await openDatagrams({
      bridge: { ...bridge.address, udpPort: router.address().port },
      keys: "transient",
      style,
      signal,
    })
    open.push(datagrams)
    const { values } = parseSamLine(bridge.seen("SESSION CREATE")[0]!)
    return { router, bridge, datagrams, values, port: Number(values.get("PORT")) }
  }
  it("says where to send what arrives, and sends to the router's UDP port", async () => {
    const { router, datagrams, values } = await opened()
    expect(Object.fromEntries(values)).toMatchObject({ STYLE: "DATAGRAM", HOST: "127.0.0.1" })
    const arriving = once(router, "message")
    await datagrams.send(PEER, bytes("out"))
    const [packet] = await arriving
    expect(text(packet)).toBe(`3.0 ${values.get("ID")} ${PEER.base64}\nout`)
  })
  it("gives what arrives, and passes over what is none", async () => {
    const { router, datagrams, port } = await opened()
    router.send("no datagram at all", port, "127.0.0.1")
    router.send(`${PEER.base64}\nin`, port, "127.0.0.1")
    const { value } = await datagrams.incoming[Symbol.asyncIterator]().next()
    expect(value).toMatchObject({ peerB32: PEER.b32 })
    expect(text(value?.payload)).toBe("in")
  })
  it("does not believe other programs of this machine", async () => {
    const { router, datagrams, port } = await opened()
    const rude = await udpPort()
    rude.send(`${PEER.base64}\nforged`, port, "127.0.0.1")
    await settle()
    router.send(`${PEER.base64}\nreal`, port, "127.0.0.1")
    const { value } = await datagrams.incoming[Symbol.asyncIterator]().next()
    expect(text(value?.payload)).toBe("real")
  })
  it("counts what is lost because nobody takes it", async () => {
    const { router, datagrams, port } = await opened("RAW")
    while (datagrams.lostCount === 0) {
      router.send("x", port, "127.0.0.1")
      await settle()
    }
    const got: Datagram[] = []
    await datagrams[Symbol.asyncDispose]()
    for await (const datagram of datagrams.incoming) got.push(datagram)
    expect(got).toHaveLength(256)
  })
  it("ends with its session", async () => {
    const { bridge, datagrams } = await opened()
    bridge.connections[0]!.socket.destroy()
    expect(await datagrams.closed).toMatchObject({ code: "BRIDGE_UNREACHABLE" })
    expect(await datagrams.incoming[Symbol.asyncIterator]().next()).toMatchObject({ done: true })
  })
})

describe("openDatagrams() over the control socket", () => {
  it.each(["DATAGRAM", "RAW"] as const)(
    "sends and takes %s, payloads with line ends and all",
    async (style) => {
      const bridge = await bridgeWith()
      const datagrams = await openDatagrams({
        bridge: bridge.address,
        keys: "transient",
        style,
        via: "control",
        signal,
      })
      open.push(datagrams)
      const connection = bridge.connections[0]!
      connection.stream = true
      const arriving = once(connection.socket, "data")
      await datagrams.send(PEER, bytes("one\ntwo"))
      expect(text((await arriving)[0])).toBe(
        `${style} SEND DESTINATION=${PEER.base64} SIZE=7\none\ntwo`,
      )
      const head =
        style === "RAW" ? "PROTOCOL=18 SIZE=7" : `DESTINATION=${PEER.base64} SIZE=7 TO_PORT=9`
      // Two in one segment, then one in two halves.
      const one = `${style} RECEIVED ${head}\na\nb\0\xffcd`
      connection.socket.write(one + one + one.slice(0, -3), "latin1")
      const incoming = datagrams.incoming[Symbol.asyncIterator]()
      for (let count = 0; count < 2; count++)
        expect(text((await incoming.next()).value?.payload)).toBe("a\nb\0\xffcd")
      connection.socket.write(one.slice(-3), "latin1")
      const { value } = await incoming.next()
      expect(value).toMatchObject(
        style === "RAW" ? { protocol: 18, peerB32: undefined } : { toPort: 9, peerB32: PEER.b32 },
      )
    },
  )
  it.each(["SIZE=-1", "SIZE=70000", "SIZE=x", ""])("ends a bridge that sends %j", async (size) => {
    const bridge = await bridgeWith()
    const datagrams = await openDatagrams({
      bridge: bridge.address,
      keys: "transient",
      style: "RAW",
      via: "control",
      signal,
    })
    open.push(datagrams)
    bridge.connections[0]!.socket.write(`RAW RECEIVED ${size}\nxxxx`)
    expect(await datagrams.closed).toMatchObject({ code: "BRIDGE_BAD_REPLY" })
  })
})

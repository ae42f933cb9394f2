import { createHash } from "node:crypto"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { describe, expect, it } from "vitest"
import { decodeBase64, encodeBase64 } from "../../../src/sam/index.ts"
import { openStage, staysSilent, TRANSIENT } from "./stage.ts"

async function openUdp() {
  const socket = createSocket("udp4").bind(0, "127.0.0.1")
  await once(socket, "listening")
  return {
    socket,
    port: socket.address().port,
    send: (text: string, port: number) => socket.send(text, port, "127.0.0.1"),
    next: async () => {
      const [bytes] = await once(socket, "message", { signal: AbortSignal.timeout(5000) })
      return (bytes as Buffer).toString()
    },
    [Symbol.dispose]: () => void socket.close(),
  }
}

describe("DATAGRAM SEND and RAW SEND", () => {
  it("carry exactly SIZE bytes, newlines and all, and the next command after them", async () => {
    await using stage = await openStage()
    const style = `STYLE=DATAGRAM ${TRANSIENT}`
    const [ann, ben] = [await stage.session(style), await stage.session(style)]
    const payload = "line one\nPING trap\n\u0000end"
    const head = `DATAGRAM SEND DESTINATION=${ben.destination} SIZE=${payload.length} FROM_PORT=1 TO_PORT=2`
    ann.control.socket.write(`${head}\n${payload}PING after\n`)
    expect(await ann.control.line()).toBe("PONG after")
    expect(await ben.control.line()).toBe(
      `DATAGRAM RECEIVED DESTINATION=${ann.destination} SIZE=${payload.length} FROM_PORT=1 TO_PORT=2`,
    )
    expect((await ben.control.bytes(payload.length)).toString()).toBe(payload)
  })
  it("wait for a payload that comes in pieces", async () => {
    await using stage = await openStage()
    const style = `STYLE=RAW ${TRANSIENT} PROTOCOL=40`
    const [ann, ben] = [await stage.session(style), await stage.session(style)]
    ann.control.tell(`RAW SEND DESTINATION=${ben.destination} SIZE=6`)
    await ben.control.ask("PING round trip")
    ann.control.socket.write("abc")
    await ben.control.ask("PING round trip")
    ann.control.socket.write("def")
    expect(await ben.control.line()).toBe("RAW RECEIVED SIZE=6 FROM_PORT=0 TO_PORT=0 PROTOCOL=40")
    expect((await ben.control.bytes(6)).toString()).toBe("abcdef")
  })
  it.each(["0", "40000", "-1", "x", ""])("refuse SIZE=%s and close", async (size) => {
    await using stage = await openStage()
    const ann = await stage.session(`STYLE=DATAGRAM ${TRANSIENT}`)
    const reply = await ann.control.ask(`DATAGRAM SEND DESTINATION=${ann.destination} SIZE=${size}`)
    expect(reply).toMatch(/RESULT=I2P_ERROR/)
    await ann.control.closed()
  })
  it("go through a subsession of a PRIMARY, and are refused where there is none", async () => {
    await using stage = await openStage()
    const ann = await stage.session(`STYLE=PRIMARY ${TRANSIENT}`)
    const ben = await stage.session(`STYLE=RAW ${TRANSIENT}`)
    const send = `RAW SEND DESTINATION=${ben.destination} SIZE=2\nhi`
    ann.control.socket.write(send)
    expect(await ann.control.line()).toMatch(/RESULT=I2P_ERROR MESSAGE="no RAW session"/)
    await ann.control.ask("SESSION ADD STYLE=RAW ID=sub")
    ann.control.socket.write(send)
    expect(await ben.control.line()).toMatch(/^RAW RECEIVED SIZE=2/)
  })
  it("are survived by a client that leaves in the middle", async () => {
    await using stage = await openStage()
    const [ann, ben] = [await stage.session(`STYLE=RAW ${TRANSIENT}`), await stage.session()]
    ann.control.tell(`RAW SEND DESTINATION=${ben.destination} SIZE=100`)
    ann.control.socket.end("half")
    await ann.control.closed()
    expect(await ben.control.ask("PING alive")).toBe("PONG alive")
  })
})

describe("datagrams over UDP", () => {
  it.each([
    { style: "DATAGRAM", head: (sender: string) => `${sender} FROM_PORT=3 TO_PORT=4\n` },
    { style: "DATAGRAM2", head: (sender: string) => `${sender} FROM_PORT=3 TO_PORT=4\n` },
    {
      style: "DATAGRAM3",
      head: (sender: string) =>
        `${encodeBase64(createHash("sha256").update(decodeBase64(sender)).digest())} FROM_PORT=3 TO_PORT=4\n`,
    },
    { style: "RAW", head: () => "" },
    { style: "RAW HEADER=true", head: () => "FROM_PORT=3 TO_PORT=4 PROTOCOL=18\n" },
  ])("forward $style with its first line", async ({ style, head }) => {
    await using stage = await openStage()
    using udp = await openUdp()
    const ann = await stage.session(`STYLE=${style} ${TRANSIENT}`)
    const ben = await stage.session(`STYLE=${style} ${TRANSIENT} HOST=127.0.0.1 PORT=${udp.port}`)
    const { udpPort } = stage.bridge.address
    udp.send(`3.3 ${ann.id} ${ben.destination} FROM_PORT=3 TO_PORT=4\npayload`, udpPort)
    expect(await udp.next()).toBe(`${head(ann.destination)}payload`)
  })
  it.each([
    { what: "no newline", text: (id: string, to: string) => `3.0 ${id} ${to} payload` },
    { what: "an unknown ID", text: (_: string, to: string) => `3.0 nobody ${to}\npayload` },
    { what: "a foreign version", text: (id: string, to: string) => `9.0 ${id} ${to}\npayload` },
    { what: "no destination", text: (id: string) => `3.0 ${id}\npayload` },
    {
      what: "too many bytes",
      text: (id: string, to: string) => `3.0 ${id} ${to}\n${"x".repeat(40_000)}`,
    },
    { what: "broken options", text: (id: string, to: string) => `3.0 ${id} ${to} "\npayload` },
  ])("are thrown away with $what", async ({ text }) => {
    await using stage = await openStage()
    using udp = await openUdp()
    const style = `STYLE=RAW ${TRANSIENT}`
    const [ann, ben] = [await stage.session(style), await stage.session(style)]
    udp.send(text(ann.id, ben.destination), stage.bridge.address.udpPort)
    udp.send(`3.0 ${ann.id} ${ben.destination}\nthe next`, stage.bridge.address.udpPort)
    expect(await ben.control.line()).toMatch(/^RAW RECEIVED SIZE=8/)
    expect(stage.bridge.stats.datagramsSent).toBe(1)
  })
  it("PORT=0 means the control socket, as @diva.exchange/i2p-sam sends it", async () => {
    await using stage = await openStage()
    const ann = await stage.session(`STYLE=RAW ${TRANSIENT} PORT=0 HOST=127.0.0.1`)
    ann.control.socket.write(`RAW SEND DESTINATION=${ann.destination} SIZE=2\nme`)
    expect(await ann.control.line()).toMatch(/^RAW RECEIVED SIZE=2/)
  })
  it("lose the first to each destination with the fault firstDatagramLost", async () => {
    await using stage = await openStage({ knobs: { faults: new Set(["firstDatagramLost"]) } })
    const style = `STYLE=RAW ${TRANSIENT}`
    const [ann, ben] = [await stage.session(style), await stage.session(style)]
    const send = (text: string) =>
      ann.control.socket.write(`RAW SEND DESTINATION=${ben.destination} SIZE=3\n${text}`)
    send("one")
    expect(await staysSilent(ben.control, ann.control)).toBe(true)
    send("two")
    await ben.control.line()
    expect((await ben.control.bytes(3)).toString()).toBe("two")
  })
  it("are cut at 32,768 bytes with the fault datagramCut", async () => {
    await using stage = await openStage({ knobs: { faults: new Set(["datagramCut"]) } })
    using udp = await openUdp()
    const style = `STYLE=RAW ${TRANSIENT}`
    const [ann, ben] = [await stage.session(style), await stage.session(style)]
    const head = `3.0 ${ann.id} ${ben.destination}\n`
    udp.send(`${head}${"x".repeat(32_700)}`, stage.bridge.address.udpPort)
    expect(await ben.control.line()).toMatch(new RegExp(`SIZE=${32_768 - head.length} `))
  })
})

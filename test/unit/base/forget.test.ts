import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { PassThrough } from "node:stream"
import { describe, expect, it } from "vitest"
import { forget, isReturning, writeAndForget } from "../../../src/base/forget.ts"

describe("forget()", () => {
  it("ends a long buffer at once", () => {
    for (let time = 0; time < 3; time++) {
      const bytes = new Uint8Array(65_536).fill(7)
      forget(bytes)
      expect([bytes.length, bytes.buffer.byteLength]).toEqual([0, 0])
    }
  })

  it("leaves what is part of something longer, or short", () => {
    const whole = new Uint8Array(65_536).fill(7)
    forget(whole.subarray(1))
    forget(whole.subarray(0, 32_768))
    expect(whole.every((byte) => byte === 7)).toBe(true)
    const short = Buffer.from("a word")
    forget(short)
    expect(short.toString()).toBe("a word")
  })

  it("leaves memory that threads share", () => {
    const shared = new Uint8Array(new SharedArrayBuffer(65_536))
    forget(shared)
    expect(shared).toHaveLength(65_536)
  })

  it("gives memory back without waiting for V8", () => {
    const before = process.memoryUsage().arrayBuffers
    for (let count = 0; count < 256; count++) forget(Buffer.allocUnsafeSlow(65_536))
    const kept = randomBytes(65_536)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * kept.length)
  })
})

describe("writeAndForget()", () => {
  it("writes to a socket, and forgets when it is written", async () => {
    const server = createServer()
    await once(server.listen(0, "127.0.0.1"), "listening")
    const to = connect((server.address() as AddressInfo).port, "127.0.0.1")
    const [from] = (await once(server, "connection")) as [Socket]
    expect([isReturning(to), isReturning(new PassThrough())]).toEqual([true, false])
    const said = randomBytes(1_048_576)
    for (let at = 0; at < said.length; at += 65_536)
      writeAndForget(to, Buffer.from(new Uint8Array(said.subarray(at, at + 65_536)).buffer))
    const short = Buffer.from("the end")
    writeAndForget(to, short)
    to.end()
    const heard: Buffer[] = []
    for await (const chunk of from) heard.push(chunk)
    expect(Buffer.concat(heard).equals(Buffer.concat([said, Buffer.from("the end")]))).toBe(true)
    expect(short.toString()).toBe("the end")
    server.close()
    await once(server, "close")
  })
})

import { describe, expect, it } from "vitest"
import {
  loopbackFor,
  proxyHeader,
  uniqueLocalFor,
} from "../../../../src/base/backend/client-address.ts"
import { requirePossible } from "../../../../src/base/backend/connect.ts"
import { encodeBase32 } from "../../../../src/base/base32.ts"

const b32 = (...head: number[]) =>
  `${encodeBase32(Uint8Array.from({ length: 32 }, (_, index) => head[index] ?? index))}.b32.i2p`

describe("loopbackFor()", () => {
  it("is 127 and the first three bytes of the hash, as i2pd does it", () => {
    expect(loopbackFor(b32(200, 73, 41))).toBe("127.200.73.41")
  })

  it("B1: never is 127.0.0.1, whatever destination somebody makes", () => {
    expect(loopbackFor(b32(0, 0, 1))).toBe("127.1.0.1")
  })
})

describe("proxyHeader()", () => {
  const name = b32(0x0a, 0x0b)

  it("writes a line of version 1 with a unique local address", () => {
    expect(proxyHeader("proxy-v1", name, 8080).toString("latin1")).toBe(
      "PROXY TCP6 fd0a:0b02:0304:0506:0708:090a:0b0c:0d0e ::1 0 8080\r\n",
    )
    expect(uniqueLocalFor(name)).toBe("fd0a:0b02:0304:0506:0708:090a:0b0c:0d0e")
  })

  it("writes version 2 as the specification lays it out, with the whole name behind", () => {
    const header = proxyHeader("proxy-v2", name, 443)
    expect(header.subarray(0, 12).toString("latin1")).toBe("\r\n\r\n\0\r\nQUIT\n")
    expect([...header.subarray(12, 14)]).toEqual([0x21, 0x21]) // version 2 PROXY, TCP over IPv6
    expect(header.readUInt16BE(14)).toBe(header.length - 16)
    expect(header.subarray(16, 32).toString("hex")).toBe("fd0a0b02030405060708090a0b0c0d0e")
    expect(header.subarray(32, 48).toString("hex")).toBe("00000000000000000000000000000001")
    expect([header.readUInt16BE(48), header.readUInt16BE(50)]).toEqual([0, 443])
    expect([header[52], header.readUInt16BE(53)]).toEqual([0xe0, 60])
    expect(header.subarray(55).toString("latin1")).toBe(name)
  })
})

describe("requirePossible()", () => {
  const address = { host: "127.0.0.1", port: 80 }

  it("refuses loopback addresses where there is only one, and for programs elsewhere", () => {
    const backend = { address, clientAddress: "loopback" } as const
    expect(() => requirePossible(backend, "linux")).not.toThrow()
    expect(() => requirePossible(backend, "darwin")).toThrow(/only Linux/)
    expect(() => requirePossible({ ...backend, address: { path: "/run/x" } }, "linux")).toThrow(
      /not at 127/,
    )
  })
})

import { isIP } from "node:net"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { AlliumError } from "../../../src/base/errors.ts"
import { formatHostPort, isLoopback, parseHostPort } from "../../../src/base/host-port.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

describe("parseHostPort()", () => {
  it.each([
    ["8080", { host: "127.0.0.1", port: 8080 }],
    ["127.0.0.1:80", { host: "127.0.0.1", port: 80 }],
    ["127.9.9.9:65535", { host: "127.9.9.9", port: 65_535 }],
    ["localhost:1", { host: "127.0.0.1", port: 1 }],
    ["LocalHost:1", { host: "127.0.0.1", port: 1 }],
    ["[::1]:80", { host: "::1", port: 80 }],
  ])("reads %s", (text, address) => {
    expect(parseHostPort(text)).toEqual(address)
  })

  it.each([
    "",
    "0",
    "65536",
    "-1",
    "80 ",
    "::1:80",
    "[127.0.0.1]:80",
    "[::1]",
    "127.0.0.1",
    "127.1:80",
    "0x7f.0.0.1:80",
    "127.0.0.1:80:90",
    "example.com:80",
    "localhost.example.com:80",
    "10.0.0.1:80",
    "0.0.0.0:80",
    "[::]:80",
    "[::ffff:127.0.0.1]:80",
    "[fe80::1%lo]:80",
    "127.0.0.1:8\u0660",
  ])("refuses %j", (text) => {
    expect(() => parseHostPort(text)).toThrow(expect.objectContaining({ code: "BAD_INPUT" }))
  })

  it("allows other machines and any port only when told so", () => {
    expect(parseHostPort("10.0.0.1:0", { allowLan: true, allowAnyPort: true })).toEqual({
      host: "10.0.0.1",
      port: 0,
    })
  })

  it("gives an address literal of this machine, or BAD_INPUT, for whatever text", () => {
    const text = fc.oneof(
      fc.string(),
      fc.ipV4().map((ip) => `${ip}:80`),
      fc.ipV6().map((ip) => `[${ip}]:80`),
    )
    fc.assert(
      fc.property(text, (address) => {
        try {
          const { host } = parseHostPort(address)
          expect(isIP(host) !== 0 && isLoopback(host)).toBe(true)
        } catch (error) {
          expect((error as AlliumError).code).toBe("BAD_INPUT")
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("formatHostPort()", () => {
  it("puts IPv6 in brackets", () => {
    expect([
      formatHostPort({ host: "::1", port: 80 }),
      formatHostPort({ host: "127.0.0.1", port: 80 }),
    ]).toEqual(["[::1]:80", "127.0.0.1:80"])
  })
})

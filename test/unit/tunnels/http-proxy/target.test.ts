import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { AlliumError } from "../../../../src/base/errors.ts"
import {
  hostAgrees,
  parseConnectTarget,
  parseProxyUrl,
} from "../../../../tunnels/http-proxy/target.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

const inside = { allowOutside: false }
const b32 = `${"a".repeat(52)}.b32.i2p`

describe("parseProxyUrl()", () => {
  it.each([
    ["http://site.i2p/", { host: "site.i2p", port: 80, path: "/" }],
    ["http://Site.I2P:8080/A/b?q=1#part", { host: "site.i2p", port: 8080, path: "/A/b?q=1" }],
    ["HTTP://sub.site.i2p?q", { host: "sub.site.i2p", port: 80, path: "/?q" }],
    [`http://${b32}/a%2F..//b`, { host: b32, port: 80, path: "/a%2F..//b" }],
    [
      `http://${"a".repeat(26)}.${"b".repeat(56)}.b32.i2p/`,
      {
        ...{ typedHost: `${"a".repeat(26)}.${"b".repeat(56)}.b32.i2p`, readerKey: "a".repeat(26) },
        ...{ host: `${"b".repeat(56)}.b32.i2p`, port: 80, path: "/" },
      },
    ],
    ["http://site.i2p.alt/", { typedHost: "site.i2p.alt", host: "site.i2p", port: 80, path: "/" }],
    ["http://xn--bcher-kva.i2p/", { host: "xn--bcher-kva.i2p", port: 80, path: "/" }],
  ])("reads %s", (text, target) => {
    expect(parseProxyUrl(text, inside)).toEqual({
      typedHost: target.host,
      isOutside: false,
      ...target,
    })
  })

  it.each([
    "http://example.com/",
    "http://127.0.0.1/",
    "http://127.1/",
    "http://0x7f.1/",
    "http://2130706433/",
    "http://0/",
    "http://localhost/",
    "http://localhost./",
    "http://localhost.i2p/",
    "http://a.localhost.i2p/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]:80/",
    "http://169.254.169.254/latest",
    "http://192.168.1.1/",
    "http://x.i2p.127.0.0.1.nip.io/",
    "http://site.i2p./",
    "http://.i2p/",
    "http://i2p/",
    "http://a..i2p/",
    "http://-a.i2p/",
    "http://a_b.i2p/",
    "http://site.i2p\u3002example.com/",
    "http://si\tte.i2p/",
    "http://site.i2p\\.example.com/",
    "http://site.i2p%00.example.com/",
    "http://%73ite.i2p/",
    "http:///path",
    "http://127.0.0.1:80.i2p/",
    "http://proxy.i2p/",
    "http://router.i2p/",
    "http://console.i2p/",
    "http://www.proxy.i2p/",
    "https://site.i2p/",
    `http://${"a".repeat(64)}.i2p/`,
    `http://${"a.".repeat(130)}i2p/`,
  ])("refuses %s with PROXY_REFUSED", (text) => {
    expect(() => parseProxyUrl(text, inside)).toThrow(
      expect.objectContaining({ code: "PROXY_REFUSED" }),
    )
  })

  it.each([
    "/",
    "*",
    "site.i2p:80",
    "http:/site.i2p/",
    "ftp://site.i2p/",
    "http://user:word@site.i2p/",
    "http://127.0.0.1@site.i2p/",
    "http://site.i2p@127.0.0.1/",
    "http://site.i2p:0/",
    "http://site.i2p:65536/",
    "http://site.i2p/a\tb",
    "http://site.i2p/a b",
    "http://site.i2p/a\0b",
  ])("refuses %j with BAD_REQUEST", (text) => {
    expect(() => parseProxyUrl(text, inside)).toThrow(
      expect.objectContaining({ code: "BAD_REQUEST" }),
    )
  })

  it("refuses a damaged address with BAD_NAME, so that no router is asked for it", () => {
    for (const hash of ["a".repeat(51), "a".repeat(53), "1".repeat(52), "www"])
      expect(() => parseProxyUrl(`http://${hash}.b32.i2p/`, inside)).toThrow(
        expect.objectContaining({ code: "BAD_NAME" }),
      )
  })

  it("gives an I2P name or an error with a code, for whatever text", () => {
    const piece = fc.constantFrom(
      "http://",
      ".i2p",
      "@",
      ":",
      "80",
      "/",
      "127.0.0.1",
      "\0",
      "a",
      ".",
    )
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(piece).map((all) => all.join("")),
    )
    fc.assert(
      fc.property(text, (url) => {
        try {
          expect(parseProxyUrl(url, inside).host).toMatch(/^[a-z0-9][a-z0-9.-]*\.i2p$/)
        } catch (error) {
          expect(error).toBeInstanceOf(AlliumError)
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("parseProxyUrl() with an outproxy", () => {
  const outside = { allowOutside: true }

  it("reads public names too", () => {
    expect(parseProxyUrl("http://Example.com:8080/a?b", outside)).toEqual({
      typedHost: "example.com",
      host: "example.com",
      port: 8080,
      path: "/a?b",
      isOutside: true,
    })
    expect(parseProxyUrl("http://site.i2p/", outside).isOutside).toBe(false)
  })

  it.each([
    "localhost",
    "a.localhost",
    "printer",
    "printer.local",
    "nas.lan",
    "fritz.home",
    "host.docker.internal",
    "1.0.0.127.in-addr.arpa",
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "10.0.0.0x1",
    "2130706433",
    "0",
    "[::1]",
    "[::ffff:10.0.0.1]",
    "169.254.169.254",
    "hidden.onion",
    "site.i2p.",
    "a_b.com",
    "\u3002.com",
  ])("refuses %s all the same", (host) => {
    expect(() => parseProxyUrl(`http://${host}/`, outside)).toThrow(
      expect.objectContaining({ code: "PROXY_REFUSED" }),
    )
  })
})

describe("parseConnectTarget()", () => {
  it("reads host and port", () => {
    expect(parseConnectTarget("Chat.i2p:6697", inside)).toMatchObject({
      host: "chat.i2p",
      port: 6697,
      path: "",
    })
  })

  it.each([
    ["example.com:443", "PROXY_REFUSED"],
    ["127.0.0.1:22", "PROXY_REFUSED"],
    ["[::1]:22", "PROXY_REFUSED"],
    ["site.i2p", "BAD_REQUEST"],
    ["site.i2p:0", "BAD_REQUEST"],
    ["site.i2p:65536", "BAD_REQUEST"],
    ["site.i2p:99999999999999", "BAD_REQUEST"],
    ["site.i2p:-1", "BAD_REQUEST"],
    ["site.i2p:abc", "BAD_REQUEST"],
    ["site.i2p:80/path", "BAD_REQUEST"],
    ["", "PROXY_REFUSED"],
  ])("refuses %j with %s", (text, code) => {
    expect(() => parseConnectTarget(text, inside)).toThrow(expect.objectContaining({ code }))
  })
})

describe("hostAgrees()", () => {
  const target = { typedHost: "site.i2p", port: 80 }

  it.each([
    [undefined, true],
    ["site.i2p", true],
    ["SITE.I2P:80", true],
    ["other.i2p", false],
    ["site.i2p:81", false],
    ["site.i2p.example.com", false],
    ["", false],
  ])("of %j is %s", (host, agrees) => {
    expect(hostAgrees(host, target)).toBe(agrees)
  })

  it("wants the port named when it is not 80", () => {
    expect(hostAgrees("site.i2p", { ...target, port: 8080 })).toBe(false)
  })
})

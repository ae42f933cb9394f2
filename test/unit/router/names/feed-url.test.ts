import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { parseFeedUrl, requireFeedUrl } from "../../../../src/router/names/feed-url.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

const B32 = `${"a".repeat(52)}.b32.i2p`
const pieces = fc.constantFrom(
  ...[
    "http://",
    "HTTP://",
    "https://",
    "//",
    "/",
    "\\",
    "@",
    "user:pw@",
    ":",
    "80",
    "8080",
    "0",
    "65536",
  ],
  ...[
    "feed.i2p",
    "Feed.I2P",
    "feed.i2p.alt",
    B32,
    "xn--bcher-kva.i2p",
    "xn--a.i2p",
    "127.0.0.1",
    "[::1]",
  ],
  ...[
    "example.com",
    ".",
    "..",
    "?",
    "#",
    "%",
    "%2f",
    " ",
    "\t",
    "\n",
    "\0",
    "é",
    "hosts.txt",
    "a=b&c",
  ],
)
const texts = fc.oneof(
  fc.string(),
  fc.array(pieces, { maxLength: 8 }).map((all) => all.join("")),
  fc.array(pieces, { maxLength: 6 }).map((all) => `http://feed.i2p${all.join("")}`),
)

describe("parseFeedUrl()", () => {
  it.each([
    ["http://Feed.I2P", "http://feed.i2p/", "feed.i2p", 80, "/"],
    ["http://feed.i2p.alt:80/a?b=c", "http://feed.i2p/a?b=c", "feed.i2p", 80, "/a?b=c"],
    ["HTTP://feed.i2p:8080/A", "http://feed.i2p:8080/A", "feed.i2p", 8080, "/A"],
    [`http://${B32.toUpperCase()}/x`, `http://${B32}/x`, B32, 80, "/x"],
  ])("reads %s", (text, url, host, port, path) => {
    expect(parseFeedUrl(text)).toEqual({ url, host, port, path })
  })

  it.each([
    ["TLS", "https://feed.i2p/"],
    ["the clear net", "http://example.com/"],
    ["this machine", "http://127.0.0.1/"],
    ["a user", "http://feed.i2p@example.com/"],
    ["a port beyond all", "http://feed.i2p:65536/"],
    ["a fragment", "http://feed.i2p/#x"],
    ["a line of its own", "http://feed.i2p/\r\nHost: x"],
    ["an address that is none", "http://abc.b32.i2p/"],
    ["more than 1,024 characters", `http://feed.i2p/${"x".repeat(1_024)}`],
  ])("refuses %s", (_name, text) => {
    expect(() => requireFeedUrl(text)).toThrow(expect.objectContaining({ code: "BAD_FEED" }))
  })

  it("gives a URL that every reader of URLs takes for the same place in I2P, or nothing", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const place = parseFeedUrl(text)
        if (place === undefined) return
        const { url, host, port, path } = place
        expect(parseFeedUrl(url)).toEqual(place)
        const read = new URL(url)
        expect([read.protocol, read.username, read.hash]).toEqual(["http:", "", ""])
        expect([read.hostname, Number(read.port || 80)]).toEqual([host, port])
        expect(host.endsWith(".i2p")).toBe(true)
        expect(path).toMatch(/^\/[\x21-\x7e]*$/)
      }),
      { numRuns: fuzzRuns(2_000) },
    )
  })
})

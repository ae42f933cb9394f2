import { createHash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Field, plainName } from "../../../../src/base/http/fields.ts"
import { fieldsForBackend, fieldsForVisitor } from "../../../../src/base/http/served-fields.ts"
import { fakeDestination } from "../../../support/fake-session.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

const peer = fakeDestination()
const view = { host: "wiki.localhost", peer }
const site = `${"s".repeat(52)}.b32.i2p`
const names = {
  own: new Set(["127.0.0.1:8080", "127.0.0.1", "wiki.localhost", "wiki.example.com"]),
  site,
  keepClearnet: false,
}

describe("fieldsForBackend()", () => {
  it("tells the program who asks, by hash, name and destination", () => {
    const hash = createHash("sha256").update(peer.bytes).digest("base64")
    expect(fieldsForBackend([], view)).toEqual([
      ["Host", "wiki.localhost"],
      ["X-I2P-DestHash", hash.replaceAll("+", "-").replaceAll("/", "~")],
      ["X-I2P-DestB32", peer.b32],
      ["X-I2P-DestB64", peer.base64],
    ])
  })

  it.each([
    "X-I2P-DestB32",
    "x-i2p-destb32",
    "X_I2P_DestB32",
    "X-I2P_DestHash",
    "X-I2P-Anything",
    "X-Forwarded-For",
    "X_Forwarded_For",
    "X-Real-IP",
    "Forwarded",
    "Via",
    "CF-Connecting-IP",
    "True-Client-IP",
    "Proxy",
    "Proxy-Authorization",
    "Host",
    "Connection",
    "Keep-Alive",
    "Transfer-Encoding",
    "Content-Length",
    "Under_Score",
    "X.I2P.DestB32",
    "X-I2P~DestB32",
  ])("B1: lets no visitor say %s", (name) => {
    const sent = fieldsForBackend([[name, "forged"]], view)
    expect(JSON.stringify(sent)).not.toContain("forged")
  })

  it("lets a visitor's Connection field take nothing of ours away", () => {
    const sent = fieldsForBackend([["Connection", "X-I2P-DestB32, Host"]], view)
    expect(sent.map(([name]) => name)).toEqual(expect.arrayContaining(["Host", "X-I2P-DestB32"]))
  })

  it("keeps our own cookie from the program, and passes the others", () => {
    const sent = (cookie: string) =>
      fieldsForBackend([["Cookie", cookie]], { ...view, ownCookie: "door" }).filter(
        ([name]) => name === "Cookie",
      )
    expect(sent("door=x")).toEqual([])
    expect(sent("a=1; door=x; b=2")).toEqual([["Cookie", "a=1; b=2"]])
  })

  it("passes what the program needs", () => {
    const fields: Field[] = [
      ["Cookie", "a=1"],
      ["Content-Type", "text/plain"],
      ["Accept-Language", "de"],
      ["Range", "bytes=0-1"],
    ]
    expect(fieldsForBackend(fields, view)).toEqual(expect.arrayContaining(fields))
  })

  it("has exactly one true field of each name, whatever was sent", () => {
    const name = fc.stringMatching(/^[xX][-_][iI]2[pP][-_][dD][eE][sS][tT][bB]32$/)
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.string())), (fields) => {
        const sent = fieldsForBackend(fields, view).filter(
          ([own]) => plainName(own) === "x-i2p-destb32",
        )
        expect(sent).toEqual([["X-I2P-DestB32", peer.b32]])
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("fieldsForVisitor()", () => {
  const sent = (name: string, value: string) => fieldsForVisitor([[name, value]], names)

  it.each([
    "Server",
    "server",
    "SERVER",
    "Date",
    "Via",
    "via",
    "X-Powered-By",
    "X_Powered_By",
    "X-Runtime",
    "X-AspNet-Version",
    "X-AspNetMvc-Version",
    "Alt-Svc",
    "NEL",
    "Report-To",
    "Reporting-Endpoints",
    "Expect-CT",
    "Public-Key-Pins",
    "Strict-Transport-Security",
    "Server-Timing",
    "X-I2P-DestB32",
    "x-served-by",
    "X-Varnish",
    "X-Cache-Hits",
    "X-Request-Id",
    "X-Hostname",
    "X-Pingback",
    "Proxy-Status",
  ])("B14: takes %s out", (name) => {
    expect(sent(name, "x")).toEqual([])
  })

  it.each([
    ["Location", "http://127.0.0.1:8080/a?b", "/a?b"],
    ["location", "https://wiki.localhost", "/"],
    ["Location", "//127.0.0.1:8080/a", "/a"],
    ["Location", "http://127.0.0.1:8080//evil.i2p/", "/evil.i2p/"],
    ["Location", "http://LOCALHOST:3000/x", "/x"],
    ["Location", "http://192.168.1.7/x", "/x"],
    ["Location", "http://172.20.0.3:80/x", "/x"],
    ["Location", "http://[::1]:8080/x", "/x"],
    ["Location", "http://nas.local/x", "/x"],
    ["Location", "http://other.i2p/x", "http://other.i2p/x"],
    ["Location", "/relative", "/relative"],
    ["Location", "http://me:secret@127.0.0.1:8080/x", "/x"],
    ["Location", "https://wiki.example.com/x", "/x"],
    ["Location", "https://elsewhere.example.org/x?y", "/x?y"],
    ["Location", "http://nas/x", "/x"],
    ["Location", "\\\\127.0.0.1\\x", "/x"],
    ["SourceMap", "http://127.0.0.1:8080/a.map", "/a.map"],
    [
      "Link",
      '<http://127.0.0.1:8080/a.css>; rel=preload, <http://x.i2p/>; rel="next"',
      '</a.css>; rel=preload, <http://x.i2p/>; rel="next"',
    ],
    ["Access-Control-Allow-Origin", "https://wiki.example.com", `http://${site}`],
    [
      "Content-Security-Policy",
      "connect-src 'self' ws://127.0.0.1:8080 https://cdn.example.org",
      `connect-src 'self' ws://${site} https://cdn.example.org`,
    ],
    ["Content-Location", "http://10.0.0.1/x", "/x"],
    ["Refresh", "5; url=http://127.0.0.1:8080/next", "5; url=/next"],
    ["Refresh", '5;URL="http://127.0.0.1:8080/next"', "5;URL=/next"],
    ["Refresh", "5", "5"],
    ["Set-Cookie", "a=1; Domain=127.0.0.1; Path=/", "a=1; Path=/"],
    ["Set-Cookie", "a=1; path=/; DOMAIN = .example.com", "a=1; path=/"],
    ["Set-Cookie", "a=1; HttpOnly", "a=1; HttpOnly"],
    ["ETag", '"x"', '"x"'],
  ])("sends %s: %s as %s", (name, value, expected) => {
    expect(sent(name, value)).toEqual([[name, expected]])
  })

  it("keeps links to the clear net where that was asked for", () => {
    const link: Field = ["Location", "https://elsewhere.example.org/x"]
    expect(fieldsForVisitor([link], { ...names, keepClearnet: true })).toEqual([link])
  })

  it("ends, whatever the values", () => {
    const name = fc.constantFrom("Location", "Refresh", "Set-Cookie")
    fc.assert(
      fc.property(name, fc.string({ unit: "binary" }), (field, value) => {
        expect(sent(field, value).length).toBe(1)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Field } from "../../../../src/base/http/index.ts"
import { fieldsForSite } from "../../../../tunnels/http-proxy/request-fields.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

const b32 = `${"b".repeat(52)}.b32.i2p`
const target = { typedHost: "ann-private.i2p", port: 80, saidHost: b32, isOutside: false }
const send = (fields: Field[]) => fieldsForSite(fields, target)
const sentAs = (fields: Field[], name: string) =>
  send(fields).find(([own]) => own.toLowerCase() === name)?.[1]

describe("fieldsForSite()", () => {
  it("names the site by its address, never as the user calls it", () => {
    const fields = send([
      ["Host", "ann-private.i2p"],
      ["Referer", "http://ann-private.i2p/secret?x#y"],
      ["Origin", "http://ann-private.i2p"],
    ])
    expect(JSON.stringify(fields)).not.toContain("ann-private")
    expect(fields).toEqual([
      ["Host", b32],
      ["User-Agent", "MYOB/6.66 (AN/ON)"],
      ["Accept", "*/*"],
      ["Referer", "/secret?x"],
      ["Origin", `http://${b32}`],
    ])
  })

  it("makes two browsers look the same", () => {
    const chromium: Field[] = [
      ["Host", "ann-private.i2p"],
      ["Proxy-Connection", "keep-alive"],
      ["DNT", "1"],
      ["Upgrade-Insecure-Requests", "1"],
      ["User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/130"],
      [
        "Accept",
        "text/html,application/xhtml+xml,image/avif,*/*;q=0.8,application/signed-exchange",
      ],
      ["Accept-Encoding", "gzip, deflate"],
      ["Accept-Language", "de-DE,de;q=0.9"],
      ["Cookie", "a=1"],
    ]
    const firefox: Field[] = [
      ["Host", "ann-private.i2p"],
      ["User-Agent", "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Firefox/128.0"],
      ["Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
      ["Accept-Language", "fr,en;q=0.3"],
      ["Accept-Encoding", "gzip, deflate, zstd"],
      ["Connection", "keep-alive"],
      ["cookie", "a=1"],
      ["Sec-GPC", "1"],
      ["Priority", "u=0, i"],
    ]
    expect(send(chromium)).toEqual(send(firefox))
  })

  it.each([
    "Via",
    "From",
    "Forwarded",
    "X-Forwarded-For",
    "X_Forwarded_For",
    "x-forwarded-anything",
    "X-Real-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Client-IP",
    "Client-IP",
    "Warning",
    "DNT",
    "Sec-GPC",
    "Sec-CH-UA",
    "Sec-CH-UA-Platform",
    "Sec-Fetch-Site",
    "Proxy",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Keep-Alive",
    "TE",
    "Accept-Language",
    "Accept-Charset",
    "Date",
    "X-I2P-DestB32",
    "X_I2P_DestB32",
    "X-Wap-Profile",
    "Odd_Name",
    "Connection",
    "Transfer-Encoding",
    "Content-Length",
  ])("takes %s out", (name) => {
    expect(sentAs([[name, "10.0.0.7"]], name.toLowerCase())).toBeUndefined()
  })

  it("takes out what Connection names, but not what the request cannot do without", () => {
    const fields = send([
      ["Connection", "close, X-Private, Cookie"],
      ["X-Private", "1"],
      ["Cookie", "a=1"],
    ])
    expect(fields.map(([name]) => name)).toEqual(["Host", "User-Agent", "Accept", "Cookie"])
  })

  it.each([
    ["authorization", "NTLM TlRMTVNTUAAB", undefined],
    ["authorization", "negotiate YII=", undefined],
    ["authorization", "Basic YTpi", "Basic YTpi"],
    ["x-requested-with", "com.android.browser", undefined],
    ["x-requested-with", "XMLHttpRequest", "XMLHttpRequest"],
    ["range", "bytes=5-", "bytes=5-"],
    ["expect", "100-continue", "100-continue"],
    ["if-none-match", '"tag"', '"tag"'],
    ["git-protocol", "version=2", "version=2"],
    ["accept", "text/event-stream", "text/event-stream"],
    ["accept", "text/css,*/*;q=0.1", "text/css,*/*;q=0.1"],
    ["accept", "image/avif,image/webp,*/*", "*/*"],
    ["accept", "application/json, text/plain;q=0.5", "*/*"],
    ["accept-encoding", "br, zstd", undefined],
    ["accept-encoding", "gzip", "gzip"],
    ["origin", "http://ann-private.i2p.evil.i2p", "null"],
    ["origin", "https://example.com", "null"],
    ["referer", "http://other.i2p/", undefined],
    ["referer", "http://ann-private.i2p.evil.i2p/", undefined],
    ["referer", "http://ann-private.i2p", "/"],
  ] as const)("sends %s: %s as %s", (name, given, sent) => {
    expect(sentAs([[name, given]], name)).toBe(sent)
  })

  it("gives nothing identifying away, whatever the names and values", () => {
    const name = fc.oneof(
      fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/),
      fc.constantFrom(
        "VIA",
        "x-FORWARDED-for",
        "X_Forwarded-For",
        "Host",
        "SEC-ch-ua",
        "keep-alive",
      ),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.string())), (fields) => {
        const sent = send(fields).map(([own]) => own.toLowerCase())
        expect(
          sent.filter((own) => /^(via|x.forwarded|sec.ch|keep.alive|x.i2p)/.test(own)),
        ).toEqual([])
        expect(sent.filter((own) => own === "host")).toEqual(["host"])
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

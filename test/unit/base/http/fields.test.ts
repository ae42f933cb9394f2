import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { AlliumError } from "../../../../src/base/errors.ts"
import {
  escapeHtml,
  type Field,
  faultPage,
  listHas,
  plainName,
  readFields,
  withoutHopByHop,
  writeFields,
} from "../../../../src/base/http/index.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

describe("readFields() and writeFields()", () => {
  it("are each other's inverse, order and repetition kept", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.string())), (fields) => {
        expect(readFields(writeFields(fields))).toEqual(fields)
      }),
    )
  })
})

describe("plainName()", () => {
  it.each([
    ["X_Forwarded_For", "x-forwarded-for"],
    ["HOST", "host"],
    [" Via ", "via"],
  ])("of %j is %s", (name, plain) => {
    expect(plainName(name)).toBe(plain)
  })
})

describe("withoutHopByHop()", () => {
  it("drops what RFC 9110 lists, and what Connection names", () => {
    const fields: Field[] = [
      ["Connection", "close, X-Hop"],
      ["connection", "x-other"],
      ["X-Hop", "1"],
      ["X_Other", "1"],
      ["Keep-Alive", "timeout=5"],
      ["Proxy-Connection", "keep-alive"],
      ["Proxy-Authenticate", "Basic"],
      ["TE", "trailers"],
      ["Transfer-Encoding", "chunked"],
      ["Upgrade", "h2c"],
      ["X-End", "1"],
    ]
    expect(withoutHopByHop(fields)).toEqual([["X-End", "1"]])
  })

  it("keeps what Connection may not take away", () => {
    const fields: Field[] = [
      ["Connection", "Host, Content-Length, Cookie, Authorization"],
      ["Host", "a"],
      ["Content-Length", "1"],
      ["Cookie", "a=1"],
      ["Authorization", "Basic x"],
    ]
    expect(withoutHopByHop(fields)).toEqual(fields.slice(1))
  })
})

describe("listHas()", () => {
  it("compares whole items in any case", () => {
    expect([listHas(["a, Upgrade"], "upgrade"), listHas(["upgraded"], "upgrade")]).toEqual([
      true,
      false,
    ])
  })
})

describe("faultPage()", () => {
  const error = new AlliumError("PROXY_REFUSED", 'Cannot open <script>alert("x")</script>')

  it("is HTML without a script for browsers, plain text for others", () => {
    const html = faultPage(error, "text/html,*/*")
    const text = faultPage(error, "*/*")
    expect(html.body.toString()).toContain("&lt;script&gt;alert(&quot;x&quot;)")
    expect(html.body.toString()).not.toContain("<script")
    expect(text.fields).toContain("text/plain; charset=utf-8")
    expect([html.status, text.status]).toEqual([403, 403])
  })

  it("may neither load nor be framed", () => {
    const fields = faultPage(error, undefined).fields
    expect(fields[fields.indexOf("Content-Security-Policy") + 1]).toContain(
      "frame-ancestors 'none'",
    )
    expect(fields[fields.indexOf("Content-Security-Policy") + 1]).toContain("default-src 'none'")
  })

  it("shows nothing of the cause", () => {
    const secret = new AlliumError("INTERNAL", "Cannot go on", {
      cause: new Error("/home/ann/key"),
    })
    expect(faultPage(secret, "text/html").body.toString()).not.toContain("/home")
  })
})

describe("escapeHtml()", () => {
  it("leaves nothing that HTML reads as its own", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(escapeHtml(text)).not.toMatch(/[<>"']|&(?!amp;|lt;|gt;|quot;|#39;)/)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

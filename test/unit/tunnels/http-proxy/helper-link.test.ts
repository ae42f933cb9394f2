import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { AlliumError } from "../../../../src/base/errors.ts"
import { readHelperLink } from "../../../../tunnels/http-proxy/address-helper.ts"
import { isolationKey, loadingHost } from "../../../../tunnels/http-proxy/isolation.ts"
import { chooseLanguage } from "../../../../tunnels/http-proxy/pages.ts"
import { LABELS, LANGUAGES, TOPICS } from "../../../../tunnels/http-proxy/words.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

const b32 = `${"a".repeat(52)}.b32.i2p`

describe("readHelperLink()", () => {
  it.each([
    [`/?i2paddresshelper=${b32}`, "/"],
    [`/a/b?i2paddresshelper=${b32}&x=1`, "/a/b?x=1"],
    [`/?x=1&i2paddresshelper=${b32}`, "/?x=1"],
    [`/?x&I2PAddressHelper=${b32}&&y=`, "/?x&&y="],
    [`/?%692paddresshelper=${b32}`, "/"],
  ])("takes the claim out of %s", (path, cleanPath) => {
    expect(readHelperLink(path)).toEqual({ address: b32, b32, cleanPath })
  })

  it.each(["/", "/?x=1", "/i2paddresshelper=x", "/?x=i2paddresshelper=1", "/?i2paddresshelp=1"])(
    "finds none in %s",
    (path) => {
      expect(readHelperLink(path)).toBeUndefined()
    },
  )

  it("gives an address or an error with a code, for whatever query", () => {
    const part = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(b32, "=", "&", "%", "%41"))
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        try {
          const link = readHelperLink(`/?i2paddresshelper=${parts.join("")}`)
          expect(link!.b32).toMatch(/^[a-z2-7]{52,63}\.b32\.i2p$/)
        } catch (error) {
          expect(error).toBeInstanceOf(AlliumError)
        }
      }),
      { numRuns: fuzzRuns(500) },
    )
  })
})

describe("loadingHost()", () => {
  it.each([
    [{ accept: "*/*", referer: "http://A.i2p/x" }, "a.i2p"],
    [{ accept: "*/*", referer: "http://a.i2p:81" }, "a.i2p"],
    [{ accept: "*/*", origin: "http://a.i2p.alt" }, "a.i2p"],
    [{ accept: "text/html,*/*", referer: "http://a.i2p/" }, undefined],
    [{ accept: "*/*" }, undefined],
    [{ accept: "*/*", origin: "null" }, undefined],
    [{ accept: "*/*", referer: "http://u@a.i2p/" }, undefined],
  ])("of %j is %s", (headers, host) => {
    expect(loadingHost(headers)).toBe(host)
  })
})

describe("isolationKey()", () => {
  it("keeps sites and users apart, and a user named like a site too", () => {
    const visit = { user: "a", site: "a" }
    const keys = (["site", "user", "none"] as const).map((mode) => isolationKey(mode, visit))
    expect(new Set(keys).size).toBe(3)
    expect(isolationKey("user", { user: undefined, site: "a" })).toBe("")
  })
})

describe("the words of pages", () => {
  it("are all there, in every language, and hold no markup", () => {
    const rows = [...Object.values(TOPICS), ...Object.values(LABELS)]
    for (const row of rows)
      for (const language of LANGUAGES)
        for (const words of [row[language]].flat()) expect(words).toMatch(/^[^<>&"]{2,}$/)
  })

  it("come in a language we have, whatever is asked for", () => {
    fc.assert(
      fc.property(fc.string(), (wanted) => {
        expect(LANGUAGES).toContain(chooseLanguage(wanted))
      }),
      { numRuns: fuzzRuns(500) },
    )
  })
})

import { hkdfSync } from "node:crypto"
import { duplexPair } from "node:stream"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { sealAnswered, sealOpened } from "../../../../../plugins/files/world/secret-lines.ts"
import {
  formatSecretLink,
  isSecretLink,
  lineIdOf,
  parseSecretLink,
} from "../../../../../plugins/files/world/secret-link.ts"
import { readTarget } from "../../../../../plugins/files/world/target.ts"
import type { SamStream } from "../../../../../src/sam/session.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"

const secret = Uint8Array.from({ length: 32 }, (_, index) => index)
const infohash = new Uint8Array(20).fill(0xab)
const peer = new Uint8Array(32).fill(1)
const link = formatSecretLink({
  magnet: { infohash, name: "a b", trackers: [], peers: [peer] },
  secret,
})
const badMagnet = expect.objectContaining({ code: "BAD_MAGNET" })

describe("links to secret shares", () => {
  it("say what a magnet link says, and the key, under a scheme of their own", () => {
    const head = `allium-file:?xt=urn:btih:${"ab".repeat(20)}&dn=a%20b&x.pe=`
    expect(link.startsWith(head)).toBe(true)
    expect(link.endsWith("&x.key=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")).toBe(true)
    expect(parseSecretLink(link)).toMatchObject({ secret, magnet: { infohash, peers: [peer] } })
    expect(readTarget(` ${link} `)).toMatchObject({ kind: "secret" })
  })
  it("name no trackers, whatever stands in them", () => {
    const trackers = [`http://${"a".repeat(52)}.b32.i2p/a`]
    const magnet = { infohash, trackers }
    expect(formatSecretLink({ magnet, secret })).not.toContain("tr=")
    const smuggled = `${link}&tr=${encodeURIComponent(trackers[0]!)}`
    expect(parseSecretLink(smuggled).magnet.trackers).toEqual([])
  })
  it.each([
    ["no key", link.replace(/&x\.key=.*/, "")],
    ["a short key", link.slice(0, -1)],
    ["a long key", `${link}A`],
    ["a key with bits to spare", `${link.slice(0, -1)}9`],
    ["two keys", `${link}&x.key=${"A".repeat(43)}`],
    ["no infohash", link.replace("btih", "ed2k")],
  ])("are refused with %s, and not quoted", (_name, text) => {
    expect(() => parseSecretLink(text)).toThrow(badMagnet)
    expect(() => parseSecretLink(text)).not.toThrow("AAECAwQF")
  })
  it("are refused when they are noise", () => {
    fc.assert(
      fc.property(fc.string(), (noise) => {
        expect(() => parseSecretLink(`allium-file:${noise}`)).toThrow(badMagnet)
        expect(isSecretLink(`magnet:?${noise}`)).toBe(false)
      }),
      { numRuns: fuzzRuns(200) },
    )
  })
})

describe("lines of secret shares", () => {
  const { signal } = new AbortController()
  const streams = () => duplexPair() as unknown as [SamStream, SamStream]

  it("are named by HKDF-SHA-256 (RFC 5869) of the key: the vector of the page", () => {
    const info = "allium/secret-share/1\0"
    const expected = Buffer.from(hkdfSync("sha256", secret, "", info, 16)).toString("hex")
    expect(Buffer.from(lineIdOf(secret)).toString("hex")).toBe(expected)
    expect(expected).toMatchInlineSnapshot(`"073b2453d5fde886e0fa66c32b84cab4"`)
  })
  it("carry bytes between two who know the key, and none of them in the clear", async () => {
    const [mine, theirs] = streams()
    const seen: Buffer[] = []
    theirs.on("data", (chunk: Buffer) => seen.push(chunk))
    const [opened, answered] = await Promise.all([
      sealOpened(mine, secret, signal),
      sealAnswered(theirs, secret),
    ])
    opened.end("the plan")
    const got: Buffer[] = []
    for await (const chunk of answered) got.push(chunk)
    expect(Buffer.concat(got).toString()).toBe("the plan")
    expect(Buffer.concat(seen).includes("the plan")).toBe(false)
    answered.destroy()
  })
  it("answer nothing to who does not know the key", async () => {
    const [mine, theirs] = streams()
    let heard = 0
    mine.on("data", (chunk: Buffer) => (heard += chunk.length))
    const opening = sealOpened(mine, new Uint8Array(32), signal).catch(() => "closed")
    await expect(sealAnswered(theirs, secret)).rejects.toMatchObject({ code: "NOT_FOUND" })
    mine.destroy()
    expect(await opening).toBe("closed")
    expect(heard).toBe(0)
  })
})

import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto"
import { ed25519 } from "@noble/curves/ed25519.js"
import fc from "fast-check"
import { base64url, SignJWT } from "jose"
import { describe, expect, it } from "vitest"
import { isAlliumError } from "../../../src/base/errors.ts"
import { makeCard, readCard } from "../../../src/identity/card.ts"
import { secretFor } from "../../../src/identity/paths.ts"
import { seedOf } from "../../../src/identity/phrase.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import frozen from "../../vectors/identity/cards.json" with { type: "json" }

const secret = secretFor(await seedOf(new Uint8Array(32)), { identity: 0, purpose: "identity" })
const privateKey = createPrivateKey({
  key: { kty: "OKP", crv: "Ed25519", d: base64url.encode(secret), x: frozen.key },
  format: "jwk",
})
const expected = { key: frozen.key, nowMs: frozen.nowMs }
const plain = frozen.cards[0]!
const named = frozen.cards[1]!
const content = {
  revision: 1,
  key: frozen.key,
  destination: frozen.destination,
  nextKeyHash: frozen.nextKeyHash,
}

/** A card with any header and payload, rightly signed. */
function signed(payload: string, header = '{"alg":"EdDSA"}'): string {
  const input = `${base64url.encode(header)}.${base64url.encode(payload)}`
  return `${input}.${sign(null, Buffer.from(input), privateKey).toString("base64url")}`
}
const withMember = (change: Record<string, unknown>) =>
  JSON.stringify({ ...JSON.parse(plain.payload), ...change })

describe("makeCard()", () => {
  it("writes the frozen cards, which OpenSSL signed", async () => {
    const keys = { privateKey, nowMs: frozen.nowMs }
    expect(await makeCard(content, keys)).toBe(plain.jws)
    const more = { door: frozen.door, name: "Ann Ångström" }
    expect(await makeCard({ ...content, ...more }, keys)).toBe(named.jws)
  })

  it("tells the day and no more of the time", async () => {
    const late = frozen.nowMs - (frozen.nowMs % 86_400_000) + 86_399_999
    expect(await makeCard(content, { privateKey, nowMs: late })).toBe(plain.jws)
  })

  it("is a JWS for others too: noble verifies it", () => {
    const [header, payload, signature] = plain.jws.split(".") as [string, string, string]
    const input = new TextEncoder().encode(`${header}.${payload}`)
    const key = base64url.decode(frozen.key)
    expect(ed25519.verify(base64url.decode(signature), input, key, { zip215: false })).toBe(true)
  })
})

describe("readCard()", () => {
  it("reads the frozen cards", async () => {
    const common = { ...content, issuedS: 1767225600, expiresS: 1798761600 }
    expect(await readCard(plain.jws, expected)).toStrictEqual(common)
    expect(await readCard(named.jws, expected)).toStrictEqual({
      ...common,
      door: frozen.door,
      name: "Ann Ångström",
    })
  })

  it("refuses the same card for another key", async () => {
    const other = base64url.encode(ed25519.getPublicKey(new Uint8Array(32).fill(1)))
    await expect(readCard(plain.jws, { ...expected, key: other })).rejects.toMatchObject({
      code: "BAD_CARD",
    })
  })

  it("refuses a changed payload under the old signature", async () => {
    const [header, , signature] = plain.jws.split(".")
    const changed = base64url.encode(plain.payload.replace(frozen.destination, frozen.door))
    await expect(readCard(`${header}.${changed}.${signature}`, expected)).rejects.toMatchObject({
      code: "BAD_CARD",
    })
  })

  const header = (more: Record<string, unknown>) => JSON.stringify({ alg: "EdDSA", ...more })
  it.each([
    { name: "jwk in the header", card: signed(plain.payload, header({ jwk: { kty: "OKP" } })) },
    { name: "jku in the header", card: signed(plain.payload, header({ jku: "http://a.i2p" })) },
    { name: "x5u in the header", card: signed(plain.payload, header({ x5u: "http://a.i2p" })) },
    {
      name: "crit in the header",
      card: signed(plain.payload, header({ crit: ["b64"], b64: true })),
    },
    { name: "alg none", card: signed(plain.payload, '{"alg":"none"}') },
    { name: "alg twice", card: signed(plain.payload, '{"alg":"EdDSA","alg":"EdDSA"}') },
    { name: "alg Ed25519", card: signed(plain.payload, '{"alg":"Ed25519"}') },
    { name: "a space in the header", card: signed(plain.payload, '{"alg": "EdDSA"}') },
    { name: "a member twice", card: signed(plain.payload.replace('"v":1', '"v":1,"v":1')) },
    {
      name: "members in another order",
      card: signed(plain.payload.replace('"v":1,"rev":1', '"rev":1,"v":1')),
    },
    { name: "a space in the payload", card: signed(plain.payload.replace(",", ", ")) },
    { name: "an unknown member", card: signed(withMember({ admin: true })) },
    { name: "another version", card: signed(withMember({ v: 2 })) },
    { name: "revision 0", card: signed(withMember({ rev: 0 })) },
    { name: "a destination that is none", card: signed(withMember({ destination: "a.i2p" })) },
    { name: "a name that turns text around", card: signed(withMember({ name: "a\u202e" })) },
    { name: "the key of somebody else", card: signed(withMember({ key: frozen.nextKeyHash })) },
    {
      name: "a life of three years",
      card: signed(withMember({ exp: 1767225600 + 3 * 365 * 86_400 })),
    },
    { name: "an end before its beginning", card: signed(withMember({ exp: 1767225600 })) },
    { name: "a date in a week", card: signed(withMember({ iat: 1767225600 + 7 * 86_400 })) },
    { name: "a payload that is a list", card: signed("[]") },
    { name: "a payload that is no JSON", card: signed("{") },
    { name: "2,049 characters", card: signed(withMember({ name: "n".repeat(1500) })) },
    { name: "padding", card: `${plain.jws}=` },
    { name: "a fourth part", card: `${plain.jws}.` },
    { name: "two parts", card: plain.jws.split(".").slice(0, 2).join(".") },
    { name: "no signature", card: plain.jws.replace(/[^.]*$/, "") },
    { name: "nothing", card: "" },
  ])("refuses $name", async ({ card }) => {
    await expect(readCard(card, expected)).rejects.toMatchObject({ code: "BAD_CARD" })
  })

  it("refuses a signature whose last character means the same bytes", async () => {
    const last = plain.jws.at(-1)!
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    const twin = plain.jws.slice(0, -1) + alphabet[alphabet.indexOf(last) + 1]
    expect(base64url.decode(twin.split(".")[2]!)).toEqual(
      base64url.decode(plain.jws.split(".")[2]!),
    )
    await expect(readCard(twin, expected)).rejects.toMatchObject({ code: "BAD_CARD" })
  })

  it("says CARD_EXPIRED once it is too old, and not a second before", async () => {
    const end = 1798761600_000
    await expect(readCard(plain.jws, { ...expected, nowMs: end })).rejects.toMatchObject({
      code: "CARD_EXPIRED",
    })
    await readCard(plain.jws, { ...expected, nowMs: end - 1 })
  })

  it("refuses a key of small order, for which the empty signature would do", async () => {
    const key = base64url.encode(new Uint8Array(32).fill(1, 0, 1))
    const header = base64url.encode('{"alg":"EdDSA"}')
    const payload = base64url.encode(plain.payload.replace(frozen.key, key))
    const forged = base64url.encode(Uint8Array.from([1, ...new Uint8Array(63)]))
    const card = `${header}.${payload}.${forged}`
    const open = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: key }, format: "jwk" })
    const input = Buffer.from(`${header}.${payload}`)
    expect(verify(null, input, open, Buffer.from(forged, "base64url"))).toBe(true)
    await expect(readCard(card, { ...expected, key })).rejects.toMatchObject({ code: "BAD_CARD" })
  })

  it("refuses another JWT that the identity key might have signed", async () => {
    const token = await new SignJWT({ sub: "x" })
      .setProtectedHeader({ alg: "EdDSA" })
      .sign(privateKey)
    await expect(readCard(token, expected)).rejects.toMatchObject({ code: "BAD_CARD" })
  })

  it("refuses the card with any one character changed", async () => {
    for (let at = 0; at < plain.jws.length; at++) {
      const changed =
        plain.jws.slice(0, at) + (plain.jws[at] === "A" ? "B" : "A") + plain.jws.slice(at + 1)
      const failure = await readCard(changed, expected).catch((error: unknown) => error)
      if (!isAlliumError(failure, "BAD_CARD")) throw new Error(`accepted a change at ${at}`)
    }
  })

  it("gives a card or BAD_CARD for any text", async () => {
    const parts = fc.array(
      fc.oneof(fc.string(), fc.base64String(), fc.constantFrom(...plain.jws.split("."))),
      {
        maxLength: 4,
      },
    )
    await fc.assert(
      fc.asyncProperty(parts, async (some) => {
        const text = some.join(".")
        const failure = await readCard(text, expected).catch((error: unknown) => error)
        if (text !== plain.jws && !isAlliumError(failure, "BAD_CARD")) throw failure
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

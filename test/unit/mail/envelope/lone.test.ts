import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { ENVELOPE_BYTES } from "../../../../src/mail/envelope/crypto.ts"
import { LONE_PAYLOAD_BYTES, openLone, sealLone } from "../../../../src/mail/envelope/lone.ts"
import { PlainSession } from "../../../support/plain-envelopes.ts"
import { plainBob } from "./frozen-story.ts"
import { ann, bob, bytes, NOW, seededCrypto, seededRandom } from "./people.ts"

const crypto = seededCrypto("lone prekeys")
const prekeys = crypto.makePrekeys(bob)
const payload = seededRandom("lone payload")(LONE_PAYLOAD_BYTES)
const envelope = sealLone(ann, prekeys.bundle, payload, seededRandom("lone"))

describe("a lone envelope", () => {
  it("has 4,096 bytes and holds 2,787, which its owner reads, and knows whose they are", () => {
    expect(envelope).toHaveLength(ENVELOPE_BYTES)
    expect(LONE_PAYLOAD_BYTES).toBe(2_787)
    const opened = openLone(bob, prekeys, envelope)
    expect(opened?.payload).toEqual(payload)
    expect(opened?.person.subarray(0, 32)).toEqual(ann.publicKey)
    expect(opened?.name).toEqual(openLone(bob, prekeys, envelope)?.name)
  })

  it("is frozen, and opens as the specification says", () => {
    const digest = createHash("sha256").update(envelope).digest("hex")
    expect(digest).toBe("4e7382640881a1893d421000de5ae036cb85050eee1f2872e3d2f485bdc995f3")
    const plain = PlainSession.accept(plainBob, prekeys, envelope, seededRandom("unused"))
    expect(plain?.openLone(envelope)).toEqual(payload)
    expect(plain?.name).toEqual(openLone(bob, prekeys, envelope)?.name)
  })

  it("never opens with a bit changed, with other prekeys, for somebody else, or as the first of a session", () => {
    for (const at of [0, 1, 13, 1_292, 1_293, 4_095]) {
      const damaged = envelope.slice()
      damaged[at]! ^= 1
      expect(openLone(bob, prekeys, damaged)).toBeUndefined()
    }
    expect(openLone(bob, crypto.makePrekeys(bob), envelope)).toBeUndefined()
    expect(openLone(ann, prekeys, envelope)).toBeUndefined()
    expect(openLone(bob, prekeys, envelope.subarray(1))).toBeUndefined()
    expect(crypto.accept(bob, prekeys, envelope, NOW)).toBeUndefined()
    const first = crypto.seal(crypto.begin(ann, prekeys.bundle), bytes("hello"))
    expect(openLone(bob, prekeys, first.envelope)).toBeUndefined()
  })

  it("takes a whole payload and a sound bundle only", () => {
    const random = seededRandom("x")
    expect(() => sealLone(ann, prekeys.bundle, payload.subarray(1), random)).toThrow(RangeError)
    const bad = prekeys.bundle.slice()
    bad[200]! ^= 1
    expect(() => sealLone(ann, bad, payload, random)).toThrow(
      expect.objectContaining({ code: "BAD_BUNDLE" }),
    )
  })
})

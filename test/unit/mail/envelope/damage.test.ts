import { describe, expect, it } from "vitest"
import { seededChance } from "../../../../src/base/random.ts"
import type { CryptoSession } from "../../../../src/mail/envelope/crypto.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"
import { bob, bytes, meetAndAnswer, NOW, seededCrypto, text } from "./people.ts"

/** `FUZZ=10`, as in `npm test`, makes 10^4; `FUZZ=1000` makes 10^6. */
const FORGERIES = fuzzRuns(1_000)
const crypto = seededCrypto("damage")

/** Forges envelopes; none may open, and the session must be what it was. */
function attack(session: CryptoSession, envelope: Uint8Array, count: number): void {
  const before = crypto.exportSession(session)
  const chance = seededChance(count)
  const forged = Uint8Array.from(envelope)
  for (let forgery = 0; forgery < count; forgery++) {
    const at = Math.floor(chance() * forged.length)
    const bits = 1 + Math.floor(chance() * 255)
    forged[at] = forged[at]! ^ bits
    if (crypto.open(session, forged, NOW) !== undefined)
      throw new Error(`A forgery at byte ${at} opened`)
    forged[at] = forged[at]! ^ bits
  }
  expect(crypto.exportSession(session)).toEqual(before)
  expect(text(crypto.open(session, envelope, NOW)?.payload)).toBe("genuine")
}

describe("open()", { timeout: 3_600_000 }, () => {
  it(`opens none of ${FORGERIES} forgeries, changes nothing, and opens the genuine one`, () => {
    const { ann: hers, bob: his } = meetAndAnswer(crypto)
    const first = crypto.seal(hers, bytes("turn"))
    const opened = crypto.open(his, first.envelope, NOW)!
    const late = crypto.seal(first.session, bytes("genuine"))
    attack(opened.session, late.envelope, FORGERIES)
  })

  it("neither where a forgery costs a turn", () => {
    const { ann: hers, bob: his } = meetAndAnswer(crypto)
    attack(his, crypto.seal(hers, bytes("genuine")).envelope, fuzzRuns(30))
  })

  it("neither in first envelopes, nor when it comes late", () => {
    const prekeys = crypto.makePrekeys(bob)
    const begun = crypto.begin(bob, prekeys.bundle)
    const one = crypto.seal(begun, bytes("genuine"))
    const two = crypto.seal(one.session, bytes("second"))
    const { session } = crypto.accept(bob, prekeys, two.envelope, NOW)!
    attack(session, one.envelope, fuzzRuns(300))
  })

  it("changes nothing for cut, long, empty and unknown ones", () => {
    const { ann: hers, bob: his } = meetAndAnswer(crypto)
    const { envelope } = crypto.seal(hers, bytes("genuine"))
    const version = Uint8Array.from(envelope)
    version[0] = 2
    const long = Buffer.concat([envelope, Uint8Array.of(0)])
    for (const wrong of [envelope.subarray(0, 4_095), long, new Uint8Array(), version])
      expect(crypto.open(his, wrong, NOW)).toBeUndefined()
    expect(text(crypto.open(his, envelope, NOW)?.payload)).toBe("genuine")
  })
})

describe("accept()", () => {
  it("opens no forgery of a first envelope", () => {
    const prekeys = crypto.makePrekeys(bob)
    const { envelope } = crypto.seal(crypto.begin(bob, prekeys.bundle), bytes("genuine"))
    const chance = seededChance(1)
    for (let forgery = 0; forgery < fuzzRuns(30); forgery++) {
      const forged = Uint8Array.from(envelope)
      const at = Math.floor(chance() * forged.length)
      forged[at] = forged[at]! ^ (1 + Math.floor(chance() * 255))
      expect(crypto.accept(bob, prekeys, forged, NOW), `byte ${at}`).toBeUndefined()
    }
    expect(text(crypto.accept(bob, prekeys, envelope, NOW)?.payload)).toBe("genuine")
  })
})

import { describe, expect, it } from "vitest"
import type { CryptoSession } from "../../../../src/mail/envelope/crypto.ts"
import { ann, bob, bytes, meetAndAnswer, seededCrypto } from "./people.ts"

const COUNT = 200
const crypto = seededCrypto("uniform")

/** Envelopes of one session with the same payload: what is constant in them must not show. */
function sealMany(session: CryptoSession): Uint8Array[] {
  return Array.from({ length: COUNT }, () => {
    const sealed = crypto.seal(session, bytes("the same"))
    session = sealed.session
    return sealed.envelope
  })
}

/** Each begins a session of its own with the same bundle. */
function beginMany(): Uint8Array[] {
  const { bundle } = crypto.makePrekeys(bob)
  return Array.from(
    { length: COUNT / 10 },
    () => crypto.seal(crypto.begin(ann, bundle), bytes("the same")).envelope,
  )
}

/** χ² of how often each value of a byte stands anywhere behind the version. */
function chiSquared(envelopes: readonly Uint8Array[]): number {
  const counts = new Float64Array(256)
  for (const envelope of envelopes) for (const byte of envelope.subarray(1)) counts[byte]!++
  const expected = (envelopes.length * 4_095) / 256
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}

/** How far the count of ones of the most uneven bit is from the half, in standard deviations. */
function worstBit(envelopes: readonly Uint8Array[]): number {
  let worst = 0
  for (let bit = 8; bit < 8 * 4_096; bit++) {
    const ones = envelopes.filter((one) => (one[bit >> 3]! >> (bit & 7)) & 1).length
    worst = Math.max(worst, Math.abs(ones - envelopes.length / 2))
  }
  return worst / (Math.sqrt(envelopes.length) / 2)
}

/** Bytes at the same place that are equal in neighbours, as a part of all. */
function repeats(envelopes: readonly Uint8Array[]): number {
  let equal = 0
  for (const [index, envelope] of envelopes.slice(1).entries())
    for (let at = 1; at < 4_096; at++) if (envelope[at] === envelopes[index]![at]) equal++
  return equal / ((envelopes.length - 1) * 4_095)
}

describe("an envelope", () => {
  it.each([
    [
      "first ones of one session",
      () => sealMany(crypto.begin(ann, crypto.makePrekeys(bob).bundle)),
    ],
    ["first ones of many sessions", beginMany],
    ["later ones", () => sealMany(meetAndAnswer(crypto).ann)],
  ])("looks random but for its version: %s", (_, make) => {
    const envelopes = make()
    expect(new Set(envelopes.map((one) => `${one.length} ${one[0]}`))).toEqual(new Set(["4096 1"]))
    // 255 degrees of freedom: 99.99 % of what is random lies between.
    expect(chiSquared(envelopes)).toBeGreaterThan(180)
    expect(chiSquared(envelopes)).toBeLessThan(346)
    expect(worstBit(envelopes)).toBeLessThan(5.5) // of 32,760 bits
    expect(repeats(envelopes)).toBeCloseTo(1 / 256, 3)
  })
})

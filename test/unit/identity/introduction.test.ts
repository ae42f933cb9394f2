import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { AlliumError } from "../../../src/base/errors.ts"
import {
  INTRODUCTION_BYTES,
  introducedTo,
  makeIntroduction,
  readIntroduction,
} from "../../../src/identity/introduction.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import { signerOf } from "./signer.ts"

const DAY_MS = 86_400_000
const NOW = Date.UTC(2026, 0, 1, 13)
const signer = (number: number) => signerOf(new Uint8Array(32).fill(number))
const person = (number: number) => ({
  key: signer(number).key,
  address: `${"abcdefgh"[number]?.repeat(51)}a.b32.i2p`,
})
const [ann, bob, carl] = [person(1), person(2), person(3)]
const made = makeIntroduction(signer(3), [ann, bob], NOW)
const keyOf = (about: { key: string } | undefined) => about?.key

describe("makeIntroduction()", () => {
  it("says the same in whatever order people are named, and to the day", () => {
    expect(makeIntroduction(signer(3), [bob, ann], NOW)).toEqual(made)
    expect(makeIntroduction(signer(3), [bob, ann], NOW + 3_600_000)).toEqual(made)
    expect(made.length).toBe(INTRODUCTION_BYTES)
  })
})

describe("readIntroduction()", () => {
  it("reads who introduces whom, until when", () => {
    const said = readIntroduction(made, NOW)
    expect(said.introducer).toBe(carl.key)
    expect([...said.people].sort((one, other) => (one.key < other.key ? -1 : 1))).toEqual(
      [ann, bob].sort((one, other) => (one.key < other.key ? -1 : 1)),
    )
    expect(said.expiresS).toBe(Date.UTC(2026, 0, 31) / 1000)
  })

  it("refuses it with any one bit changed", () => {
    for (let bit = 0; bit < made.length * 8; bit += 3) {
      const forged = new Uint8Array(made)
      forged[bit >> 3] = forged[bit >> 3]! ^ (1 << (bit & 7))
      expect(() => readIntroduction(forged, NOW)).toThrow(
        expect.objectContaining({ code: "BAD_RECORD" }),
      )
    }
  })

  it("refuses one that is valid for more than 60 days", () => {
    expect(() => readIntroduction(made, NOW - 31 * DAY_MS)).toThrow(/too long/)
  })

  it("refuses an unsound key, however well it is signed", () => {
    const weak = { key: "", address: ann.address }
    const bytes = new Uint8Array(made.subarray(0, INTRODUCTION_BYTES - 64))
    bytes.fill(0, 33, 65)
    const signed = Buffer.concat([bytes, signer(3).sign("allium introduction 1", bytes)])
    expect(() => readIntroduction(signed, NOW)).toThrow(/unsound/)
    expect(() => makeIntroduction(signer(3), [weak, bob], NOW)).toThrow()
  })

  it("returns an introduction or BAD_RECORD for any bytes", () => {
    const near = fc
      .tuple(fc.nat({ max: made.length - 1 }), fc.uint8Array({ minLength: 1, maxLength: 8 }))
      .map(([at, bytes]) => {
        const copy = new Uint8Array(made)
        copy.set(bytes.subarray(0, made.length - at), at)
        return copy
      })
    fc.assert(
      fc.property(fc.oneof(near, fc.uint8Array({ maxLength: 300 })), (bytes) => {
        try {
          expect(readIntroduction(bytes, NOW).introducer).toBe(carl.key)
        } catch (error) {
          expect((error as AlliumError).code).toBe("BAD_RECORD")
        }
      }),
      { numRuns: fuzzRuns(300) },
    )
  })
})

describe("introducedTo()", () => {
  const said = readIntroduction(made, NOW)
  it("names the other one, to whom it is about", () => {
    expect(introducedTo(said, ann.key, NOW)).toEqual(bob)
    expect(introducedTo(said, bob.key, NOW)).toEqual(ann)
  })
  it("names nobody to others, to the introducer, and when it is over", () => {
    expect(keyOf(introducedTo(said, carl.key, NOW))).toBeUndefined()
    expect(keyOf(introducedTo(said, person(4).key, NOW))).toBeUndefined()
    expect(keyOf(introducedTo(said, ann.key, NOW + 30 * DAY_MS))).toBeUndefined()
    const self = readIntroduction(makeIntroduction(signer(1), [ann, bob], NOW), NOW)
    expect(keyOf(introducedTo(self, bob.key, NOW))).toBeUndefined()
  })
})

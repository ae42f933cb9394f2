import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { seededChance } from "../../../../src/base/random.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"
import { ours, plain, plainAnn, plainBob, play, STORY } from "./frozen-story.ts"
import { bytes, text } from "./people.ts"
import { hex, readVectors, toHex } from "./vectors.ts"

interface Frozen {
  readonly random: Readonly<Record<"ann" | "bob", string>>
  readonly ann: Readonly<Record<"identitySecret" | "agreementSecret", string>>
  readonly bob: Readonly<Record<"identitySecret" | "agreementSecret", string>>
  readonly prekeys: Readonly<Record<"secret" | "bundle", string>>
  readonly name: string
  readonly envelopes: readonly (Readonly<Record<"by" | "payload" | "sha256", string>> & {
    readonly opensAfter: number
    readonly envelope?: string
  })[]
}

const sha256 = (envelope: Uint8Array) => createHash("sha256").update(envelope).digest("hex")

describe("the frozen envelopes", () => {
  const frozen = readVectors<Frozen>("envelopes")

  it.each([
    ["ours", ours, ours],
    ["the plain ones", plain, plain],
    ["ours by Ann, the plain ones by Bob", ours, plain],
    ["the plain ones by Ann, ours by Bob", plain, ours],
  ])("are made by %s", (_, hers, his) => {
    const { prekeys, name, envelopes, heard } = play({
      ann: hers("ann", frozen.random.ann),
      bob: his("bob", frozen.random.bob),
    })
    expect(toHex(prekeys.secret)).toBe(frozen.prekeys.secret)
    expect(toHex(prekeys.bundle)).toBe(frozen.prekeys.bundle)
    expect(toHex(name)).toBe(frozen.name)
    expect(envelopes.map(sha256)).toEqual(frozen.envelopes.map((one) => one.sha256))
    for (const [index, { envelope }] of frozen.envelopes.entries())
      if (envelope !== undefined) expect(toHex(envelopes[index]!)).toBe(envelope)
    expect(heard).toEqual(["first 0", "answer", "later 0", "again", "first 2", "last"])
  })

  it("tell what they were made of", () => {
    expect(toHex(plainAnn.identitySecret)).toBe(frozen.ann.identitySecret)
    expect(toHex(plainBob.agreementSecret)).toBe(frozen.bob.agreementSecret)
    expect(frozen.envelopes).toMatchObject(STORY)
    expect(hex(frozen.prekeys.bundle)).toHaveLength(1_441)
  })
})

describe("ours and the plain ones", () => {
  it("understand each other through a story of bursts, shuffled, a third lost", () => {
    const chance = seededChance(3)
    const [hers, his] = [ours("ann", "one"), plain("bob", "two")]
    const prekeys = his.prekeys()
    const begun = hers.begin(prekeys.bundle)
    const hello = begun.seal(bytes("hello"))
    const sides = [begun, his.accept(prekeys, hello)] as const
    for (let burst = 0; burst < fuzzRuns(12); burst++) {
      const from = chance() < 0.5 ? 0 : 1
      const texts = Array.from({ length: 1 + Math.floor(chance() * 5) }, (_, n) => `${burst} ${n}`)
      const sealed = texts.map((one) => ({ one, envelope: sides[from].seal(bytes(one)) }))
      sealed.sort(() => chance() - 0.5)
      for (const { one, envelope } of sealed.slice(0, Math.ceil((sealed.length * 2) / 3)))
        expect(text(sides[1 - from]!.open(envelope))).toBe(one)
    }
  })
})

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { systemRandom } from "../../../src/base/random.ts"
import { openDoorMove, sealDoorMove } from "../../../src/router/door-move.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import vectors from "../../vectors/identity/identities.json" with { type: "json" }

const [ann, tower] = vectors.identities
const old = { key: ann!.key, sendId: new Uint8Array(32).fill(1) }
const next = {
  key: tower!.key,
  address: tower!.b32,
  sendId: Buffer.alloc(32, 2).toString("base64url"),
}

describe("the note at a door that was left", () => {
  it("names the next door to who has the card", () => {
    const note = sealDoorMove(old, next, systemRandom)
    expect(note.length).toBeLessThanOrEqual(1_024)
    expect(openDoorMove(old, note)).toEqual(next)
  })

  it("says nothing to anybody else", () => {
    const note = sealDoorMove(old, next, systemRandom)
    for (const other of [
      { ...old, key: tower!.key },
      { ...old, sendId: new Uint8Array(32) },
    ])
      expect(() => openDoorMove(other, note)).toThrow(
        expect.objectContaining({ code: "BAD_RECORD" }),
      )
  })

  it("refuses whatever the tower says in its place", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_024 }), (bytes) => {
        expect(() => openDoorMove(old, bytes)).toThrow(
          expect.objectContaining({ code: "BAD_RECORD" }),
        )
      }),
      { numRuns: fuzzRuns(100) },
    )
  })
})

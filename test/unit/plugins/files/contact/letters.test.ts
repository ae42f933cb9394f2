import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { readLetter, writeLetter } from "../../../../../plugins/files/contact/letters.ts"
import { packValue } from "../../../../../src/base/pack.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"

const id = Uint8Array.from({ length: 16 }, (_, index) => index)
const offer = {
  ...{ kind: "offer" as const, id, name: "a.txt", isFolder: false, size: 10, fileCount: 1 },
  files: [{ path: "a.txt", size: 10 }],
  infohash: new Uint8Array(20).fill(1),
  info: new Uint8Array(32).fill(2),
  sha256: new Uint8Array(32).fill(3),
  key: new Uint8Array(32).fill(4),
}

describe("letters about files", () => {
  it("are the bytes of the page, written by hand from the MessagePack specification", () => {
    const done = `83 a176 01 a46b696e64 a4646f6e65 a26964 c410000102030405060708090a0b0c0d0e0f`
    const bytes = Buffer.from(done.replaceAll(" ", ""), "hex")
    expect(Buffer.from(writeLetter({ kind: "done", id }))).toEqual(bytes)
    expect(readLetter(bytes)).toEqual({ v: 1, kind: "done", id })
  })
  it.each([
    offer,
    { ...offer, isFolder: true, fileCount: 20_000, note: "the best ones" },
    { kind: "withdraw" as const, id, reason: "FILE_CHANGED" as const },
    { kind: "accept" as const, id },
    { kind: "decline" as const, id, reason: "REFUSED" as const },
  ])("are read back: $kind", (letter) => {
    expect(readLetter(writeLetter(letter))).toEqual({ v: 1, ...letter })
  })
  it("have room for the longest offer we write", () => {
    const files = Array.from({ length: 100 }, () => ({
      path: "\u{1f600}".repeat(50),
      size: 2 ** 43,
    }))
    const long = { ...offer, name: "n".repeat(200), files, note: "\u{1f600}".repeat(128) }
    expect(readLetter(writeLetter(long))).toMatchObject({ files })
  })
  it.each([
    ["another version", { v: 2, ...offer }],
    ["a member too many", { v: 1, ...offer, more: 1 }],
    ["a key that is too short", { v: 1, ...offer, key: new Uint8Array(31) }],
    ["a size below zero", { v: 1, ...offer, size: -1 }],
    ["a size above 8 TiB", { v: 1, ...offer, size: 2 ** 43 + 1 }],
    ["a size that is not whole", { v: 1, ...offer, size: 1.5 }],
    ["a long name", { v: 1, ...offer, name: "x".repeat(1_025) }],
    ["too many files", { v: 1, ...offer, fileCount: 20_001 }],
    ["too many listed", { v: 1, ...offer, files: Array(101).fill(offer.files[0]) }],
    ["an unknown reason", { v: 1, kind: "decline", id, reason: "BORED" }],
    ["an unknown kind", { v: 1, kind: "hello", id }],
    ["a text", "offer"],
  ])("are refused with %s", (_name, value) => {
    expect(() => readLetter(packValue(value))).toThrow(
      expect.objectContaining({ code: "BAD_RECORD" }),
    )
  })
  it("are refused when they are noise, and their content is not quoted", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(() => readLetter(noise)).toThrow(expect.objectContaining({ code: "BAD_RECORD" }))
      }),
      { numRuns: fuzzRuns(200) },
    )
    const long = new Uint8Array(60_000)
    expect(() => readLetter(long)).toThrow("it is not one about files")
  })
})

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { LineReader } from "../../../src/sam/line-reader.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const endless = expect.objectContaining({ code: "BAD_SAM_LINE" })

describe("LineReader", () => {
  it("gives the same lines however the bytes are cut", () => {
    const lines = fc.array(fc.stringMatching(/^[a-zA-Z= "ä€😀]*$/u), { maxLength: 6 })
    const cuts = fc.array(fc.nat(300), { maxLength: 12 })
    fc.assert(
      fc.property(lines, cuts, fc.uint8Array({ maxLength: 50 }), (lines, cuts, surplus) => {
        const tail = surplus.filter((byte) => byte !== 0x0a)
        const all = Buffer.concat([...lines.map((line) => bytes(`${line}\n`)), tail])
        const places = [
          0,
          ...cuts.map((cut) => cut % (all.length + 1)).sort((a, b) => a - b),
          all.length,
        ]
        const reader = new LineReader()
        const got: string[] = []
        for (const [at, start] of places.entries()) {
          reader.push(all.subarray(start, places[at + 1] ?? all.length))
          for (let line = reader.next(); line !== undefined; line = reader.next()) got.push(line)
        }
        expect(got).toEqual(lines)
        expect(new Uint8Array(reader.rest())).toEqual(tail)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
  it("reads a line byte by byte", () => {
    const reader = new LineReader()
    const got = [...bytes("HELLO REPLY RESULT=OK\r\nx")].map((byte) => {
      reader.push(Uint8Array.of(byte))
      return reader.next()
    })
    expect(got.filter((line) => line !== undefined)).toEqual(["HELLO REPLY RESULT=OK"])
    expect(new Uint8Array(reader.rest())).toEqual(bytes("x"))
    expect(reader.rest()).toHaveLength(0)
  })
  it("takes a line of exactly the longest length, and nothing longer", () => {
    const reader = new LineReader(10)
    reader.push(bytes("1234567890\n12345678901\n"))
    expect(reader.next()).toBe("1234567890")
    expect(() => reader.next()).toThrow(endless)
    expect(() => reader.next()).toThrow(endless)
  })
  it("does not gather a line that never ends", () => {
    const reader = new LineReader(100)
    reader.push(bytes("x".repeat(100)))
    expect(reader.next()).toBeUndefined()
    reader.push(bytes("x"))
    expect(() => reader.next()).toThrow(endless)
    expect(() => reader.push(bytes("x"))).toThrow(endless)
    expect(reader.rest()).toHaveLength(101)
  })
})

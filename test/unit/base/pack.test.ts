import fc from "fast-check"
import { pack as foreignPack, unpack as foreignUnpack } from "msgpackr"
import { describe, expect, it } from "vitest"
import { isAlliumError } from "../../../src/base/errors.ts"
import { PACK_LIMITS, packValue, unpackValue } from "../../../src/base/pack.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(" ", ""), "hex"))

/** Examples of the MessagePack specification. */
const examples = [
  { bytes: "c0", value: null },
  { bytes: "c3", value: true },
  { bytes: "7f", value: 127 },
  { bytes: "ff", value: -1 },
  { bytes: "cd 01 00", value: 256 },
  { bytes: "cf 00 00 01 00 00 00 00 00", value: 1_099_511_627_776 },
  { bytes: "d3 ff ff ff ff ff ff ff ff", value: -1 },
  { bytes: "a2 c3 a9", value: "é" },
  { bytes: "c4 02 00 ff", value: Uint8Array.of(0, 255) },
  { bytes: "92 01 a0", value: [1, ""] },
  { bytes: "81 a1 61 90", value: { a: [] } },
  { bytes: "de 00 01 d9 01 61 c2", value: { a: false } },
]

const damage = [
  { name: "nothing", bytes: "" },
  { name: "a second value", bytes: "c0 c0" },
  { name: "text cut short", bytes: "a5 61" },
  { name: "an array that states 4 billion items", bytes: "dd ff ff ff ff" },
  { name: "a map that states 4 billion pairs", bytes: "df ff ff ff ff" },
  { name: "bytes that state 4 GiB", bytes: "c6 ff ff ff ff 00" },
  { name: "text that is not UTF-8", bytes: "a2 c3 28" },
  { name: "a surrogate in UTF-8", bytes: "a3 ed a0 80" },
  { name: "the unused type", bytes: "c1" },
  { name: "undefined as msgpackr writes it", bytes: "d4 00 00" },
  { name: "a date", bytes: "d6 ff 00 00 00 00" },
  { name: "a cyclic object", bytes: "d6 69 00 00 00 01 91 d6 70 00 00 00 01" },
  { name: "a record definition", bytes: "d4 72 40 91 a1 61 01" },
  { name: "a number as key", bytes: "81 01 01" },
  { name: "equal keys", bytes: "82 a1 61 01 a1 61 02" },
  { name: "equal keys in two notations", bytes: "82 a1 61 01 d9 01 61 02" },
  { name: "__proto__", bytes: "81 a9 5f 5f 70 72 6f 74 6f 5f 5f 80" },
  { name: "an integer beyond 2^53", bytes: "cf 00 20 00 00 00 00 00 01" },
  { name: "nine arrays inside each other", bytes: "91 91 91 91 91 91 91 91 90" },
]

const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true }).filter((number) => !Object.is(number, -0)),
    fc.maxSafeInteger().filter((number) => !Object.is(number, -0)),
    fc.string({ unit: "binary" }),
    fc.uint8Array(),
    fc.array(tie("value"), { maxLength: 6 }),
    fc.dictionary(
      fc.string({ unit: "binary" }).filter((key) => key !== "__proto__"),
      tie("value"),
      { noNullPrototype: true, maxKeys: 6 },
    ),
  ),
})).value

const generous = { bytesMax: 1_000_000, depthMax: 64, itemsMax: 100_000 }

describe("unpackValue()", () => {
  it.each(examples)("reads the specification's $bytes", ({ bytes, value }) => {
    expect(unpackValue(hex(bytes))).toStrictEqual(value)
  })

  it.each(damage)("refuses $name", ({ bytes }) => {
    expect(() => unpackValue(hex(bytes))).toThrow(expect.objectContaining({ code: "BAD_PACK" }))
  })

  it("says nothing about the content in its error", () => {
    const bytes = Buffer.concat([packValue({ secret: "tulip" }), Uint8Array.of(0)])
    expect(() => unpackValue(bytes)).toThrow(/^(?!.*(tulip|secret))/)
  })

  it("counts every key and value", () => {
    const limits = { ...PACK_LIMITS, itemsMax: 5 }
    expect(unpackValue(packValue({ a: 1, b: 2 }), limits)).toEqual({ a: 1, b: 2 })
    expect(() => unpackValue(packValue({ a: 1, b: 2, c: 3 }), limits)).toThrow(/items/)
  })

  it("gives bytes that share no memory with what it read", () => {
    const bytes = packValue({ data: Uint8Array.of(1, 2, 3) })
    const value = unpackValue(bytes) as { data: Uint8Array }
    bytes.fill(0)
    expect(value.data).toStrictEqual(Uint8Array.of(1, 2, 3))
  })

  it("returns a value or BAD_PACK for random byte strings", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          unpackValue(bytes)
        } catch (error) {
          if (!isAlliumError(error, "BAD_PACK")) throw error
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })

  it("returns a value or BAD_PACK when one byte of a packed value changes", () => {
    fc.assert(
      fc.property(plain, fc.nat(), fc.integer({ min: 0, max: 255 }), (value, at, byte) => {
        const bytes = packValue(value)
        bytes[at % bytes.length] = byte
        try {
          unpackValue(bytes, generous)
        } catch (error) {
          if (!isAlliumError(error, "BAD_PACK")) throw error
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("packValue()", () => {
  it("comes back equal through unpackValue() and through the bare decoder", () => {
    fc.assert(
      fc.property(plain, (value) => {
        const bytes = packValue(value)
        expect(unpackValue(bytes, generous)).toStrictEqual(value)
        expect(packValue(foreignUnpack(bytes.slice()))).toStrictEqual(bytes)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })

  it("leaves undefined members out", () => {
    expect(unpackValue(packValue({ a: undefined, b: 1 }))).toStrictEqual({ b: 1 })
  })

  const cyclic: Record<string, unknown> = {}
  cyclic.self = cyclic
  it.each([
    { name: "a date", value: new Date(0) },
    { name: "undefined", value: undefined },
    { name: "undefined in an array", value: [undefined] },
    { name: "a function", value: { run: () => 1 } },
    { name: "an error", value: new Error("tulip") },
    { name: "an integer beyond 2^53", value: 2n ** 60n },
    { name: "half a surrogate pair", value: "\ud800" },
    { name: "a cyclic object", value: cyclic },
  ])("refuses $name", ({ value }) => {
    expect(() => packValue(value)).toThrow(TypeError)
  })

  it("is what the bare encoder writes for wire messages", () => {
    const message = { id: Uint8Array.of(1, 2), text: "hi", at: 5 }
    expect(packValue(message)).toStrictEqual(
      packValue(foreignUnpack(foreignPack({ ...message, id: Buffer.from(message.id) }))),
    )
  })
})

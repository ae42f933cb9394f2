import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type BencodeReading,
  type BencodeValue,
  decodeBencode,
  decodeBencodeHead,
} from "../../../../../plugins/files/torrent/bencode.ts"
import { encodeBencode } from "../../../../../plugins/files/torrent/bencode-write.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"

const READING: BencodeReading = { code: "BAD_TORRENT", what: "torrent" }
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"))
const read = (text: string, reading = READING): BencodeValue => decodeBencode(bytes(text), reading)

describe("decodeBencode()", () => {
  it.each([
    ["4:spam", bytes("spam")],
    ["0:", bytes("")],
    ["i3e", 3],
    ["i-3e", -3],
    ["i0e", 0],
    ["i9007199254740991e", Number.MAX_SAFE_INTEGER],
    ["l4:spam4:eggse", [bytes("spam"), bytes("eggs")]],
    [
      "d3:cow3:moo4:spam4:eggse",
      new Map([
        ["cow", bytes("moo")],
        ["spam", bytes("eggs")],
      ]),
    ],
    ["d4:spaml1:a1:bee", new Map([["spam", [bytes("a"), bytes("b")]]])],
    ["de", new Map()],
    ["le", []],
  ])("reads %s, as BEP 3 says", (text, value) => expect(read(text)).toEqual(value))

  it.each([
    ["i03e", "a leading zero"],
    ["i-0e", "minus zero"],
    ["i-e", "no digits"],
    ["ie", "no digits"],
    ["i+3e", "a plus"],
    ["i3.5e", "a fraction"],
    ["i 3e", "a space"],
    ["i3", "no end"],
    ["i9007199254740992e", "more than 2^53"],
    ["i99999999999999999999999e", "many digits"],
    ["04:spam", "a padded length"],
    ["5:spam", "a string cut short"],
    ["-1:a", "a negative length"],
    ["99999999999:a", "a length beyond the end"],
    ["4spam", "no colon"],
    ["l4:spam", "a list without end"],
    ["d4:spam", "a key without value"],
    ["di3ei4ee", "a key that is no string"],
    ["d1:ai1e1:ai2ee", "a key twice"],
    ["d1:bi1e1:ai2ee", "keys out of order"],
    ["i1ei2e", "something after the end"],
    ["", "nothing"],
    ["x", "a strange letter"],
    ["e", "an end alone"],
    ["l".repeat(40) + "e".repeat(40), "lists too deep"],
    [`l${"i0e".repeat(5_000)}e`, "too many values"],
  ])("refuses %s: %s", (text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: "BAD_TORRENT" }))
  })

  it("reads keys in any order where asked to, but never one twice", () => {
    expect(read("d1:bi1e1:ai2ee", { ...READING, order: "any" })).toEqual(
      new Map([
        ["b", 1],
        ["a", 2],
      ]),
    )
    expect(() => read("d1:bi1e1:ai2e1:bi3ee", { ...READING, order: "any" })).toThrow(/twice/)
  })

  it("stops at a million nested lists without overflowing the stack", () => {
    expect(() => read("l".repeat(1_000_000))).toThrow(/too deep/)
  })

  it("says where the members of a dictionary lie, and where the value ends", () => {
    const { spans, end } = decodeBencodeHead(bytes("d1:al1:xe1:bi7eeREST"), READING)
    expect([...spans]).toEqual([
      ["a", [4, 9]],
      ["b", [12, 15]],
    ])
    expect(end).toBe(16)
  })

  it("throws nothing but AlliumError, and accepts only what it would write itself", () => {
    const grammar = fc.stringMatching(/^[ilde0-9:a-]{0,24}$/)
    fc.assert(
      fc.property(grammar, (text) => {
        try {
          expect(Buffer.from(encodeBencode(read(text))).toString("latin1")).toBe(text)
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_TORRENT" })
        }
      }),
      { numRuns: fuzzRuns(500) },
    )
  })
})

describe("encodeBencode()", () => {
  const { value } = fc.letrec<{ value: BencodeValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.maxSafeInteger(),
      fc.uint8Array({ maxLength: 20 }),
      fc.array(tie("value"), { maxLength: 4 }),
      fc
        .array(fc.tuple(fc.string({ unit: "binary-ascii", maxLength: 6 }), tie("value")), {
          maxLength: 4,
        })
        .map((entries) => new Map(entries)),
    ),
  }))

  it("writes what is read back as the same value", () => {
    fc.assert(
      fc.property(value, (written) => {
        expect(sorted(decodeBencode(encodeBencode(written), READING))).toEqual(sorted(written))
      }),
      { numRuns: fuzzRuns(500) },
    )
  })

  it("sorts keys as bytes, writes text as UTF-8, and leaves out what is undefined", () => {
    const written = encodeBencode({ b: "ü", a: 1, c: undefined, B: [], é: -0 })
    expect(Buffer.from(written).toString("latin1")).toBe("d1:Ble1:ai1e1:b2:Ã¼1:éi0ee")
  })

  it.each([0.5, Number.NaN, 2 ** 53])("refuses the number %s", (number) => {
    expect(() => encodeBencode(number)).toThrow(RangeError)
  })
})

/** Equal for equal values, whatever the order of keys and however zero is signed. */
function sorted(value: BencodeValue): unknown {
  if (typeof value === "number") return value + 0
  if (value instanceof Uint8Array) return Buffer.from(value).toString("latin1")
  if (value instanceof Map)
    return { map: [...value].sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, sorted(v)]) }
  return (value as BencodeValue[]).map(sorted)
}

/** The bytes of docs/protocol/letter.md, written by hand from its tables; and what no correspondent may say. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isAlliumError } from "../../../../src/base/errors.ts"
import { packValue } from "../../../../src/base/pack.ts"
import { readIntroduction, writeIntroduction } from "../../../../src/mail/post/introduction.ts"
import { readBody, writeLetter } from "../../../../src/mail/post/letter.ts"
import { openMove, sealMove } from "../../../../src/mail/post/move.ts"
import { type Payload, readPayload, writePayload } from "../../../../src/mail/post/payload.ts"
import type { Place } from "../../../../src/mail/post/post.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"
import { projectRoot } from "../../../support/project.ts"

const PAGE = readFileSync(join(projectRoot, "docs/protocol/letter.md"), "utf8")
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const unhex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ""), "hex"))
const count = (from: number) => Uint8Array.from({ length: 8 }, (_, index) => from + index)
const text = (value: string) => new TextEncoder().encode(value)

const PAYLOADS: [string, Payload, string][] = [
  [
    "an acknowledgement and a part",
    {
      ...{ origin: count(0), epoch: 1 },
      acks: [{ origin: count(16), upto: 300, ranges: [[300, 400], [1_000, 70_000]] }], // biome-ignore format: a table
      part: { base: 500, offset: 515, bytes: text("hi") },
    },
    `01000102030405060700000001
     010026101112131415161700000000012c00000000012c0000000001900000000003e8000000011170
     02000e0000000001f40000000002036869`,
  ],
  [
    "a flash letter",
    { origin: count(0), epoch: 258, acks: [], flash: unhex("026162ff") },
    "01000102030405060700000102030004026162ff",
  ],
]

describe("a payload", () => {
  it.each(PAYLOADS)("has the bytes of its page: %s", (_, payload, bytes) => {
    const wanted = bytes.replaceAll(/\s/g, "")
    expect(hex(writePayload(payload))).toBe(wanted)
    expect(readPayload(unhex(bytes))).toEqual(payload)
    expect(PAGE.replaceAll(/\s/g, "")).toContain(wanted)
  })

  it.each([
    ["nothing", ""],
    ["another version", "02000102030405060700000001"],
    ["a short head", "010001020304050607000000"],
    ["half an item", "010001020304050607000000010100"],
    ["an item that ends too late", "01000102030405060700000001030002ff"],
    ["an unknown item", "01000102030405060700000001040000"],
    ["kind 0", "01000102030405060700000001000000"],
    [
      "items in the wrong order",
      "0100010203040506070000000103000002000d0000000000000000000000006f",
    ],
    ["two flash letters", "010001020304050607000000010300000300 00"],
    ["a part without bytes", "0100010203040506070000000102000c000000000000000000000000"],
    ["a base behind the offset", "0100010203040506070000000102000d0000000000020000000000016f"],
    [
      "a part beyond the end of numbers",
      "0100010203040506070000000102000d000000000000ffffffffffff6f",
    ],
    ["half a range", "010001020304050607000000010100141011121314151617000000000001000000000001"],
    [
      "an empty range",
      `0100010203040506070000000101001a${"00".repeat(14)}000000000005000000000005`,
    ],
    [
      "a range before upto",
      `0100010203040506070000000101001a${"00".repeat(8)}000000000009000000000005000000000007`,
    ],
    [
      "ranges that touch",
      `01000102030405060700000001010026${"00".repeat(14)}000000000001000000000002000000000002000000000003`,
    ],
    ["five acknowledgements", `01000102030405060700000001${`01000e${"00".repeat(14)}`.repeat(5)}`],
  ])("is refused with %s", (_, bytes) => {
    expect(() => readPayload(unhex(bytes))).toThrow(expect.objectContaining({ code: "BAD_RECORD" }))
  })

  it("is read as it was written, or refused with a code, whatever the bytes", () => {
    const good = unhex(PAYLOADS[0]![2])
    const damage = fc.record({
      at: fc.nat(good.length - 1),
      to: fc.nat(255),
      end: fc.nat(good.length),
    })
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      damage.map(({ at, to, end }) => good.with(at, to).slice(0, Math.max(end, at))),
    )
    fc.assert(
      fc.property(bytes, (some) => {
        try {
          expect(hex(writePayload(readPayload(some)))).toBe(hex(some))
        } catch (error) {
          if (!isAlliumError(error, "BAD_RECORD")) throw error
        }
      }),
      { numRuns: fuzzRuns(2_000) },
    )
  })
})

describe("a letter", () => {
  it("has the bytes of its page", () => {
    const bytes = writeLetter({ topic: "messages", content: text("hi") })
    expect(hex(bytes)).toBe("0000000b086d657373616765736869")
    expect(PAGE.replaceAll(/\s/g, "")).toContain(hex(bytes))
    expect(readBody(bytes.slice(4))).toEqual({ topic: "messages", content: text("hi") })
  })

  it.each([
    ["nothing", ""],
    ["a topic that ends too late", "056162"],
    ["a topic of 33 bytes", `21${"61".repeat(33)}`],
    ["a topic that is not UTF-8", "01ff"],
  ])("is refused with %s", (_, bytes) => {
    expect(() => readBody(unhex(bytes))).toThrow(expect.objectContaining({ code: "BAD_RECORD" }))
  })
})

const tower: Place = {
  ...{ kind: "tower", key: "A".repeat(43), address: `${"a".repeat(52)}.b32.i2p` },
  ...{ sendId: new Uint8Array(32).fill(1), moveKey: new Uint8Array(32).fill(2) },
}

describe("an introduction", () => {
  const good = { bundle: text("bundle"), places: [{ kind: "self" }, tower] as Place[] }

  it("is read as it was written", () => {
    expect(readIntroduction(writeIntroduction(good))).toEqual(good)
  })

  it.each([
    ["nothing", null],
    ["another kind", { ...good, kind: "other" }],
    ["five places", { ...good, kind: "introduction", places: Array(5).fill({ kind: "self" }) }],
    [
      "a short id",
      { ...good, kind: "introduction", places: [{ ...tower, sendId: text("short") }] },
    ],
    [
      "a name that is no address",
      { ...good, kind: "introduction", places: [{ ...tower, address: "example.org" }] },
    ],
    ["no bundle", { ...good, kind: "introduction", bundle: new Uint8Array() }],
    ["more than it should", { ...good, kind: "introduction", extra: 1 }],
  ])("is refused with %s", (_, value) => {
    expect(() => readIntroduction(packValue(value))).toThrow(
      expect.objectContaining({ code: "BAD_RECORD" }),
    )
  })
})

describe("sealMove()", () => {
  const key = new Uint8Array(32).fill(7)
  const note = sealMove(key, tower, (byteCount) => new Uint8Array(byteCount).fill(9))

  it("leaves a note that opens with the key of the place, and fits a mailbox", () => {
    expect(openMove(key, note)).toEqual(tower)
    expect(note.length).toBeLessThanOrEqual(1_024)
  })

  it.each([
    ["another key", key.with(0, 0), note],
    ["a changed note", key, note.with(40, note[40]! ^ 1)],
    ["half a note", key, note.slice(0, 20)],
    ["no note", key, new Uint8Array()],
  ])("cannot be opened with %s", (_, wrongKey, wrongNote) => {
    expect(() => openMove(wrongKey, wrongNote)).toThrow(
      expect.objectContaining({ code: "BAD_RECORD" }),
    )
  })
})

/** What a contact may try in a letter. */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { messages } from "../../../../plugins/messages/index.ts"
import { listOffer, type MessageDocument } from "../../../../plugins/messages/offers.ts"
import { readRecord, unpackRecord } from "../../../../plugins/messages/wire.ts"
import { packValue } from "../../../../src/base/pack.ts"
import { FakePair } from "../../../support/fake-plugin-context.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

const id = (byte: number) => new Uint8Array(16).fill(byte)
const good = (more: object = {}) => ({
  ...{ v: 1, kind: "text", id: id(1), sentAt: 60_000, text: "hi" },
  ...more,
})
const attachment = { transfer: id(2), name: "a.png", size: 1, kind: "picture" }
const about = (kind: string, more: object = {}) => ({ v: 1, kind, target: id(1), ...more })
const BAD = expect.objectContaining({ code: "BAD_RECORD" })

describe("readRecord()", () => {
  it.each([
    ["not an object", 7],
    ["nothing", null],
    ["another version", good({ v: 2 })],
    ["no version", good({ v: undefined })],
    ["an unknown kind", good({ kind: "ack" })],
    ["a short id", good({ id: new Uint8Array(15) })],
    ["an id that is text", good({ id: "0123456789abcdef" })],
    ["a time with seconds", good({ sentAt: 60_001 })],
    ["a time before 1970", good({ sentAt: -60_000 })],
    ["a time no calendar knows", good({ sentAt: 9_007_199_254_720_000 })],
    ["no text", good({ text: "" })],
    ["too long a text", good({ text: "é".repeat(524_289) })],
    ["half a character", good({ text: "\ud800" })],
    ["more than it should", good({ extra: true })],
    ["an end before the beginning", good({ expiresS: 0 })],
    ["an end in a lifetime", good({ expiresS: 3e9 })],
    ["no attachments at all", good({ attachments: [] })],
    ["too many attachments", good({ attachments: Array.from({ length: 17 }, () => attachment) })],
    ["an attachment without a name", good({ attachments: [{ ...attachment, name: "" }] })],
    ["an attachment of another kind", good({ attachments: [{ ...attachment, kind: "virus" }] })],
    ["an attachment with a short hash", good({ attachments: [{ ...attachment, sha256: id(1) }] })],
    ["an edit to nothing", about("edit", { text: "" })],
    ["a reaction with a line end", about("react", { emoji: "a\nb" })],
    ["a reaction that is a letter", about("react", { emoji: "x".repeat(65) })],
    ["a timer of years", { v: 1, kind: "timer", seconds: 31_622_401 }],
    ["a deletion of many", { v: 1, kind: "delete", target: [id(1), id(2)] }],
    ["a group that nobody speaks for", { v: 1, kind: "group" }],
  ])("refuses %s", (_, value) => {
    expect(() => readRecord(value)).toThrow(BAD)
  })

  it("takes the longest text", () => {
    const { text } = readRecord(good({ text: "é".repeat(524_288) })) as { text: string }
    expect(text).toHaveLength(524_288)
  })

  it("takes an attachment without a word", () => {
    expect(readRecord(good({ text: "", attachments: [attachment] }))).toBeDefined()
  })

  it("never quotes what it refuses", () => {
    expect(() => readRecord(good({ text: "secret".repeat(200_000) }))).not.toThrow(/secret/)
    expect(() => unpackRecord(new TextEncoder().encode("secret"))).not.toThrow(/secret/)
  })
})

describe("messages, against a hostile contact", () => {
  async function open() {
    const pair = new FakePair()
    await pair.left.start(messages)
    const say = async (value: unknown) => {
      await pair.left.life?.mail.arrive(packValue(value), "contact")
      await pair.world.settle()
    }
    const list = () => pair.left.run(listOffer, { contact: "bob" }) as Promise<MessageDocument[]>
    return { pair, ann: pair.left, say, list }
  }

  it("drops for good what is no record", async () => {
    const { ann } = await open()
    const junk = [new Uint8Array(), new Uint8Array([0xc1]), packValue([1, 2, 3])]
    for (const content of junk)
      await expect(ann.life?.mail.arrive(content, "contact")).rejects.toThrow(BAD)
  })

  it("shows a message once that comes twice, and keeps the first text", async () => {
    const { say, list } = await open()
    await say(good())
    await say(good({ text: "other" }))
    expect((await list()).map(({ text }) => text)).toEqual(["hi"])
  })

  it("keeps at most 64 things about messages that never come", async () => {
    const { ann, say, list } = await open()
    for (let byte = 2; byte < 202; byte++) await say(about("delete", { target: id(byte) }))
    const early = [...ann.disk.values.keys()].filter((path) => path.includes("/early/"))
    expect(early).toHaveLength(64)
    await say(good({ id: id(201) })) // deleted before it came
    await say(good({ id: id(2) })) // that one is forgotten
    expect(await list()).toHaveLength(1)
    expect(ann.told("received")).toHaveLength(1)
  })

  it("survives any records in any order", async () => {
    const { pair, ann, list } = await open()
    const junk = fc.uint8Array({ maxLength: 60 })
    const someId = fc.integer({ min: 1, max: 4 }).map(id)
    const text = fc.string({ unit: "grapheme", maxLength: 8 })
    const shapes = [
      { kind: "text", id: someId, sentAt: fc.constant(0), text },
      { kind: "edit", target: someId, text },
      { kind: "delete", target: someId },
      { kind: "react", target: someId, emoji: text },
      { kind: "read", upTo: someId },
      { kind: "timer", seconds: fc.nat() },
      { kind: "typing" },
      { kind: fc.string(), id: fc.jsonValue() },
    ]
    const records = shapes.map(({ kind, ...rest }) =>
      fc.record({
        v: fc.constant(1),
        kind: typeof kind === "string" ? fc.constant(kind) : kind,
        ...(rest as Record<string, fc.Arbitrary<unknown>>),
      }),
    )
    const content = fc.oneof(...records.map((record) => record.map(packSafely)), junk)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(content, fc.constantFrom("contact" as const, "own device" as const)), {
          maxLength: 12,
        }),
        async (letters) => {
          for (const [bytes, from] of letters)
            await ann.life?.mail.arrive(bytes, from).catch((error) => {
              expect(error).toMatchObject({ code: "BAD_RECORD" })
            })
          await pair.world.settle()
          const unread = (await list()).filter((message) => message.unread)
          const [head] = ann.disk.below("/conversations/").map(([, value]) => value)
          expect((head as { unread: number } | undefined)?.unread ?? 0).toBe(unread.length)
        },
      ),
      { numRuns: fuzzRuns(60) },
    )
    expect(ann.faults).toEqual([])
  })
})

function packSafely(value: unknown): Uint8Array {
  try {
    return packValue(value)
  } catch {
    return new Uint8Array()
  }
}

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { encodeFrame, type Frame, FrameParser, isProtocolName } from "../../../src/link/frames.ts"
import { fuzzRuns } from "../../support/fuzz.ts"
import vectors from "../../vectors/link/vectors.json" with { type: "json" }

const hex = (text: string) => Buffer.from(text, "hex")
const parse = (...chunks: Buffer[]) => {
  const parser = new FrameParser()
  return chunks.flatMap((chunk) => [...parser.push(chunk)])
}
/** A vector's frame; its bytes are hexadecimal there. */
function toFrame(shape: Record<string, unknown>): Frame {
  return (typeof shape.bytes === "string" ? { ...shape, bytes: hex(shape.bytes) } : shape) as Frame
}

const cases = vectors.frames.map(({ frame, bytes }) => ({
  name: frame.type,
  frame: toFrame(frame),
  bytes: hex(bytes),
}))

describe("encodeFrame()", () => {
  it.each(cases)("writes $name as the specification's vectors say", ({ frame, bytes }) => {
    expect(encodeFrame(frame).toString("hex")).toBe(bytes.toString("hex"))
  })
})

describe("FrameParser", () => {
  it.each(cases)("reads $name from the specification's vectors", ({ frame, bytes }) => {
    expect(parse(bytes)).toEqual([frame])
  })
  it("gives the same frames however the bytes are split", () => {
    const whole = Buffer.concat(cases.map(({ bytes }) => bytes))
    const frames = cases.map(({ frame }) => frame)
    fc.assert(
      fc.property(fc.array(fc.nat({ max: whole.length }), { maxLength: 8 }), (cuts) => {
        const places = [0, ...cuts.sort((a, b) => a - b), whole.length]
        const pieces = places.slice(1).map((end, index) => whole.subarray(places[index], end))
        expect(parse(...pieces)).toEqual(frames)
      }),
      { numRuns: 1_000 },
    )
  })
  it.each([
    { name: "a type nobody defined", bytes: "00000b00000000", message: "frame type is 11" },
    { name: "data on channel 0", bytes: "00010000000000", message: "names channel 0" },
    { name: "ping on channel 1", bytes: "000c0600000001", message: "names channel 1" },
    { name: "empty data", bytes: "00000000000001", message: "data frame has 0 bytes" },
    { name: "data of 16,385 bytes", bytes: "40010000000001", message: "has 16385 bytes" },
    { name: "end with a payload", bytes: "00010300000001", message: "end frame has 1 bytes" },
    { name: "credit of 3 bytes", bytes: "00030200000001", message: "credit frame has 3 bytes" },
    { name: "a protocol of 65", bytes: "00450100000001", message: "open frame has 69 bytes" },
    { name: "a protocol in capitals", bytes: "000601000000010000ffff2f41", message: "no protocol" },
    { name: "a count above 2^53", bytes: `00080800000000${"ff".repeat(8)}`, message: "2^53" },
  ])("refuses $name, at once", ({ bytes, message }) => {
    expect(() => parse(hex(bytes))).toThrow(
      expect.objectContaining({ code: "LINK_PROTOCOL", message: expect.stringContaining(message) }),
    )
  })
  it("never fails in another way, and gives what it was written from", () => {
    const chunk = fc.oneof(fc.uint8Array({ maxLength: 64 }), mutated())
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 6 }), (chunks) => {
        const parser = new FrameParser()
        try {
          for (const bytes of chunks)
            for (const frame of parser.push(Buffer.from(bytes)))
              expect(parse(encodeFrame(frame))).toEqual([frame])
        } catch (error) {
          expect(error).toEqual(expect.objectContaining({ code: "LINK_PROTOCOL" }))
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

/** A good frame with one byte changed. */
function mutated(): fc.Arbitrary<Uint8Array> {
  return fc
    .record({ which: fc.nat(), at: fc.nat(), to: fc.nat({ max: 255 }) })
    .map(({ which, at, to }) => {
      const bytes = Buffer.from(cases[which % cases.length]!.bytes)
      bytes[at % bytes.length] = to
      return bytes
    })
}

describe("isProtocolName()", () => {
  it.each(["/messages/1", "/a", "/x-y/z/22", `/${"a".repeat(63)}`])("takes %s", (name) => {
    expect(isProtocolName(name)).toBe(true)
  })
  it.each([
    "",
    "/",
    "messages/1",
    "/messages/",
    "//1",
    "/Messages/1",
    "/a b",
    `/${"a".repeat(64)}`,
  ])("refuses %j", (name) => {
    expect(isProtocolName(name)).toBe(false)
  })
})

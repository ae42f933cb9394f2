import { readFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isAlliumError } from "../../../../src/base/errors.ts"
import { FrameReader } from "../../../../src/mail/mailbox/frames.ts"
import { type Answer, answers, type Request, requests } from "../../../../src/mail/mailbox/wire.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"
import { projectRoot } from "../../../support/project.ts"

interface Vector {
  readonly direction: "request" | "answer"
  readonly frame: Record<string, unknown>
  readonly begins: string
  readonly size: number
}

const PLACE = join(projectRoot, "test", "vectors", "mailbox", "frames.json")
const VECTORS = (JSON.parse(readFileSync(PLACE, "utf8")) as Vector[]).map((vector) => ({
  ...vector,
  name: `${vector.direction} ${String(vector.frame.kind)} ${vector.frame.tag}`,
  frame: revive(vector.frame) as unknown as Request & Answer,
  bytes: whole(vector),
}))

function whole({ begins, size }: Vector): Uint8Array {
  const bytes = new Uint8Array(size)
  bytes.set(Buffer.from(begins, "hex"))
  return bytes
}

/** Long bytes are compared a thousand times faster as text. */
function hexed(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex")
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, hexed(one)]))
}

/** Bytes stand in the file as text. */
function revive(value: unknown): unknown {
  if (value === null) return undefined
  if (Array.isArray(value)) return value.map(revive)
  if (typeof value !== "object") return value
  const members = value as Record<string, unknown>
  if (typeof members.hex === "string") return new Uint8Array(Buffer.from(members.hex, "hex"))
  if (typeof members.byte === "number")
    return new Uint8Array(members.count as number).fill(members.byte)
  return Object.fromEntries(Object.entries(members).map(([name, one]) => [name, revive(one)]))
}

describe("frames of /mailbox/1", () => {
  it.each(VECTORS)("$name is as the page says", ({ direction, frame, bytes }) => {
    const codec = direction === "request" ? requests : answers
    expect(Buffer.compare(codec.encode(frame as never), bytes)).toBe(0)
    expect(hexed(codec.decode(bytes))).toEqual(hexed(frame))
  })

  it("cover every kind there is", () => {
    const types = (direction: string) =>
      new Set(VECTORS.filter((one) => one.direction === direction).map(({ bytes }) => bytes[0]))
    expect([types("request").size, types("answer").size]).toEqual([17, 13])
  })

  it("have the same size whatever an envelope is put with", () => {
    const puts = VECTORS.filter(
      ({ frame }) => (frame as Request).kind === "put" && "sendId" in frame,
    )
    const pushed = VECTORS.filter(({ frame }) => frame.kind === ("envelope" as string))
    expect(new Set([...puts, ...pushed].map(({ bytes }) => bytes.length))).toEqual(new Set([4_352]))
    expect(puts).toHaveLength(3)
  })

  it("come out whole however the stream is cut", () => {
    const stream = Buffer.concat(VECTORS.map(({ bytes }) => bytes))
    const cuts = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 40 })
    const holds = (sizes: number[]) => {
      const reader = new FrameReader()
      const frames: Uint8Array[] = []
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const size = sizes[turn % sizes.length]!
        frames.push(...reader.push(stream.subarray(at, at + size)))
        at += size
      }
      reader.finish()
      return frames.every((frame, at) => Buffer.compare(frame, VECTORS[at]!.bytes) === 0)
    }
    fc.assert(fc.property(cuts, holds), { numRuns: fuzzRuns(20) })
  })

  it("that are damaged are refused with BAD_RECORD or read as another frame, never anything else", () => {
    const damage = fc.record({
      vector: fc.constantFrom(...VECTORS),
      at: fc.oneof(fc.nat(120), fc.nat(16_383)),
      byte: fc.nat(255),
    })
    const holds = ({
      vector,
      at,
      byte,
    }: {
      vector: (typeof VECTORS)[0]
      at: number
      byte: number
    }) => {
      const bytes = Uint8Array.from(vector.bytes)
      bytes[at % bytes.length] = byte
      const codec = vector.direction === "request" ? requests : answers
      try {
        const [frame] = new FrameReader().push(bytes)
        if (frame === undefined) return true
        return Buffer.compare(codec.encode(codec.decode(frame) as never), frame) === 0
      } catch (error) {
        return isAlliumError(error, "BAD_RECORD")
      }
    }
    fc.assert(fc.property(damage, holds), { numRuns: fuzzRuns(300) })
  })

  it.each([
    ["an unknown type", () => withByte("tokenKey", 0, 0x3f)],
    ["padding that is not zero", () => withByte("tokenKey", 255, 1)],
    ["a flag that is neither 0 nor 1", () => withByte("make", 6, 2)],
    ["a queue that is neither kind", () => withByte("make", 5, 3)],
    ["an unknown toll", () => withByte("put", 53, 3)],
    ["a place longer than 1,024 bytes", () => withByte("move", 37, 5)],
    ["a list without items", () => withByte("issueTokens", 37, 0)],
    ["a list that is too long", () => withByte("issueTokens", 37, 65)],
  ])("refuses %s", (_, damaged) => {
    expect(() => requests.decode(damaged())).toThrow(
      expect.objectContaining({ code: "BAD_RECORD" }),
    )
  })

  it("refuses a type without a size, and a stream that ends inside a frame", () => {
    const bad = expect.objectContaining({ code: "BAD_RECORD" })
    expect(() => new FrameReader().push(Uint8Array.of(0xc0))).toThrow(bad)
    const reader = new FrameReader()
    reader.push(Uint8Array.of(1, 0))
    expect(() => reader.finish()).toThrow(bad)
  })
})

function withByte(kind: string, at: number, byte: number): Uint8Array {
  const vector = VECTORS.find((one) => one.direction === "request" && one.frame.kind === kind)!
  return Uint8Array.from(vector.bytes).fill(byte, at, at + 1)
}

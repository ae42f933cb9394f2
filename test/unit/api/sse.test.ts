import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { FrameReader, writeFrame } from "../../../src/api/sse.ts"
import { isAlliumError } from "../../../src/base/errors.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

const readAll = (text: string) => new FrameReader().push(text)

describe("FrameReader.push()", () => {
  // The examples of the standard, section 9.2.6.
  it.each([
    ["data: YHOO\ndata: +2\ndata: 10\n\n", [{ event: "message", data: "YHOO\n+2\n10" }]],
    [
      ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
      [
        { event: "message", data: "first event", id: "1" },
        { event: "message", data: "second event", id: "" },
        { event: "message", data: " third event" },
      ],
    ],
    [
      "data\n\ndata\ndata\n\ndata:",
      [
        { event: "message", data: "" },
        { event: "message", data: "\n" },
      ],
    ],
    [
      "data:test\n\ndata: test\n\n",
      [
        { event: "message", data: "test" },
        { event: "message", data: "test" },
      ],
    ],
    ["event: done\r\ndata: {}\r\n\r\n", [{ event: "done", data: "{}" }]],
    ["event: nothing\n\n", []],
  ])("reads %j", (text, frames) => {
    expect(readAll(text)).toEqual(frames)
  })

  it("puts together what was cut anywhere", () => {
    const json = fc.jsonValue().map((value) => JSON.stringify(value))
    const frame = fc.record(
      { event: fc.stringMatching(/^[a-z.]{1,9}$/), data: json },
      { requiredKeys: ["event", "data"] },
    )
    fc.assert(
      fc.property(fc.array(frame), fc.array(fc.nat(40)), (frames, cuts) => {
        let text = frames.map(writeFrame).join("")
        const reader = new FrameReader()
        const read = cuts.flatMap((cut) => {
          const piece = text.slice(0, cut)
          text = text.slice(cut)
          return reader.push(piece)
        })
        expect([...read, ...reader.push(text)]).toEqual(frames)
      }),
      { numRuns: 2_000 },
    )
  }, 60_000)

  it("survives any text", () => {
    const text = fc.string({
      unit: fc.constantFrom(":", "\n", "\r", "data", "event", "id", " ", "x", "\u0000"),
    })
    fc.assert(
      fc.property(fc.array(text), (pieces) => {
        const reader = new FrameReader(64)
        try {
          for (const piece of pieces) reader.push(piece)
        } catch (error) {
          expect(isAlliumError(error, "TOO_LARGE")).toBe(true)
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  }, 60_000)

  it.each(["data: ".padEnd(100, "x"), "data: x\n".repeat(20), `: ${"x".repeat(100)}`])(
    "refuses a frame without end: %j",
    (text) => {
      expect(() => new FrameReader(64).push(text)).toThrow(
        expect.objectContaining({ code: "TOO_LARGE" }),
      )
    },
  )
})

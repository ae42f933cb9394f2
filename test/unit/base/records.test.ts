import { PassThrough, Writable } from "node:stream"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { AlliumError } from "../../../src/base/errors.ts"
import { frameRecord, RecordReader, readRecords, writeRecord } from "../../../src/base/records.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

describe("frameRecord()", () => {
  it("writes a big-endian length, then MessagePack", () => {
    // {"a":1} is 81 a1 61 01 in the MessagePack specification's own notation.
    expect(Buffer.from(frameRecord({ a: 1 })).toString("hex")).toBe("0000000481a16101")
  })
})

describe("RecordReader", () => {
  it("finds the same records however the bytes are split", () => {
    const values = fc.array(fc.oneof(fc.integer(), fc.string(), fc.uint8Array()), { maxLength: 8 })
    void fc.assert(
      fc.property(values, fc.array(fc.integer({ min: 1, max: 50 })), (records, sizes) => {
        const bytes = Buffer.concat(records.map(frameRecord))
        const reader = new RecordReader(1_000)
        const found: unknown[] = []
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length] ?? bytes.length
          found.push(...reader.push(bytes.subarray(at, at + size)))
          at += size
        }
        reader.finish()
        expect(found).toEqual(records)
      }),
    )
  })

  it.each([
    ["of no bytes", Buffer.alloc(4)],
    ["that states more than may come", Buffer.from([0, 0, 0x03, 0xe9])],
    ["that states 4 GiB", Buffer.alloc(4, 0xff)],
  ])("refuses a record %s before it comes", (_, bytes) => {
    expect(() => new RecordReader(1_000).push(bytes)).toThrow(
      expect.objectContaining({ code: "BAD_RECORD" }),
    )
  })

  it("refuses an end inside a record", () => {
    const reader = new RecordReader(1_000)
    reader.push(frameRecord("whole"))
    reader.finish()
    reader.push(frameRecord("half").subarray(0, 6))
    expect(() => reader.finish()).toThrow(expect.objectContaining({ code: "BAD_RECORD" }))
  })

  it("takes a long record in single bytes without copying it over and over", () => {
    const bytes = frameRecord(new Uint8Array(1 << 20))
    const reader = new RecordReader(2 << 20)
    const begin = performance.now()
    let found: unknown[] = []
    for (let at = 0; at < bytes.length; at++) found = reader.push(bytes.subarray(at, at + 1))
    expect(found).toHaveLength(1)
    expect(performance.now() - begin).toBeLessThan(5_000) // copying each time would be 550 GB
  })

  it("gives values or one kind of error for any bytes", () => {
    void fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (chunks) => {
        const reader = new RecordReader(64)
        try {
          for (const chunk of chunks) reader.push(chunk)
          reader.finish()
        } catch (error) {
          expect(error).toBeInstanceOf(AlliumError)
          expect(["BAD_RECORD", "BAD_PACK"]).toContain((error as AlliumError).code)
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

describe("readRecords() and writeRecord()", () => {
  it("carry values over a stream, and leave it open", async () => {
    const stream = new PassThrough()
    await writeRecord(stream, { hello: "there" })
    for await (const values of readRecords(stream, { bytesMax: 100 })) {
      expect(values).toEqual([{ hello: "there" }])
      break
    }
    expect(stream.destroyed).toBe(false)
  })

  it("fail when the stream breaks, also in the middle of a write", async () => {
    const stream = new Writable({ write: () => {} }) // takes bytes and never says so
    const stuck = writeRecord(stream, "first")
    stream.destroy()
    await expect(stuck).rejects.toBeInstanceOf(Error)
    await expect(writeRecord(stream, "second")).rejects.toMatchObject({ code: "CHANNEL_RESET" })
  })
})

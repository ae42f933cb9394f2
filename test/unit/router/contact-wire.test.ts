import { Readable } from "node:stream"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { AlliumError } from "../../../src/base/errors.ts"
import { packValue } from "../../../src/base/pack.ts"
import { noticeShape, packRecord, readRecord } from "../../../src/router/contact-wire.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

const notice = { kind: "request", card: "a.b.c", greeting: "It is me" } as const
const from = (...chunks: Uint8Array[]) => Readable.from(chunks, { objectMode: false })

describe("readRecord()", () => {
  it("reads what packRecord() wrote, however it is cut", async () => {
    const bytes = packRecord(notice)
    const pieces = [...bytes].map((byte) => Uint8Array.of(byte))
    await expect(readRecord(from(...pieces), noticeShape)).resolves.toEqual(notice)
  })

  it.each([
    ["nothing", new Uint8Array(0)],
    ["another kind", packValue({ ...notice, kind: "hello" })],
    ["a member too many", packValue({ ...notice, extra: 1 })],
    ["a member too few", packValue({ kind: "request", card: "" })],
    ["a greeting too long", packValue({ ...notice, greeting: "x".repeat(501) })],
    ["a text instead of a map", packValue("request")],
    ["bytes behind the end", Buffer.concat([packRecord(notice), Uint8Array.of(0xc0)])],
    ["more than 8,192 bytes", new Uint8Array(9_000)],
  ])("refuses %s", async (_, bytes) => {
    await expect(readRecord(from(bytes), noticeShape)).rejects.toBeInstanceOf(AlliumError)
  })

  it("answers any bytes with a notice or one of our errors", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const outcome = await readRecord(from(bytes), noticeShape).catch((error) => error)
        expect(outcome instanceof AlliumError || noticeShape.safeParse(outcome).success).toBe(true)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
})

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { boundaryOf, MultipartReader, type PartHead } from "../../../../plugins/sites/multipart.ts"
import { isAlliumError } from "../../../../src/base/errors.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

interface Part extends PartHead {
  readonly bytes: Buffer
}

/** Reads a form that comes in pieces of `size`. */
function readForm(form: Buffer, boundary: string, size: number): Part[] {
  const reader = new MultipartReader(boundary)
  const parts: { head: PartHead; chunks: Buffer[] }[] = []
  for (let at = 0; at < form.length; at += size)
    for (const event of reader.read(form.subarray(at, at + size)))
      if (event.kind === "head") parts.push({ head: event.head, chunks: [] })
      else if (event.kind === "data") parts.at(-1)!.chunks.push(Buffer.from(event.bytes))
  reader.finish()
  return parts.map(({ head, chunks }) => ({ ...head, bytes: Buffer.concat(chunks) }))
}

describe("MultipartReader", () => {
  it("reads the form of RFC 7578's kind, with preamble and blanks behind a boundary", () => {
    const form = [
      "preamble",
      "--AaB03x  ",
      'content-disposition: form-data; name="field1"',
      "content-type: text/plain;charset=UTF-8",
      "",
      "Joe owes €100.",
      "--AaB03x",
      'Content-Disposition: form-data; name="files"; filename="file%22\\"1.txt"',
      "",
      "",
      "--AaB03x--",
      "epilogue",
    ].join("\r\n")
    expect(readForm(Buffer.from(form), "AaB03x", 7)).toEqual([
      { field: "field1", fileName: undefined, bytes: Buffer.from("Joe owes €100.") },
      { field: "files", fileName: 'file""1.txt', bytes: Buffer.alloc(0) },
    ])
  })

  it("reads what Node's own fetch makes of a form, in pieces of any size", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            name: fc.stringMatching(/^[a-z]{1,8}$/),
            file: fc
              .string({ minLength: 1, maxLength: 20 })
              .filter((text) => !/[\p{Cc}\\]/u.test(text)),
            bytes: fc.uint8Array({ maxLength: 300 }),
          }),
          { maxLength: 4 },
        ),
        fc.integer({ min: 1, max: 200 }),
        async (parts, size) => {
          const data = new FormData()
          for (const { name, file, bytes } of parts)
            data.append(name, new Blob([new Uint8Array(bytes)]), file)
          const response = new Response(data)
          const boundary = boundaryOf(response.headers.get("content-type") ?? "")
          const form = Buffer.from(await response.arrayBuffer())
          const read = readForm(form, boundary, size)
          expect(read.map(({ field, fileName }) => [field, fileName])).toEqual(
            parts.map(({ name, file }) => [name, file]),
          )
          expect(read.map(({ bytes }) => bytes.toString("hex"))).toEqual(
            parts.map(({ bytes }) => Buffer.from(bytes).toString("hex")),
          )
        },
      ),
      { numRuns: fuzzRuns(40) },
    )
  })

  it("takes anything, or refuses it with a code", () => {
    const piece = fc.constantFrom(
      "--b",
      "\r\n",
      "--",
      "Content-Disposition: form-data",
      '; name="a"',
      "x",
      "\r\n\r\n",
    )
    const form = fc.oneof(
      fc.string(),
      fc.array(piece).map((all) => all.join("")),
    )
    fc.assert(
      fc.property(form, fc.integer({ min: 1, max: 50 }), (text, size) => {
        try {
          readForm(Buffer.from(text), "b", size)
        } catch (error) {
          if (!isAlliumError(error, "BAD_REQUEST", "TOO_LARGE")) throw error
        }
      }),
      { numRuns: fuzzRuns(300) },
    )
  })

  it("holds no more than a boundary and a head", () => {
    const reader = new MultipartReader("b")
    const start = `--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n`
    expect([...reader.read(Buffer.from(start))]).toHaveLength(1)
    const [event] = reader.read(Buffer.alloc(2 ** 20))
    expect(event?.kind === "data" && event.bytes.length).toBeGreaterThan(2 ** 20 - 10)
    expect(() => [
      ...new MultipartReader("b").read(Buffer.from(`--b\r\n${"x".repeat(9_000)}`)),
    ]).toThrow(/too large/)
  })

  it.each(["text/plain", "multipart/form-data", "multipart/mixed; boundary=x", undefined])(
    "takes %j for no form",
    (type) => {
      expect(() => boundaryOf(type)).toThrow(expect.objectContaining({ code: "BAD_REQUEST" }))
    },
  )
})

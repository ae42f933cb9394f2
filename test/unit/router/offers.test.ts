import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { z } from "zod"
import { isAlliumError } from "../../../src/base/errors.ts"
import { type OfferCall, offer } from "../../../src/router/offer.ts"
import { OfferBook } from "../../../src/router/offers.ts"
import { sampleOffers } from "../../contract/api/sample-offers.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

const call = (signal = new AbortController().signal): OfferCall => ({ signal, progress: () => {} })
const plain = (verb: string) => offer({ verb, summary: "Do it", input: z.object({}) })
const run = async () => ({})

async function documentsOf(book: OfferBook, verb: string, input: unknown): Promise<unknown[]> {
  const answer = await book.run(verb, input, call())
  if ("document" in answer) return [answer.document]
  const all: unknown[] = []
  for await (const document of answer.documents) all.push(document)
  return all
}

describe("OfferBook.register()", () => {
  it.each([
    ["tunnel", "tunnel add"],
    ["tunnel add", "tunnel"],
    ["tunnel add", "tunnel add http-proxy"],
    ["tunnel add", "tunnel add"],
  ])("refuses %j beside %j", (first, second) => {
    const book = new OfferBook()
    book.register(plain(first), run)
    expect(() => book.register(plain(second), run)).toThrow(
      expect.objectContaining({ code: "ALREADY_EXISTS" }),
    )
  })

  it("takes verbs that share words, and letters", () => {
    const book = new OfferBook()
    for (const verb of [
      "tunnel add http-proxy",
      "tunnel add http-server",
      "tunnel list",
      "tunnels",
    ])
      book.register(plain(verb), run)
    expect(book.list().map(({ verb }) => verb)).toEqual([
      "tunnel add http-proxy",
      "tunnel add http-server",
      "tunnel list",
      "tunnels",
    ])
  })

  it("gives back a release that takes the offer out", async () => {
    const book = new OfferBook()
    book.register(plain("a b"), run)()
    await expect(book.run("a b", {}, call())).rejects.toMatchObject({ code: "UNKNOWN_VERB" })
    book.register(plain("a"), run)
  })

  it.each([
    ["a verb of four words", { verb: "a b c d" }],
    ["an upper-case verb", { verb: "Send" }],
    ["a verb that leaves its path", { verb: "a/../b" }],
    ["the event stream's path", { verb: "events" }],
    ["a summary of two lines", { summary: "a\nb" }],
    ["a field that hides a flag of every command", { input: z.object({ json: z.boolean() }) }],
    ["a field that cannot be a flag", { input: z.object({ "a b": z.string() }) }],
    ["an unknown positional", { positional: ["b"] }],
    [
      "a list before the last place",
      { input: z.object({ a: z.array(z.string()), b: z.string() }), positional: ["a", "b"] },
    ],
    [
      "a required place after an optional",
      { input: z.object({ a: z.string().optional(), b: z.string() }), positional: ["a", "b"] },
    ],
  ])("refuses %s", (_, damage) => {
    const declaration = { ...plain("send"), ...damage } as ReturnType<typeof plain>
    expect(() => new OfferBook().register(declaration, run)).toThrow(TypeError)
  })
})

describe("OfferBook.describe()", () => {
  it("keeps meta, defaults and bounds, and survives JSON", () => {
    const { book } = sampleOffers()
    const description = book.describe("note echo")
    expect(JSON.parse(JSON.stringify(description))).toEqual(description)
    expect(description.input.properties?.times).toEqual({
      type: "integer",
      minimum: 1,
      maximum: 3,
      default: 1,
      alias: "n",
      description: "How often",
    })
    expect(description.input.required).toEqual(["text"])
    expect(book.describe("note count").input.properties?.file).toEqual({
      type: "string",
      kind: "path",
    })
    expect(book.describe("note hang").output).toEqual({})
  })
})

describe("OfferBook.run()", () => {
  it("fills in defaults", async () => {
    expect(await documentsOf(sampleOffers().book, "note echo", { text: "hi" })).toEqual([
      { said: "hi", tags: [], by: "nobody" },
    ])
  })

  it("streams", async () => {
    expect(await documentsOf(sampleOffers().book, "note count", { to: 2 })).toEqual([
      { step: 1 },
      { step: 2 },
    ])
  })

  it.each([
    ["no object", "hi", "input"],
    ["a missing field", {}, `"text"`],
    ["a wrong type", { text: 4 }, `"text"`],
    ["a wrong choice", { text: "a", tone: "shrill" }, `"tone"`],
    ["too much", { text: "a".repeat(65) }, `"text"`],
    ["a wrong item", { text: "a", tag: ["b", 4] }, `"tag[1]"`],
    ["an unknown field", { text: "a", txet: "b" }, `"txet"`],
    ["__proto__", JSON.parse(`{"text":"a","__proto__":{"times":2}}`), `"__proto__"`],
  ])("names the field when given %s", async (_, input, named) => {
    await expect(sampleOffers().book.run("note echo", input, call())).rejects.toMatchObject({
      code: "BAD_INPUT",
      message: expect.stringMatching(
        new RegExp(`^Cannot run note echo: .*${named.replace(/[[\]]/g, "\\$&")}`),
      ),
    })
  })

  it("never repeats a value in the error", async () => {
    const error = await sampleOffers()
      .book.run("secret keep", { passphrase: ["hunter2"] }, call())
      .catch(String)
    expect(error).not.toContain("hunter2")
  })

  it("refuses an answer that is not what was promised", async () => {
    await expect(
      sampleOffers().book.run("note fail", { how: "shape" }, call()),
    ).rejects.toMatchObject({
      code: "BAD_OUTPUT",
      message: expect.stringContaining(`"never"`),
    })
  })

  it("refuses a stream offer whose runner gives none", async () => {
    const book = new OfferBook()
    book.register({ ...plain("a"), stream: true }, run)
    await expect(documentsOf(book, "a", {})).rejects.toMatchObject({ code: "BAD_OUTPUT" })
  })

  it("lets go when the caller does, though the runner does not listen", async () => {
    const book = new OfferBook()
    book.register(plain("deaf one"), () => new Promise(() => {}))
    book.register({ ...plain("deaf all"), stream: true }, async function* () {
      await new Promise(() => {})
    })
    for (const verb of ["deaf one", "deaf all"]) {
      const caller = new AbortController()
      const running = (async () => {
        const answer = await book.run(verb, {}, call(caller.signal))
        if ("documents" in answer) for await (const _ of answer.documents);
      })()
      caller.abort()
      await expect(running).rejects.toMatchObject({ name: "AbortError" })
    }
  })

  it("ends the runner when the loop is left", async () => {
    const book = new OfferBook()
    let ended = false
    book.register({ ...plain("a"), stream: true }, async function* () {
      try {
        for (;;) yield 1
      } finally {
        ended = true
      }
    })
    const answer = await book.run("a", {}, call())
    if ("documents" in answer) for await (const _ of answer.documents) break
    expect(ended).toBe(true)
  })

  it("answers any input with a document or BAD_INPUT", async () => {
    const { book } = sampleOffers()
    const verbs = ["note echo", "note count", "note list", "secret keep"]
    const field = fc.constantFrom(
      "text",
      "times",
      "tone",
      "tag",
      "to",
      "passphrase",
      "__proto__",
      "constructor",
      "toString",
    )
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom("loud", 1, 2, ["a"], "hi"))
    const input = fc.oneof(fc.dictionary(field, value), fc.anything())
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...verbs), input, async (verb, anything) => {
        const outcome = await book.run(verb, anything, call()).catch((error: unknown) => error)
        if (outcome instanceof Error) expect(isAlliumError(outcome, "BAD_INPUT")).toBe(true)
        else expect(() => JSON.stringify(outcome)).not.toThrow()
      }),
      { numRuns: fuzzRuns(1_000) },
    )
    expect(({} as Record<string, unknown>).times).toBeUndefined()
  }, 60_000)
})

import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { fold } from "../../../../plugins/messages/search.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"
import { ask, listAll, openMessagePair, say } from "../../../support/message-pair.ts"

describe("fold()", () => {
  it.each([
    ["ZÜRICH", "zurich"],
    ["Café", "cafe"],
    ["İstanbul", "istanbul"],
    ["ＦＵＬＬ", "full"],
    ["Ελλάδα", "ελλαδα"],
    ["日本", "日本"],
  ])("of %s is %s", (text, folded) => {
    expect(fold(text)).toBe(folded)
  })

  it("takes any text, and folding twice changes nothing more", async () => {
    const text = fc.string({ unit: "grapheme" })
    await fc.assert(
      fc.property(text, (any) => {
        expect(fold(fold(any))).toBe(fold(any))
      }),
      { numRuns: fuzzRuns(200) },
    )
  })
})

describe("message search", () => {
  it("finds without case and accents, newest first", async () => {
    const { pair, ann } = await openMessagePair()
    for (const text of ["in Zürich", "elsewhere", "ZURICH again"]) {
      await say(ann, text)
      await pair.world.pass(60_000)
    }
    const texts = async (input: object) =>
      (await ask<{ text: string }[]>(ann, "search", input)).map(({ text }) => text)
    expect(await texts({ text: "zürich" })).toEqual(["ZURICH again", "in Zürich"])
    expect(await texts({ text: "zurich", limit: 1 })).toEqual(["ZURICH again"])
    expect(await texts({ text: "nowhere", contact: "bob" })).toEqual([])
  })

  it("finds what stands at the end of the longest text", async () => {
    const { ann, bob } = await openMessagePair()
    const text = `${"x".repeat(1_048_570)} end`
    await say(ann, text)
    const [found] = await ask<{ text: string }[]>(bob, "search", { text: " END" })
    expect(found?.text === text).toBe(true)
    expect(bob.told("received")).toMatchObject([{ textBytes: 1_048_574, text: "x".repeat(65_536) }])
  })
})

describe("message export", () => {
  async function lines(of: Awaited<ReturnType<typeof openMessagePair>>["ann"], input: object) {
    const written: string[] = []
    const stream = ask(of, "export", input) as unknown as AsyncIterable<{ line: string }>
    for await (const { line } of stream) written.push(line)
    return written
  }

  it("writes everything, oldest first, for people and for programs", async () => {
    const { ann, bob } = await openMessagePair()
    await say(ann, "hi")
    await say(bob, "two\nlines")
    expect(await lines(ann, {})).toEqual([
      "2026-01-01 00:00  ann-self > bob: hi",
      "2026-01-01 00:00  bob > ann-self: two\nlines",
    ])
    const documents = (await lines(bob, { format: "json", contact: "ann" })).map((line) =>
      JSON.parse(line),
    )
    expect(documents).toEqual(await listAll(bob))
  })

  it("says what else there is to a message", async () => {
    const { ann, bob, settle } = await openMessagePair()
    await say(ann, "hi")
    await ask(bob, "react", { contact: "ann", message: "1", emoji: "👍" })
    ann.learn("restored")
    await settle()
    expect(await lines(ann, { contact: "bob" })).toEqual([
      "2026-01-01 00:00  ann-self > bob: hi [👍 bob]",
      "2026-01-01 00:00  bob restored on a new device",
    ])
  })
})

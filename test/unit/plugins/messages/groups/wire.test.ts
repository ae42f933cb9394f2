import { readFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { readEntry, writeEntry } from "../../../../../plugins/messages/groups/entry.ts"
import {
  factOf,
  newFacts,
  summaryOf,
  withFact,
} from "../../../../../plugins/messages/groups/facts.ts"
import { letterName, parseLetterName } from "../../../../../plugins/messages/groups/letter-name.ts"
import {
  postHash,
  readPost,
  readRecord,
  writePost,
  writeRecord,
} from "../../../../../plugins/messages/groups/records.ts"
import { isAlliumError } from "../../../../../src/base/errors.ts"
import { fuzzRuns } from "../../../../support/fuzz.ts"
import { projectRoot } from "../../../../support/project.ts"
import { identityOf } from "./group-story.ts"

const ANN = identityOf(0)
const group = new Uint8Array(32).fill(1)
const entry = writeEntry(ANN, {
  ...{ deed: "create", number: 1, author: ANN.publicKey, at: 60_000, name: "friends" },
  nonce: new Uint8Array(16),
})
const samples = [
  writeRecord({ group, do: "log", entries: [entry.signed] }),
  writeRecord({ group, do: "post", post: new Uint8Array(40) }),
  writeRecord({ group, do: "ask", log: 3 }),
  writeRecord({ group, do: "leave", joined: 2, wish: new Uint8Array(64) }),
  writeRecord({ group, do: "got", era: new Uint8Array(8), upto: 9 }),
]

/** Runs it; whatever is wrong has a code. */
function fails(run: () => unknown): boolean {
  try {
    run()
    return false
  } catch (error) {
    if (isAlliumError(error, "BAD_RECORD", "BAD_PACK")) return true
    throw error
  }
}

describe("docs/protocol/groups.md", () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

  it("shows the bytes that are written", () => {
    const page = readFileSync(join(projectRoot, "docs", "protocol", "groups.md"), "utf8")
    const shown = page.replaceAll(/\s+/g, "")
    const head = { number: 1, hash: entry.hash }
    const body = new Uint8Array([0xc0])
    const post = writePost({ era: new Uint8Array(8), sequence: 1, head, body })
    for (const bytes of [
      ...[entry.signed.body, entry.hash, entry.signed.signature],
      ...[writeRecord({ group, do: "ask", log: 3 }), post, postHash(entry.hash, ANN.key, post)],
    ])
      expect(shown).toContain(hex(bytes))
  })
})

describe("readRecord()", () => {
  it("reads what writeRecord() wrote", () => {
    for (const bytes of samples) expect(writeRecord(readRecord(bytes))).toEqual(bytes)
  })

  it("refuses, with a code, or reads something whole, whatever comes", () => {
    const damaged = fc.tuple(
      fc.constantFrom(...samples),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
    )
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged), (input) => {
        const bytes = input instanceof Uint8Array ? input : flip(input)
        fails(() => readRecord(bytes))
        fails(() => readPost(bytes))
      }),
      { numRuns: fuzzRuns(300) },
    )
  })

  it.each([
    { what: "another version", change: { v: 2 } },
    { what: "a member nobody knows", change: { more: 1 } },
    { what: "a group of another length", change: { group: new Uint8Array(31) } },
    { what: "a deed nobody knows", change: { do: "obey" } },
  ])("refuses $what", ({ change }) => {
    const bytes = writeRecord({ group, do: "ask", log: 3, ...change } as never)
    expect(() => readRecord(bytes)).toThrow(expect.objectContaining({ code: "BAD_RECORD" }))
  })
})

describe("readEntry()", () => {
  it("refuses every entry that is not what its author signed", () => {
    const { body, signature } = entry.signed
    const damage = fc.tuple(fc.boolean(), fc.nat(), fc.integer({ min: 1, max: 255 }))
    fc.assert(
      fc.property(damage, ([inBody, at, bits]) => {
        const changed = inBody
          ? { body: flip([body, at, bits]), signature }
          : { body, signature: flip([signature, at, bits]) }
        expect(fails(() => readEntry(changed))).toBe(true)
      }),
      { numRuns: fuzzRuns(100) },
    )
  })
})

describe("readPost()", () => {
  it("reads what writePost() wrote", () => {
    const head = { number: 4, hash: new Uint8Array(32) }
    const post = { era: new Uint8Array(8), sequence: 1, head, body: new Uint8Array(9) }
    expect(readPost(writePost(post))).toEqual(post)
  })
})

describe("summaryOf()", () => {
  const id = new Uint8Array(16)
  const at = (states: Record<string, "queued" | "relayed" | "stored" | "failed" | "delivered">) =>
    Object.entries(states).reduce(
      (facts, [key, state]) => withFact(facts, key, { state, reason: "NO_CONTACT" }),
      newFacts(id, Object.keys(states)),
    )

  it.each([
    { states: { a: "delivered", b: "queued" }, state: "queued" },
    { states: { a: "delivered", b: "relayed" }, state: "queued" },
    { states: { a: "delivered", b: "stored" }, state: "stored" },
    { states: { a: "stored", b: "failed" }, state: "stored" },
    { states: { a: "delivered", b: "failed" }, state: "failed" },
    { states: { a: "delivered", b: "delivered" }, state: "delivered" },
    { states: {}, state: "delivered" },
  ] as const)("says $state for $states", ({ states, state }) => {
    expect(summaryOf(at(states))).toMatchObject({ state })
  })

  it("never takes a fact back", () => {
    const facts = withFact(newFacts(id, ["a"]), "a", { state: "delivered" })
    expect(withFact(facts, "a", { state: "stored" })).toBe(facts)
    expect(withFact(facts, "stranger", { state: "delivered" })).toBe(facts)
  })

  it("takes a letter to who passes it on for no more than that", () => {
    expect(factOf({ kind: "delivered" }, false)).toEqual({ state: "relayed" })
    expect(factOf({ kind: "stored", place: "x" }, false)).toEqual({ state: "queued" })
  })
})

describe("letterName()", () => {
  it("is understood again, and short enough", () => {
    const record = { hop: ANN.key, to: ANN.key, content: group, sequence: 10 ** 14 }
    const name = letterName("ab".repeat(32), record)
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(64)
    expect(parseLetterName(name)).toEqual({
      ...{ group: "ab".repeat(8), sequence: 10 ** 14, to: ANN.key.slice(0, 10) },
    })
    expect(parseLetterName("g/question/1")).toBeUndefined()
  })
})

function flip([bytes, at, bits]: readonly [Uint8Array, number, number]): Uint8Array {
  const changed = new Uint8Array(bytes)
  changed[at % changed.length]! ^= bits
  return changed
}

import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { distance, findCommand } from "../../../src/cli/commands.ts"
import { complete } from "../../../src/cli/completion.ts"
import { glance } from "../../../src/cli/parse.ts"
import { sampleOffers } from "../../contract/api/sample-offers.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

const COMMANDS = [
  "contact add",
  "contact list",
  "tunnel add http-proxy",
  "tunnel add tcp-client",
  "status",
].map((verb) => ({ verb, summary: "" }))
const find = (line: string) => findCommand(line.split(" ").filter(Boolean), COMMANDS)

describe("findCommand()", () => {
  it.each([
    ["contact add ann", "contact add", 2],
    ["tunnel add http-proxy 4444", "tunnel add http-proxy", 3],
    ["status", "status", 1],
    ["status contact add", "status", 1],
  ])("finds %j", (line, verb, wordCount) => {
    expect(find(line)).toMatchObject({ kind: "command", command: { verb }, wordCount })
  })

  it.each([
    ["", 5],
    ["contact", 2],
    ["tunnel", 2],
    ["tunnel add", 2],
  ])("takes %j for a group of %i", (line, count) => {
    const meant = find(line)
    expect(meant.kind === "group" && meant.commands).toHaveLength(count)
  })

  it.each([
    ["contact ad ann", `did you mean "contact add"?`],
    ["contcat list", `did you mean "contact list"?`],
    ["tunnel add http-prxy 44", `did you mean "tunnel add http-proxy"?`],
    ["staus", `did you mean "status"?`],
    ["frobnicate", "expected one of allium --help"],
    ["contact\x1b", "contact\\u{1b}"],
  ])("refuses %j and says %s", (line, advice) => {
    expect(() => find(line)).toThrow(
      expect.objectContaining({ code: "UNKNOWN_VERB", message: expect.stringContaining(advice) }),
    )
  })
})

describe("distance()", () => {
  it.each([
    ["", "abc", 3],
    ["abc", "", 3],
    ["kitten", "sitting", 3],
    ["ab", "ba", 1],
    ["same", "same", 0],
  ])("from %j to %j is %i", (left, right, steps) => {
    expect(distance(left, right)).toBe(steps)
  })
})

describe("glance()", () => {
  it.each([
    ["--home /a contact add ann", { home: "/a", words: ["contact", "add", "ann"] }],
    ["contact --home=/b add", { home: "/b", words: ["contact", "add"] }],
    ["--identity work contact list", { words: ["contact", "list"] }],
    ["--json contact list --quiet", { json: true, quiet: true, words: ["contact", "list"] }],
    ["contact add -h", { help: true }],
    ["help contact add", { help: true }],
    ["message send ann -- --help --json", { help: false, json: false }],
    ["message send ann -", { words: ["message", "send", "ann", "-"] }],
    ["--version", { version: true }],
    ["--home", { home: undefined, words: [] }],
  ])("sees in %j", (line, expected) => {
    const { words, ...seen } = glance(line.split(" "))
    expect({ ...seen, words: words.map(({ text }) => text) }).toMatchObject(expected)
  })

  it("survives any line, and loses no word", () => {
    const word = fc.oneof(
      fc.constantFrom("--home", "--", "-h", "--json", "-", "", "a", "--x=y"),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(word), (argv) => {
        for (const { text, at } of glance(argv).words) expect(argv[at]).toBe(text)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  }, 60_000)
})

describe("complete()", () => {
  const offers = sampleOffers().book.list()
  it.each([
    [[""], ["note", "secret"]],
    [["no"], ["note"]],
    [["note", "c"], ["count"]],
    [
      ["note", ""],
      ["count", "echo", "fail", "hang", "list"],
    ],
    [["--json", "note", "e"], ["echo"]],
    [
      ["note", "echo", "hi", "--t"],
      ["--tag", "--times", "--tone"],
    ],
    [
      ["note", "echo", "--tone", ""],
      ["calm", "loud"],
    ],
    [["note", "echo", "--tag", ""], []],
    [["note", "echo", ""], []],
    [["note", "fail", "a"], ["away"]],
    [["note", "list", "--e"], ["--empty"]],
    [["secret", "keep", "--p"], ["--passphrase-file"]],
    [
      ["note", "list", "--h"],
      ["--help", "--home"],
    ],
    [["frob", ""], []],
    [[], ["note", "secret"]],
  ])("after %j offers %j", (words, next) => {
    expect(complete(words, offers)).toEqual(next)
  })
})

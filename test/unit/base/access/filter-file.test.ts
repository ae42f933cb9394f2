import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { parseFilter, parsePeerList } from "../../../../src/base/access/filter-file.ts"
import { isAlliumError } from "../../../../src/base/errors.ts"
import { fuzzRuns } from "../../../support/fuzz.ts"

const ANN = `${"a".repeat(52)}.b32.i2p`
const BOB = `${"b".repeat(52)}.b32.i2p`

describe("parseFilter()", () => {
  it("A18: reads the example of Java I2P's own documentation", () => {
    const text = [
      "# by default there are no limits",
      "allow default",
      "# but record overly aggressive destinations",
      "30/5 record /path/throttled.txt",
      "# and any that end up in that file will get throttled in the future",
      "15/5 file /path/throttled.txt",
      `deny explicit ${BOB}`,
    ].join("\n")
    expect(parseFilter(text)).toEqual({
      otherwise: "allow",
      entries: [
        { threshold: { attempts: 15, seconds: 5 }, path: "/path/throttled.txt" },
        { threshold: "deny", peer: BOB },
      ],
      recorders: [{ threshold: { attempts: 30, seconds: 5 }, path: "/path/throttled.txt" }],
    })
  })

  it("lets everybody in when no default is named, and takes tabs, capitals, CRLF and paths with spaces", () => {
    expect(
      parseFilter(`DENY\texplicit  ${ANN.toUpperCase()}\r\nallow file /my lists/a.txt\r\n`),
    ).toEqual({
      otherwise: "allow",
      entries: [
        { threshold: "deny", peer: ANN },
        { threshold: "allow", path: "/my lists/a.txt" },
      ],
      recorders: [],
    })
  })

  it.each([
    ["allow default\ndeny default", 2],
    ["\n\n15/0 default", 3],
    ["15/x default", 1],
    ["-1/5 default", 1],
    ["10001/5 default", 1],
    ["15/5", 1],
    ["15/5 sometimes", 1],
    ["allow default too", 1],
    ["allow explicit nobody.i2p", 1],
    ["allow explicit", 1],
    ["# fine\nallow file lists/a.txt", 2],
    ["allow record", 1],
  ])("refuses %j and names line %i", (text, line) => {
    expect(() => parseFilter(text)).toThrow(
      expect.objectContaining({
        code: "BAD_FILTER",
        message: expect.stringContaining(`line ${line} has`),
      }),
    )
  })

  it("says no word of the file's text in its errors", () => {
    expect(() => parseFilter("allow explicit secretfriend.i2p")).toThrow(/^(?!.*secretfriend)/)
  })

  it("reads anything, or refuses it with a code", () => {
    const word = fc.constantFrom(
      "allow",
      "deny",
      "15/5",
      "default",
      "explicit",
      "file",
      "#",
      ANN,
      "/x",
      "\t",
      "\n",
      " ",
    )
    const text = fc.oneof(
      fc.string(),
      fc.array(word).map((words) => words.join(" ")),
    )
    fc.assert(
      fc.property(text, (given) => {
        try {
          parseFilter(given)
        } catch (error) {
          if (!isAlliumError(error, "BAD_FILTER")) throw error
        }
      }),
      { numRuns: fuzzRuns(300) },
    )
  })
})

describe("parsePeerList()", () => {
  it("takes one name in a line, and comments", () => {
    expect(parsePeerList(`# enemies\n${ANN}\n\n${BOB}\n`)).toEqual(new Set([ANN, BOB]))
  })

  it("names the line of what is no destination", () => {
    expect(() => parsePeerList(`${ANN}\nx.i2p`)).toThrow(/line 2/)
  })
})

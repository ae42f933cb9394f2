import { describe, expect, it } from "vitest"
import { writeDocument } from "../../../src/cli/print.ts"
import { alignColumns, cellsOf } from "../../../src/cli/table.ts"

describe("writeDocument()", () => {
  it.each([
    [
      "fills a line",
      { id: 4, to: { name: "ann" } },
      { line: "Sent {id} to {to.name}." },
      ["Sent 4 to ann."],
    ],
    [
      "prints a text of several lines",
      { qr: "##\n#\x1b" },
      { line: "{qr|lines}" },
      ["##", "#\\u{1b}"],
    ],
    [
      "leaves out lines of nothing but an empty place",
      { a: 1 },
      { line: "{a}\n{qr|lines}\n\n{b}{c}" },
      ["1", ""],
    ],
    ["leaves missing places empty", { id: 4 }, { line: "{id}:{why}" }, ["4:"]],
    ["does not reach into prototypes", {}, { line: "{constructor}{toString.name}" }, []],
    ["formats bytes", { size: 1_536 }, { line: "{size|bytes}" }, ["1.5 KiB"]],
    [
      "prints a list of lines",
      { qr: ["##", "# "] },
      { line: "Show this:\n{qr|lines}" },
      ["Show this:", "##", "# "],
    ],
    [
      "escapes what is filled in",
      { text: "a\n\u202eb {id}" },
      { line: "{text}" },
      ["a\\n\\u{202e}b {id}"],
    ],
    ["escapes inside of lines", { qr: ["#\n#"] }, { line: "{qr|lines}" }, ["#\\n#"]],
    [
      "prints fields without a hint, and what is inside of them below",
      {
        id: 4,
        names: ["a", "b"],
        more: { deep: "\x1b", deeper: { still: true } },
        gone: undefined,
        list: [{ a: 1 }, { a: 2 }],
        none: [],
        last: null,
      },
      {},
      [
        "id:     4",
        "names:  a, b",
        "more:",
        "  deep:  \\u{1b}",
        "  deeper:",
        "    still:  true",
        "list:",
        "  a",
        "  1",
        "  2",
        "none:",
        "last:",
      ],
    ],
    ["prints a bare text", "a\x07", {}, ["a\\u{07}"]],
    ["prints nothing for nothing", null, { line: "{id}" }, []],
    [
      "makes a table",
      [
        { a: "x\x1b", b: 1 },
        { a: "longer", b: 22 },
      ],
      { columns: ["a", "b"] },
      ["a        b", "x\\u{1b}  1", "longer   22"],
    ],
    ["makes a table of what there is", [{ a: 1 }, { b: 2 }], {}, ["a  b", "1", "   2"]],
    [
      "leaves out columns that hold nothing",
      [{ a: 1, b: "" }, { c: 2 }],
      { columns: ["a", "b", "c"] },
      ["a  c", "1", "   2"],
    ],
    ["keeps the head of a table without anything", [{}], { columns: ["a", "b"] }, ["a  b", ""]],
    [
      "leaves out what a stream's document has not",
      { a: 1, c: 2 },
      { columns: ["a", "b", "c"] },
      ["1  2"],
    ],
    [
      "formats times of both kinds",
      { at: new Date(2026, 0, 2, 3, 4).toISOString(), ms: +new Date(2026, 0, 2, 3, 4), no: "Z" },
      { line: "{at|time} {ms|time} {no|time}" },
      ["2026-01-02 03:04 2026-01-02 03:04 Z"],
    ],
    ["formats columns", [{ size: 0 }], { columns: ["size|bytes"] }, ["size", "0 B"]],
    ["says when a list is empty", [], { empty: "Nobody yet." }, ["Nobody yet."]],
    ["says nothing of an empty list without a hint", [], {}, []],
    ["prints a line for each of a list", [{ a: 1 }, { a: 2 }], { line: "- {a}" }, ["- 1", "- 2"]],
    ["prints columns of a stream's document", { a: 1, b: 2 }, { columns: ["b", "a"] }, ["2  1"]],
    ["prints a list of texts", ["a", "b"], {}, ["a", "b"]],
  ])("%s", (_, document, display, lines) => {
    expect(writeDocument(document, display)).toEqual(lines)
  })

  it("escapes field names too", () => {
    expect(writeDocument([{ "a\x1b": 1 }], {})[0]).toBe("a\\u{1b}")
    expect(writeDocument({ "a\x1b": 1 }, {})[0]).toBe("a\\u{1b}:  1")
  })
})

describe("alignColumns()", () => {
  it("counts cells, not letters", () => {
    expect(cellsOf("你好")).toBe(4)
    expect(cellsOf("👩‍👩‍👧")).toBe(2)
    expect(cellsOf("é")).toBe(1)
    expect(cellsOf("e\u0301")).toBe(1)
    expect(
      alignColumns([
        ["你", "x"],
        ["abc", "y"],
      ]),
    ).toEqual(["你   x", "abc  y"])
  })
})

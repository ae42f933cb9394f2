import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { formatPing, formatSamLine, parseSamLine } from "../../../src/sam/message.ts"
import { redactSamLine } from "../../../src/sam/redact.ts"
import { fuzzRuns } from "../../support/fuzz.ts"

const parsed = (line: string) => {
  const { command, subcommand, values, rest } = parseSamLine(line)
  return { command, subcommand, values: Object.fromEntries(values), rest }
}
const badLine = (message = "") =>
  expect.objectContaining({ code: "BAD_SAM_LINE", message: expect.stringContaining(message) })

describe("parseSamLine()", () => {
  it.each([
    ["HELLO REPLY RESULT=OK VERSION=3.1", "HELLO", "REPLY", { RESULT: "OK", VERSION: "3.1" }],
    ["NAMING REPLY NAME=ME VALUE=AAAA==", "NAMING", "REPLY", { NAME: "ME", VALUE: "AAAA==" }],
    [
      String.raw`SESSION STATUS RESULT=I2P_ERROR MESSAGE="a \"b\" \\ c"`,
      "SESSION",
      "STATUS",
      { RESULT: "I2P_ERROR", MESSAGE: String.raw`a "b" \ c` },
    ],
    [
      'SESSION STATUS RESULT=I2P_ERROR MESSAGE=Unknown STYLE, "sorry"', // i2pd does not quote
      "SESSION",
      "STATUS",
      { RESULT: "I2P_ERROR", MESSAGE: 'Unknown STYLE, "sorry"' },
    ],
    [
      'SESSION STATUS RESULT=OK ID="x" MESSAGE="ADD x"', // Java I2P
      "SESSION",
      "STATUS",
      { RESULT: "OK", ID: "x", MESSAGE: "ADD x" },
    ],
    [
      "SESSION STATUS RESULT=OK DESTINATION=",
      "SESSION",
      "STATUS",
      { RESULT: "OK", DESTINATION: "" },
    ],
    ["STREAM STATUS  RESULT=OK  ", "STREAM", "STATUS", { RESULT: "OK" }],
    ["STREAM ACCEPT ID=a SILENT", "STREAM", "ACCEPT", { ID: "a", SILENT: "" }],
    [
      'NAMING REPLY OPTION:_smtp="1 86400" NAME=x',
      "NAMING",
      "REPLY",
      { "OPTION:_smtp": "1 86400", NAME: "x" },
    ],
    ["QUIT", "QUIT", "", {}],
    ["AUTH ENABLE", "AUTH", "ENABLE", {}],
    ["hello version", "hello", "version", {}],
    ["STREAM RESULT=OK", "STREAM", "", { RESULT: "OK" }],
    [String.raw`DEST REPLY PUB=a\b`, "DEST", "REPLY", { PUB: String.raw`a\b` }],
  ])("takes %j apart", (line, command, subcommand, values) => {
    expect(parsed(line)).toEqual({ command, subcommand, values, rest: "" })
  })
  it.each([
    ["PING", ""],
    ["PING 1700000000000", "1700000000000"],
    ['PONG  a="b c" \\ "', ' a="b c" \\ "'],
  ])("keeps what stands behind %j as it is", (line, rest) => {
    expect(parsed(line)).toMatchObject({ subcommand: "", values: {}, rest })
  })
  it.each([
    ["", "does not begin"],
    [" HELLO REPLY", "does not begin"],
    ["=", "does not begin"],
    ["\u0000\u0001\u0002", "control"],
    ["HELLO REPLY RESULT=OK\nHELLO", "control"],
    ["HTTP/1.1 400 Bad Request", "does not begin"],
    ["HELLO REPLY =OK", "without a key"],
    ['HELLO REPLY RESULT="OK', "open quote"],
    ['HELLO REPLY RESULT="OK"VERSION=3', "open quote"],
    ['HELLO REPLY "RESULT"=OK', "without a key"],
    ["HELLO REPLY RESULT=OK RESULT=NOVERSION", "twice"],
    [`HELLO REPLY A=${"x".repeat(8192)}`, "characters"],
  ])("refuses %j", (line, message) => {
    expect(() => parseSamLine(line)).toThrow(badLine(message))
  })
  it("survives any text, quickly", () => {
    const pieces = fc.constantFrom(
      "STREAM",
      "STATUS",
      " ",
      "=",
      '"',
      "\\",
      "A",
      "RESULT=",
      "ä",
      "\t",
    )
    const text = fc.oneof(
      fc.string(),
      fc.array(pieces, { maxLength: 40 }).map((all) => all.join("")),
    )
    fc.assert(
      fc.property(text, (line) => {
        try {
          expect(parseSamLine(line).command).toMatch(/^[A-Za-z]/)
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_SAM_LINE" })
        }
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
  it.each([
    `A B ${'k="'.repeat(2700)}`,
    `A B "${"\\".repeat(8000)}`,
    `A B k="${"\\a".repeat(4000)}`,
    " ".repeat(8192),
  ])("needs no time for a hostile line", (line) => {
    const begin = performance.now()
    expect(() => parseSamLine(line)).toThrow(badLine())
    expect(performance.now() - begin).toBeLessThan(200)
  })
})

describe("formatSamLine()", () => {
  it("reads back what it wrote", () => {
    const key = fc.stringMatching(/^[A-Za-z][A-Za-z0-9._:-]{0,12}$/)
    const value = fc.string({ maxLength: 20 }).filter((text) => !/[\p{Cc}]/u.test(text))
    const fields = fc.uniqueArray(fc.tuple(key, value), {
      selector: ([name]) => name,
      maxLength: 8,
    })
    fc.assert(
      fc.property(fields, (values) => {
        const readable = values.filter(([name]) => name !== "MESSAGE")
        const line = formatSamLine("SESSION", "CREATE", readable, { quoting: true })
        expect([...parseSamLine(line).values]).toEqual(readable)
      }),
      { numRuns: fuzzRuns(1_000) },
    )
  })
  it.each([
    ["a space (T16)", "my app"],
    ["a quote (T16)", 'my"app'],
    ["a backslash", "my\\app"],
  ])("refuses %s unless the router reads quotes", (_, value) => {
    const write = (quoting: boolean) =>
      formatSamLine("SESSION", "CREATE", [["inbound.nickname", value]], { quoting })
    expect(() => write(false)).toThrow(badLine("inbound.nickname has spaces"))
    expect(parseSamLine(write(true)).values.get("inbound.nickname")).toBe(value)
  })
  it.each(["a\nb", "a\rb", "a\0b"])("refuses %j, quotes or not", (value) => {
    const write = () => formatSamLine("NAMING", "LOOKUP", [["NAME", value]], { quoting: true })
    expect(write).toThrow(badLine("control"))
  })
  it("refuses a line over 7,500 bytes, counted in UTF-8 (T12)", () => {
    const write = (count: number) =>
      formatSamLine("NAMING", "LOOKUP", [["NAME", "ä".repeat(count)]])
    expect(Buffer.byteLength(write(3740))).toBe(7499)
    expect(() => write(3741)).toThrow(
      badLine("NAMING LOOKUP has 7501 bytes, expected at most 7500"),
    )
  })
  it.each(["", "a b", "a=b", 'a"', "a\n"])("takes %j for a slip of the programmer", (key) => {
    expect(() => formatSamLine("A", "B", [[key, "1"]])).toThrow(TypeError)
    expect(() => formatSamLine("A\n", "B")).toThrow(TypeError)
  })
  it("never quotes a value in its errors", () => {
    const write = () => formatSamLine("HELLO", "VERSION", [["PASSWORD", "not telling"]])
    expect(write).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("telling") }),
    )
  })
})

describe("formatPing()", () => {
  it("gives the text back as it came", () => {
    expect(formatPing("PONG", '17 "x"')).toBe('PONG 17 "x"')
    expect(formatPing("PONG", "")).toBe("PONG")
    expect(() => formatPing("PONG", "a\nSTREAM")).toThrow(badLine("PONG"))
  })
})

describe("redactSamLine()", () => {
  const key = "A".repeat(884)
  it.each([
    [
      `SESSION CREATE STYLE=STREAM ID=allium-1 DESTINATION=${key} inbound.quantity=3`,
      "SESSION CREATE STYLE=STREAM ID=[hidden] DESTINATION=[hidden] inbound.quantity=3",
    ],
    [`DEST REPLY PUB=${key} PRIV=${key}`, "DEST REPLY PUB=[hidden] PRIV=[hidden]"],
    [
      'HELLO VERSION MIN=3.1 USER="a b" PASSWORD="c \\" d"',
      "HELLO VERSION MIN=3.1 USER=[hidden] PASSWORD=[hidden]",
    ],
    ['HELLO VERSION PASSWORD="never closed', "HELLO VERSION PASSWORD=[hidden]"],
    [
      `SESSION STATUS RESULT=OK DESTINATION=${key}`,
      "SESSION STATUS RESULT=OK DESTINATION=[hidden]",
    ],
    ["STREAM CONNECT ID=1 DESTINATION=ann.i2p", "STREAM CONNECT ID=[hidden] DESTINATION=[hidden]"],
    ["SESSION CREATE i2cp.leaseSetPrivKey=abc", "SESSION CREATE i2cp.leaseSetPrivKey=[hidden]"],
    [`${key}== FROM_PORT=0`, "[hidden] FROM_PORT=0"],
    ["HTTP/1.1 400 Bad Request", "HTTP/1.1 400 Bad Request"],
    ["\u0000\u001b[2J\n", " [2J "],
  ])("shows %j as %j", (line, shown) => {
    expect(redactSamLine(line)).toBe(shown)
  })
  it("is short whatever comes", () => {
    expect(redactSamLine("ab ".repeat(10_000)).length).toBeLessThanOrEqual(300)
  })
})

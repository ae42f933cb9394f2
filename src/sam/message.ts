/**
 * SAM lines: `COMMAND SUBCOMMAND key=value key="two words" …`.
 *
 * @see https://geti2p.net/en/docs/api/samv3#protocol
 * @module
 */
import { AlliumError } from "../base/errors.ts"

/** Longest line we send, in bytes: i2pd 2.45.1 and 2.58 spin for ever over one of 8,192. */
export const SENT_LINE_BYTES_MAX = 7500
/** Longest line we take apart, in characters. */
const LINE_CHARACTERS_MAX = 8192
const WORD = /^[A-Za-z][A-Za-z0-9_-]*$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/

/** One line, taken apart. */
export interface SamLine {
  /** `HELLO`, `SESSION`, `STREAM`, `PING`, …; case kept. */
  readonly command: string
  /** `REPLY`, `STATUS`, …; empty when the line has none. */
  readonly subcommand: string
  /** By key, in order of the line; a key without `=` has the value "". */
  readonly values: ReadonlyMap<string, string>
  /** What follows `PING` or `PONG`, as it stands; empty for other commands. */
  readonly rest: string
}

/** What the other side can read. */
export interface SamLineFormat {
  /** Values may be quoted. i2pd cuts `"my app"` at the space, so this is off unless asked for. */
  readonly quoting?: boolean
}

/**
 * Takes a line apart. Unknown commands and keys are kept: what they mean is for the reader to say.
 *
 * @param line - Without its end; at most 8,192 characters.
 * @throws {AlliumError} `BAD_SAM_LINE`: empty, too long, control characters, an open quote, a key
 * without a name or stated twice.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict"
 * import { parseSamLine } from "allium/sam"
 * const { values } = parseSamLine('NAMING REPLY RESULT=OK NAME=ME VALUE=AAA==')
 * assert.equal(values.get("VALUE"), "AAA==")
 * ```
 */
export function parseSamLine(line: string): SamLine {
  if (line.length > LINE_CHARACTERS_MAX) throw bad(`has ${line.length} characters, expected 8192`)
  if (CONTROL.test(line)) throw bad("has control characters, expected text")
  const [, command = "", tail = ""] = /^(\S+)(.*)$/.exec(line) ?? []
  if (!WORD.test(command)) throw bad("does not begin with a command, expected one such as HELLO")
  if (command === "PING" || command === "PONG")
    return { command, subcommand: "", values: new Map(), rest: tail.slice(1) }
  const [, subcommand = "", fields = tail] = /^\s+([^\s=]+)(?=\s|$)(.*)$/.exec(tail) ?? []
  return { command, subcommand, values: parseFields(fields), rest: "" }
}

/**
 * Writes a line, without its end.
 *
 * @param command - Such as `SESSION`.
 * @param subcommand - Such as `CREATE`; "" for none.
 * @param values - In the order they shall stand. A value "" is written as `key=`.
 * @throws {AlliumError} `BAD_SAM_LINE` for what the other side could misread: control characters,
 * spaces, quotes or backslashes where it cannot read quotes, more than 7,500 bytes. The message
 * names the key, never the value.
 */
export function formatSamLine(
  command: string,
  subcommand: string,
  values: Iterable<readonly [string, string]> = [],
  format: SamLineFormat = {},
): string {
  if (!WORD.test(command) || !(subcommand === "" || WORD.test(subcommand)))
    throw new TypeError("Cannot write SAM line: command and subcommand are plain words")
  const head = subcommand === "" ? command : `${command} ${subcommand}`
  const fields = Array.from(values, ([key, value]) => formatField(key, value, format))
  const line = [head, ...fields].join(" ")
  const byteCount = Buffer.byteLength(line)
  if (byteCount > SENT_LINE_BYTES_MAX)
    throw bad(`${head} has ${byteCount} bytes, expected at most ${SENT_LINE_BYTES_MAX}`, "write")
  return line
}

/** Writes `PING` or `PONG` with a text behind it. @throws {AlliumError} `BAD_SAM_LINE`. */
export function formatPing(command: "PING" | "PONG", text: string): string {
  if (CONTROL.test(text) || Buffer.byteLength(text) > SENT_LINE_BYTES_MAX)
    throw bad(`${command} has a text that is no line, expected one`, "write")
  return text === "" ? command : `${command} ${text}`
}

function parseFields(text: string): Map<string, string> {
  const values = new Map<string, string>()
  const field = /\s*(?:([^\s="]+)(?:=("(?:[^"\\]|\\.)*"(?=\s|$)|(?!")\S*))?)?/y
  while (field.lastIndex < text.length) {
    const start = field.lastIndex
    const [, key, value = ""] = field.exec(text) ?? []
    if (key === undefined) {
      if (text.slice(start).trim() === "") break
      throw bad("has a value without a key or an open quote, expected key=value")
    }
    if (value !== "" && values.has(key)) throw bad("states a key twice, expected it once")
    // i2pd leaves a sentence unquoted, and puts it last.
    if (key === "MESSAGE" && value !== "" && !value.startsWith('"')) {
      values.set(key, text.slice(field.lastIndex - value.length).trim())
      break
    }
    values.set(key, unquote(value))
  }
  return values
}

function unquote(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value
}

function formatField(key: string, value: string, format: SamLineFormat): string {
  if (key === "" || /[\s="\\]/.test(key) || CONTROL.test(key))
    throw new TypeError("Cannot write SAM line: a key is a word without spaces, quotes and =")
  if (CONTROL.test(value)) throw bad(`${key} has control characters, expected text`, "write")
  if (!/[\s"\\]/.test(value)) return `${key}=${value}`
  if (format.quoting !== true)
    throw bad(
      `${key} has spaces, quotes or backslashes, expected none: not every router reads quotes`,
      "write",
    )
  return `${key}="${value.replace(/["\\]/g, "\\$&")}"`
}

function bad(found: string, deed = "read"): AlliumError {
  return new AlliumError("BAD_SAM_LINE", `Cannot ${deed} SAM line: ${found}`)
}

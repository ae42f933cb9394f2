/**
 * Lines of hosts.txt files and feeds: `name=destination`, with signed fields or without, and commands that have
 * fields only.
 *
 * @see https://geti2p.net/spec/subscription
 * @module
 */
import { AlliumError, isAlliumError } from "../../base/errors.ts"
import { requireAddress } from "./address.ts"
import { requirePublicName } from "./host-name.ts"

/** Longest line: a name, two destinations and two signatures have about 1,600 characters. */
export const LINE_CHARACTERS_MAX = 4_096
/** Fields of one line; the specification names ten. */
const FIELDS_MAX = 32

/** Fields behind `#!`, in the order of the line; each key once. */
export type Fields = ReadonlyMap<string, string>

/** A line, taken apart. Signatures are not looked at. */
export type HostLine =
  | { readonly kind: "empty" }
  /** `name` and `address` in their one spelling; `written` as the line has them, for signatures. */
  | {
      readonly kind: "name"
      readonly name: string
      readonly address: string
      readonly written: string
      readonly fields: Fields
    }
  /** `#!action=remove#…`. */
  | { readonly kind: "command"; readonly fields: Fields }
  | { readonly kind: "bad"; readonly reason: string }

/** Reads one line, without its end. Never throws: what is no line is `bad`, with a reason that quotes nothing. */
export function parseHostLine(text: string): HostLine {
  const line = text.trim()
  if (line.length > LINE_CHARACTERS_MAX) return { kind: "bad", reason: "is too long" }
  if (/\p{Cc}/u.test(line)) return { kind: "bad", reason: "has a control character" }
  try {
    if (line.startsWith("#!")) return { kind: "command", fields: parseFields(line.slice(2)) }
    if (line === "" || /^[#;]/.test(line)) return { kind: "empty" }
    return parseName(line)
  } catch (error) {
    if (!isAlliumError(error, "BAD_NAME", "BAD_DESTINATION", "BAD_INPUT")) throw error
    return { kind: "bad", reason: error.message.replace(/^Cannot [^:]*: /, "") }
  }
}

function parseName(line: string): HostLine {
  const [written = "", comment = ""] = cut(line, "#")
  const [name, address] = cut(written, "=")
  if (address === undefined) throw bad("has no =, expected name=destination")
  return {
    kind: "name",
    name: requirePublicName(name.trim()),
    address: requireAddress(address.trim()),
    written: written.trim(),
    fields: comment.startsWith("!") ? parseFields(comment.slice(1)) : new Map(),
  }
}

/** @throws {AlliumError} `BAD_INPUT` for a key without a value, or twice. */
function parseFields(text: string): Fields {
  const fields = new Map<string, string>()
  for (const field of text.trim().split("#")) {
    const [key, value] = cut(field, "=")
    if (key === "" || value === undefined || value === "")
      throw bad("has a field without key or value")
    if (fields.has(key)) throw bad("has a field twice")
    fields.set(key, value)
    if (fields.size > FIELDS_MAX) throw bad("has too many fields")
  }
  return fields
}

/** What stands before and after the first `mark`. */
function cut(text: string, mark: string): [before: string, after?: string] {
  const at = text.indexOf(mark)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + mark.length)]
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_INPUT", `Cannot read line: ${found}`)
}

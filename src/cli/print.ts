/**
 * Documents as people read them, by the hints of their offer. Whatever comes out of a document has
 * been made printable; only the offer's own words are taken as they are.
 *
 * @module
 */
import type { Display } from "../router/offer.ts"
import { printable, printableJson } from "./printable.ts"
import { writeBytes, writeTime } from "./quantity.ts"
import { alignColumns } from "./table.ts"

const PLACE = /\{([\w.]+(?:\|\w+)?)\}/g
const ISO_TIME = /^\d{4}-\d\d-\d\dT[\d:.]{5,12}Z$/

/**
 * Lines of a document: by `display.line`; as a table when it is a list; else `field: value`.
 *
 * @param bold - Marks the head of a table.
 */
export function writeDocument(
  document: unknown,
  display: Display,
  bold: (text: string) => string = (text) => text,
): string[] {
  if (Array.isArray(document)) return writeList(document, display, bold)
  if (document === null || document === undefined) return []
  if (display.line !== undefined) return fill(display.line, document)
  if (display.columns !== undefined)
    return [writeRow(document, display.columns).filter(Boolean).join("  ")]
  if (typeof document !== "object") return [writeValue(document)]
  return writeFields(document, bold)
}

/** `field: value`, aligned; what is inside a field stands below it, indented. */
function writeFields(document: object, bold: (text: string) => string): string[] {
  const fields = Object.entries(document).filter(([, value]) => value !== undefined)
  const isPlain = ([, value]: [string, unknown]) => !hasInside(value)
  const plain = fields
    .filter(isPlain)
    .map(([name, value]) => [`${printable(name)}:`, writeValue(value)])
  const lines = alignColumns(plain)
  return fields.flatMap((field) => {
    if (isPlain(field)) return lines.splice(0, 1)
    const inside = writeDocument(field[1], {}, bold).map((line) => `  ${line}`)
    return [`${printable(field[0])}:`, ...inside]
  })
}

function hasInside(value: unknown): boolean {
  if (Array.isArray(value)) return value.some((item) => typeof item === "object" && item !== null)
  return typeof value === "object" && value !== null && Object.keys(value).length > 0
}

function writeList(
  documents: readonly unknown[],
  display: Display,
  bold: (text: string) => string,
): string[] {
  if (documents.length === 0) return display.empty === undefined ? [] : [display.empty]
  const { line } = display
  if (line !== undefined && display.columns === undefined)
    return documents.flatMap((document) => fill(line, document))
  const columns = display.columns ?? columnsOf(documents)
  if (columns.length === 0) return documents.map((document) => writeValue(document))
  const head = columns.map((column) => printable(column.split("|")[0] ?? ""))
  const rows = withoutEmptyColumns([
    head,
    ...documents.map((document) => writeRow(document, columns)),
  ])
  const [first = "", ...rest] = alignColumns(rows)
  return [bold(first), ...rest]
}

/** Without the columns that hold nothing below their head; all of them when none holds anything. */
function withoutEmptyColumns(rows: readonly (readonly string[])[]): (readonly string[])[] {
  const isUsed = (_: string, place: number) => rows.slice(1).some((row) => row[place] !== "")
  const used = rows.map((row) => row.filter(isUsed))
  return used[0]?.length === 0 ? [...rows] : used
}

function columnsOf(documents: readonly unknown[]): string[] {
  const names = new Set<string>()
  for (const document of documents)
    if (typeof document === "object" && document !== null)
      for (const name of Object.keys(document)) names.add(name)
  return [...names]
}

function writeRow(document: unknown, columns: readonly string[]): string[] {
  return columns.map((column) => place(document, column))
}

/** Fills `{field}`, `{field.inner}` and `{field|format}` places; lines of nothing but an empty place go. */
function fill(template: string, document: unknown): string[] {
  return template.split("\n").flatMap((line) => {
    const filled = line.replace(PLACE, (_, where: string) => place(document, where))
    return filled === "" && line !== "" ? [] : filled.split("\n")
  })
}

function place(document: unknown, where: string): string {
  const [path = "", format] = where.split("|")
  let value = document
  for (const name of path.split("."))
    value = Object.hasOwn(Object(value), name)
      ? (value as Record<string, unknown>)[name]
      : undefined
  return writeValue(value, format)
}

/** Formats: `bytes`, `time` (of milliseconds since 1970, or ISO 8601), `lines` (a text of several lines, or a list of texts). */
function writeValue(value: unknown, format?: string): string {
  if (value === undefined || value === null) return ""
  if (format === "bytes" && typeof value === "number") return writeBytes(value)
  if (format === "time" && typeof value === "number") return writeTime(value)
  if (format === "time" && typeof value === "string" && ISO_TIME.test(value))
    return writeTime(Date.parse(value))
  if (format === "lines") return linesOf(value).map(printable).join("\n")
  if (typeof value === "string") return printable(value)
  if (Array.isArray(value) && value.every((item) => typeof item !== "object"))
    return value.map((item) => writeValue(item)).join(", ")
  return printableJson(value)
}

function linesOf(value: unknown): string[] {
  const lines = Array.isArray(value) ? value : String(value).split("\n")
  return lines.map(String)
}

/**
 * Tunnels as i2pd and Java I2P write them down: lines with their numbers, nothing judged yet.
 *
 * i2pd's `tunnels.conf` has a section for each tunnel; Java's `i2ptunnel.config` numbers them
 * (`tunnel.3.name=…`), and its `i2ptunnel.config.d` has a file for each, with or without the number.
 *
 * @see https://docs.i2pd.website/en/latest/user-guide/tunnels/
 * @see https://geti2p.net/spec/configuration
 * @module
 */
import { AlliumError } from "../base/errors.ts"

/** Tunnels in one file; Java's own have some ten. */
const CONFIG_TUNNELS_MAX = 256
/** Lines of all tunnels of one file. */
const CONFIG_LINES_MAX = 16_384

/** One `key=value`; `line` counts from 1. Values are as written, without blanks around them. */
export interface ConfigLine {
  readonly line: number
  readonly key: string
  readonly value: string
}

/** One tunnel of a file. */
export interface ConfigTunnel {
  readonly router: "i2pd" | "java"
  /** Name of the section, or the number; where it begins. */
  readonly title: string
  readonly line: number
  readonly lines: readonly ConfigLine[]
}

/** What a file holds; `strays` are lines that belong to no tunnel or cannot be read. */
export interface ConfigFile {
  readonly tunnels: readonly ConfigTunnel[]
  readonly strays: readonly ConfigLine[]
}

interface Growing {
  readonly title: string
  readonly line: number
  readonly lines: ConfigLine[]
}

/**
 * Reads either format: i2pd's when there is a section.
 *
 * @throws {AlliumError} `TOO_LARGE` beyond 16,384 lines or 256 tunnels.
 */
export function parseTunnelConfig(text: string): ConfigFile {
  const raw = text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/)
  if (raw.length > CONFIG_LINES_MAX) throw tooLarge(`${raw.length} lines`)
  const rows = raw
    .map((row, index) => ({ row: row.trim(), line: index + 1 }))
    .filter(({ row }) => row !== "" && !/^[#;]/.test(row))
  const isI2pd = rows.some(({ row }) => SECTION.test(row))
  const file = isI2pd ? parseSections(rows) : parseProperties(rows)
  if (file.tunnels.length > CONFIG_TUNNELS_MAX) throw tooLarge(`${file.tunnels.length} tunnels`)
  return file
}

interface Row {
  readonly row: string
  readonly line: number
}

const SECTION = /^\[([^\]]*)\]$/
const NUMBERED = /^tunnel\.(\d{1,6})\.(.+)$/

/** As boost's INI reader has it: the value is all behind the first `=`; no comment behind a value. */
function parseSections(rows: readonly Row[]): ConfigFile {
  const sections: Growing[] = []
  const strays: ConfigLine[] = []
  for (const { row, line } of rows) {
    const [, title] = SECTION.exec(row) ?? []
    const entry = readEntry(row, line)
    const last = sections.at(-1)
    if (title !== undefined) sections.push({ title: title.trim(), line, lines: [] })
    else if (entry === undefined || last === undefined) strays.push(entry ?? stray(row, line))
    else last.lines.push(entry)
  }
  return { tunnels: sections.map((section) => ({ router: "i2pd", ...section })), strays }
}

/** As Java I2P's `DataHelper.loadProps()` has it: no escapes, no continued lines. */
function parseProperties(rows: readonly Row[]): ConfigFile {
  const tunnels = new Map<string, Growing>()
  const strays: ConfigLine[] = []
  for (const { row, line } of rows) {
    const entry = readEntry(row, line)
    if (entry === undefined) {
      strays.push(stray(row, line))
      continue
    }
    const [, title = "0", key = entry.key] = NUMBERED.exec(entry.key) ?? []
    const known = tunnels.get(title) ?? { title, line, lines: [] }
    tunnels.set(title, known)
    if (key === "configFile") strays.push(entry)
    else known.lines.push({ ...entry, key })
  }
  return { tunnels: [...tunnels.values()].map((tunnel) => ({ router: "java", ...tunnel })), strays }
}

function readEntry(row: string, line: number): ConfigLine | undefined {
  const at = row.indexOf("=")
  if (at < 1) return undefined
  return { line, key: row.slice(0, at).trim(), value: row.slice(at + 1).trim() }
}

function stray(row: string, line: number): ConfigLine {
  return { line, key: row.slice(0, 60), value: "" }
}

function tooLarge(found: string): AlliumError {
  return new AlliumError(
    "TOO_LARGE",
    `Cannot import tunnels: the file has ${found}, expected fewer`,
  )
}

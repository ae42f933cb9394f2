import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { ERROR_CODES } from "../src/base/error-codes.ts"

const ROOT = join(import.meta.dirname, "..")
const PAGE = readFileSync(join(ROOT, "docs/reference/errors.md"), "utf8")
/** Codes stand in files of these folders. */
const SOURCES = ["src", "plugins", "tunnels"]

interface Row {
  readonly exit: number
  readonly status: number
  readonly meaning: string
  readonly next: string
}

function readTable(page: string): Map<string, Row> {
  const rows = page.matchAll(/^\| `(\w+)` \| (\d+) \| (\d+) \| (.*?) \| (.*?) ?\|$/gm)
  return new Map(
    [...rows].map(([, code = "", exit, status, meaning = "", next = ""]) => [
      code,
      { exit: Number(exit), status: Number(status), meaning, next },
    ]),
  )
}

function* sourceFiles(): Generator<string> {
  for (const folder of SOURCES)
    for (const name of readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }))
      if (name.endsWith(".ts")) yield join(folder, name)
}

describe("docs/reference/errors.md", () => {
  const table = readTable(PAGE)

  it("lists the codes of the catalogue, and no others", () => {
    expect([...table.keys()].sort()).toEqual(Object.keys(ERROR_CODES).sort())
  })

  it("says what the catalogue says, and what each code means", () => {
    for (const [code, { exit, status, next = "" }] of Object.entries(ERROR_CODES))
      expect([code, table.get(code)]).toEqual([
        code,
        { exit, status, next, meaning: expect.stringMatching(/^[A-Z].{8,}\.$/) },
      ])
  })
})

describe("the catalogue of errors", () => {
  it("has HTTP statuses, exit codes, and whole sentences", () => {
    for (const [code, { exit, status, next }] of Object.entries(ERROR_CODES)) {
      expect(code).toMatch(/^[A-Z0-9]+(_[A-Z0-9]+)*$/)
      expect([code, status >= 400 && status < 600]).toEqual([code, true])
      expect([code, [1, 2, 3, 4, 5].includes(exit)]).toEqual([code, true])
      if (next !== undefined)
        expect([code, next]).toEqual([code, expect.stringMatching(/^[A-Z].*\.$/)])
    }
  })

  it("has every code that is thrown or looked for in the source", () => {
    const unknown: string[] = []
    for (const file of sourceFiles()) {
      const text = readFileSync(join(ROOT, file), "utf8")
      const used = text.matchAll(/(?:AlliumError\(|isAlliumError\(\w+,)\s*"([A-Z][A-Z0-9_]*)"/g)
      for (const [, code = ""] of used)
        if (!(code in ERROR_CODES) && !code.startsWith("PLUGIN_")) unknown.push(`${file}: ${code}`)
    }
    expect(unknown).toEqual([])
  })
})

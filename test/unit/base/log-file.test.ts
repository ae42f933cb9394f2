import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openLogFile } from "../../../src/base/log-file.ts"

describe("openLogFile()", () => {
  let folder = ""
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "allium-log-"))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it("keeps two files of the size it was given, however much is written", () => {
    const path = join(folder, "log")
    const write = openLogFile(path, 100)
    for (let line = 0; line < 1_000; line++) write(`line ${line}`)
    expect(statSync(path).size).toBeLessThanOrEqual(100)
    expect(statSync(`${path}.1`).size).toBeLessThanOrEqual(100)
    expect(readFileSync(path, "utf8").trimEnd().split("\n").at(-1)).toBe("line 999")
  })

  it("can be read by its owner only, and goes on where it ended", () => {
    const path = join(folder, "log")
    openLogFile(path)("first")
    openLogFile(path)("second")
    expect(readFileSync(path, "utf8")).toBe("first\nsecond\n")
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it("does not throw when the disk refuses", () => {
    expect(() => openLogFile(join(folder, "missing", "log"))("lost")).not.toThrow()
  })
})

import { readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { describe, expect, it } from "vitest"

const ROOT = join(import.meta.dirname, "../../..")

/** Imports and re-exports that are there at run time. */
const STATIC = /^(?:import|export) (?!type )(?:[\w*{},\s]+ from )?"([^"]+)"/gm

/** Everything that is loaded as soon as `file` is: our files from the root, packages by name. */
function loadedWith(file: string, seen = new Set<string>()): Set<string> {
  const text = readFileSync(file, "utf8")
  for (const [, name = ""] of text.matchAll(STATIC)) {
    const target = name.startsWith(".") ? join(dirname(file), name) : name
    const known = relative(ROOT, target)
    if (!name.startsWith(".")) seen.add(name)
    else if (!seen.has(known)) loadedWith(target, seen.add(known))
  }
  return seen
}

describe("src/cli/cli.ts", () => {
  it("loads neither yargs nor zod nor HTTP nor the router, so that help is quick", () => {
    const loaded = [...loadedWith(join(ROOT, "src/cli/cli.ts"))]
    expect(loaded).toContain("src/cli/client.ts")
    expect(loaded).toContain("node:fs")
    const heavy =
      /^(yargs|zod|level|node:http|@)|^src\/(router|identity|store|sam|link|mail|bridge)\//
    expect(loaded.filter((name) => heavy.test(name))).toEqual([])
  })
})

describe("src/main.ts", () => {
  it("loads no plugin, no tunnel and no package before one is needed", () => {
    const loaded = [...loadedWith(join(ROOT, "src/main.ts"))]
    expect(loaded).toContain("src/built-in.ts")
    const light = /^(node:(fs|fs\/promises|os|path|stream\/consumers)$|src\/)/
    expect(loaded.filter((name) => !light.test(name))).toEqual([])
  })
})

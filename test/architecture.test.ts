import { readFileSync } from "node:fs"
import { dirname, join, relative, sep } from "node:path"
import { describe, expect, it } from "vitest"
import { filesBelow, projectRoot } from "./support/project.ts"

/** Rooms of `src` and the rooms each may import; the order of `docs/architecture.md`. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  base: [],
  sam: ["base"],
  bridge: ["base", "sam"],
  link: ["base", "sam"],
  store: ["base"],
  identity: ["base", "sam", "store"],
  mail: ["base", "sam", "link", "store", "identity"],
  router: ["base", "sam", "bridge", "link", "store", "identity", "mail"],
  api: ["base", "sam", "bridge", "link", "store", "identity", "mail", "router"],
  cli: ["base", "sam", "bridge", "link", "store", "identity", "mail", "router", "api"],
}

const IMPORT = /^(?:import|export) (?:[\w*{},\s]+ from )?"([^"]+)"|\bimport\("([^"]+)"\)/gm

function importsOf(path: string): string[] {
  const text = readFileSync(join(projectRoot, path), "utf8")
  return [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? "")
}

/** Path from the project's root of what `path` imports, when that is a relative import. */
function target(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined
  return relative(projectRoot, join(projectRoot, dirname(path), specifier))
}

function roomOf(path: string): string | undefined {
  const parts = path.split(sep)
  return parts[0] === "src" && parts.length > 2 ? parts[1] : undefined
}

describe("the house", () => {
  it("knows every room of src", () => {
    const rooms = new Set(filesBelow("src").map(roomOf))
    expect([...rooms].filter((room) => room && !(room in MAY_IMPORT))).toEqual([])
  })

  it.each(Object.entries(MAY_IMPORT))("%s imports only what stands before it", (room, allowed) => {
    const wrong = filesBelow(`src/${room}`).flatMap((path) =>
      importsOf(path)
        .map((specifier) => target(path, specifier))
        .filter((to) => to !== undefined)
        .filter((to) => ![room, ...allowed].includes(roomOf(to) ?? "(outside the rooms)"))
        .map((to) => `${path} imports ${to}`),
    )
    expect(wrong).toEqual([])
  })

  it.each([
    ["plugins", "allium/plugin"],
    ["tunnels", "allium/tunnel"],
  ])("%s import %s, and nothing else of the house", (folder, door) => {
    const wrong = filesBelow(folder).flatMap((path) =>
      importsOf(path)
        .filter((specifier) => !isOwn(path, specifier) && !specifier.startsWith("node:"))
        .filter((specifier) => specifier.startsWith(".") || specifier.startsWith("allium"))
        .filter((specifier) => specifier !== door)
        .map((specifier) => `${path} imports ${specifier}`),
    )
    expect(wrong).toEqual([])
  })

  it("has one composition root, which nothing imports", () => {
    const importers = [...filesBelow("src"), ...filesBelow("plugins"), ...filesBelow("tunnels")]
    const wrong = importers.filter((path) =>
      importsOf(path).some((specifier) => target(path, specifier) === join("src", "main.ts")),
    )
    expect(wrong).toEqual([])
  })
})

/** A relative import that stays inside the plugin's or the tunnel kind's own folder. */
function isOwn(path: string, specifier: string): boolean {
  const to = target(path, specifier)
  return to !== undefined && to.split(sep).slice(0, 2).join() === path.split(sep).slice(0, 2).join()
}

import { existsSync, readFileSync } from "node:fs"
import { dirname, join, normalize, relative } from "node:path"
import { describe, expect, it } from "vitest"
import { filesBelow, projectRoot } from "./support/project.ts"

const PAGES = [
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md"],
  ...["docs", "examples"].flatMap((folder) => filesBelow(folder, ".md")),
]
const SOURCES = ["src", "plugins", "tunnels", "test", "bench", "examples", "scripts"].flatMap(
  (folder) => [".ts", ".mjs"].flatMap((ending) => filesBelow(folder, ending)),
)
/** A path of the project as prose names it; whole files only. */
const NAMED_PATH =
  /(?<![\w./-])((?:docs|src|plugins|tunnels|test|bench|examples|scripts)\/[\w./-]*\.(?:md|ts|mjs|json|py))/g

const read = (path: string): string => readFileSync(join(projectRoot, path), "utf8")
/** What a page says outside of its code. */
const proseOf = (path: string): string => read(path).replaceAll(/^ *```[\s\S]*?^ *```/gm, "")

interface Link {
  readonly page: string
  /** From the project's root; the page itself for `#anchor`. */
  readonly path: string
  readonly anchor: string | undefined
}

function linksOf(page: string): Link[] {
  const found = proseOf(page).matchAll(/\]\(([^()\s]+)\)/g)
  return [...found]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [file = "", anchor] = target.split("#")
      const path = file === "" ? page : normalize(join(dirname(page), file))
      return { page, path, anchor }
    })
}

/** Names of headings as the usual forges make them. */
function anchorsOf(page: string): Set<string> {
  const seen = new Map<string, number>()
  const headings = [...proseOf(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = ""]) => {
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-")
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    return count === 0 ? slug : `${slug}-${count}`
  })
  return new Set(headings)
}

describe("links in the documentation", () => {
  const links = PAGES.flatMap(linksOf)

  it("are found", () => expect(links.length).toBeGreaterThan(100))

  it("lead to files that are there", () => {
    const broken = links.filter(({ path }) => !existsSync(join(projectRoot, path)))
    expect(broken).toEqual([])
  })

  it("stay inside the project", () => {
    expect(links.filter(({ path }) => path.startsWith(".."))).toEqual([])
  })

  it("lead to headings that are there", () => {
    const broken = links.filter(
      ({ path, anchor }) =>
        anchor !== undefined && !(path.endsWith(".md") && anchorsOf(path).has(anchor)),
    )
    expect(broken).toEqual([])
  })
})

describe("paths that pages and sources name", () => {
  it.each([
    ["pages", PAGES],
    ["sources", SOURCES.filter((path) => path !== relative(projectRoot, import.meta.filename))],
  ])("%s name files that are there", (_, paths) => {
    const missing = paths.flatMap((path) =>
      [...read(path).matchAll(NAMED_PATH)]
        .map(([, named = ""]) => named)
        .filter((named) => !existsSync(join(projectRoot, named)))
        .filter((named) => !existsSync(join(projectRoot, dirname(path), named)))
        .map((named) => `${path} names ${named}`),
    )
    expect(missing).toEqual([])
  })
})

describe("docs/README.md", () => {
  it("leads to every page below docs", () => {
    const index = new Set(linksOf("docs/README.md").map(({ path }) => path))
    const left = filesBelow("docs", ".md").filter(
      (page) => page !== "docs/README.md" && !page.startsWith("docs/decisions/0"),
    )
    expect(left.filter((page) => !index.has(page))).toEqual([])
  })
})

describe("docs/decisions/README.md", () => {
  it("leads to every decision, by number", () => {
    const listed = linksOf("docs/decisions/README.md").map(({ path }) => path)
    const decisions = filesBelow("docs/decisions", ".md").filter((page) => /\/\d{4}-/.test(page))
    expect(listed.filter((path) => decisions.includes(path))).toEqual(decisions.sort())
  })
})

import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { z } from "zod"
import { describeOffers } from "../src/built-in.ts"
import { completionCommand } from "../src/cli/completion.ts"
import { schemaOf } from "../src/router/offer-description.ts"
import { type DocumentedCommand, writeCommandsPage } from "./support/commands-page.ts"
import { projectRoot } from "./support/project.ts"

const PLACE = join(projectRoot, "docs", "reference", "commands.md")
/** It runs when it is imported, so it is read. */
const MAIN = readFileSync(join(projectRoot, "src", "main.ts"), "utf8")

/** Commands that `src/main.ts` declares: what they say stands there, their options in a module of their own. */
async function localCommands(): Promise<DocumentedCommand[]> {
  const declared = [...MAIN.matchAll(/localCommand\(\{([\s\S]*?)\n\}\)/g)].map(([, text]) => text)
  const commands = declared.map(async (text = "") => ({
    verb: /words: "(.*)"/.exec(text)?.[1] ?? "",
    summary: /summary: "(.*)"/.exec(text)?.[1] ?? "",
    positional: [],
    examples: JSON.parse(/examples: (\[.*\])/.exec(text)?.[1] ?? "[]") as string[],
    input: await optionsOf(text),
  }))
  const { words, summary, positional = [], examples = [], options } = completionCommand
  const input = schemaOf(await options(), "input")
  return [...(await Promise.all(commands)), { verb: words, summary, positional, examples, input }]
}

async function optionsOf(text: string): Promise<DocumentedCommand["input"]> {
  const [, path, name = ""] = /options: .*import\("(\..*)"\)\)\.(\w+)/.exec(text) ?? []
  if (path === undefined) return {}
  const module = (await import(join(projectRoot, "src", path))) as Record<string, z.ZodObject>
  const shape = module[name]
  if (shape === undefined) throw new Error(`${path} has no ${name}`)
  return schemaOf(shape, "input")
}

async function allCommands(): Promise<DocumentedCommand[]> {
  const routers = await describeOffers()
  const stands = (verb: string) => routers.some((offer) => offer.verb === verb)
  return [...routers, ...(await localCommands()).filter(({ verb }) => !stands(verb))]
}

describe("docs/reference/commands.md", () => {
  it("is what the commands say of themselves", async () => {
    const page = writeCommandsPage(await allCommands())
    if (process.env.UPDATE === "1") writeFileSync(PLACE, page)
    expect(readFileSync(PLACE, "utf8")).toBe(page)
  })

  it("has every command of src/main.ts", async () => {
    const passed = /localCommands: \[(.*)\]/.exec(MAIN)?.[1]?.split(", ").length
    const locals = await localCommands()
    expect(locals.filter(({ verb, summary }) => verb === "" || summary === "")).toEqual([])
    expect(locals).toHaveLength((passed ?? 0) + 1) // completion adds itself
  })

  it("leaves no flag and no field without a word about it", async () => {
    const silent = (await allCommands()).flatMap(({ verb, input }) =>
      Object.entries(input.properties ?? {})
        .filter(([name, field]) => field.description === undefined && name !== "name")
        .map(([name]) => `${verb}: ${name}`),
    )
    expect(silent).toEqual([])
  })
})

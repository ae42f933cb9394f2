/**
 * Numbers that stand in the source: every top-level `const NAME = …` in capitals, read from the text.
 *
 * @module
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { filesBelow, projectRoot } from "./project.ts"

/** One constant, or one member of a constant object: `LINK_LIMITS.channelsMax`. */
export interface Constant {
  /** From the project's root. */
  readonly path: string
  readonly name: string
  /** `undefined` when it is no sum or product of numbers and other constants. */
  readonly value: number | undefined
  /** It only says another constant's name. */
  readonly isAlias: boolean
}

const DECLARATION = /^(?:export )?const ([A-Z][A-Z0-9_]*)(?:: [^=]+)? = (?:(\{[^}]*\})|([^\n]+))/gm
const MEMBER = /([a-z]\w*): ([^,}\n]+)/gi

/** Every constant below these folders. */
export function readConstants(folders: readonly string[]): Constant[] {
  const texts = folders.flatMap((folder) => filesBelow(folder)).map(textsOf)
  const everywhere = new Map(texts.flatMap(({ declared }) => [...declared]))
  return texts.flatMap(({ path, declared }) =>
    [...declared].map(([name, text]) => {
      const lookUp = (other: string): string | undefined =>
        other === name ? undefined : (declared.get(other) ?? everywhere.get(other))
      const isAlias = /^[A-Z][A-Z0-9_]*$/.test(text)
      return { path, name, value: evaluate(text, lookUp), isAlias }
    }),
  )
}

/** What stands behind each name of a file. */
function textsOf(path: string): { path: string; declared: Map<string, string> } {
  const source = readFileSync(join(projectRoot, path), "utf8").replaceAll(/\/\/.*$/gm, "")
  const declared = new Map<string, string>()
  for (const [, name = "", object, text] of source.matchAll(DECLARATION))
    if (object === undefined) declared.set(name, text ?? "")
    else
      for (const [, member, value = ""] of object.matchAll(MEMBER))
        declared.set(`${name}.${member}`, value.trim())
  return { path, declared }
}

/**
 * Sums, products, powers and shifts of whole numbers and of constants `lookUp` knows.
 *
 * @returns `undefined` for everything else.
 */
export function evaluate(
  text: string,
  lookUp: (name: string) => string | undefined,
): number | undefined {
  const tokens = text.replace(/ as const$/, "").match(/[\w.]+|\*\*|<<|\S/g) ?? []
  const value = readSum(tokens, lookUp)
  return tokens.length === 0 && Number.isFinite(value) ? value : undefined
}

type LookUp = (name: string) => string | undefined

function readSum(tokens: string[], lookUp: LookUp): number {
  let value = readProduct(tokens, lookUp)
  for (let sign = tokens[0]; sign === "+" || sign === "-" || sign === "<<"; sign = tokens[0]) {
    tokens.shift()
    const next = readProduct(tokens, lookUp)
    value = sign === "+" ? value + next : sign === "-" ? value - next : value * 2 ** next
  }
  return value
}

function readProduct(tokens: string[], lookUp: LookUp): number {
  let value = readPower(tokens, lookUp)
  for (let sign = tokens[0]; sign === "*" || sign === "/"; sign = tokens[0]) {
    tokens.shift()
    const next = readPower(tokens, lookUp)
    value = sign === "*" ? value * next : value / next
  }
  return value
}

function readPower(tokens: string[], lookUp: LookUp): number {
  const base = readOne(tokens, lookUp)
  if (tokens[0] !== "**") return base
  tokens.shift()
  return base ** readPower(tokens, lookUp)
}

function readOne(tokens: string[], lookUp: LookUp): number {
  const token = tokens.shift() ?? ""
  if (token === "(") {
    const value = readSum(tokens, lookUp)
    return tokens.shift() === ")" ? value : Number.NaN
  }
  if (/^\d/.test(token)) return Number(token.replaceAll("_", ""))
  const named = lookUp(token)
  return named === undefined ? Number.NaN : (evaluate(named, lookUp) ?? Number.NaN)
}

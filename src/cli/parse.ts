/**
 * From the words of a command line to what was typed, field by field.
 *
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import { type Flag, type Form, flagsOf } from "./flags.ts"
import { printable } from "./printable.ts"
import type { Typed } from "./yargs.ts"

/** What can be known before the command: its words, and the flags of every command. */
export interface Glance {
  readonly words: readonly { text: string; at: number }[]
  readonly home: string | undefined
  readonly help: boolean
  readonly version: boolean
  readonly json: boolean
  readonly quiet: boolean
}

/** Flags before the verb that take a value. */
const TAKES_VALUE = ["--home", "--identity"]

/** Looks over a command line whose flags are not yet known. */
export function glance(argv: readonly string[]): Glance {
  const end = argv.includes("--") ? argv.indexOf("--") : argv.length
  const words: Glance["words"][number][] = []
  let home: string | undefined
  for (let at = 0; at < end; at++) {
    const text = argv[at] ?? ""
    if (text === "--home") home = argv[at + 1]
    else if (text.startsWith("--home=")) home = text.slice("--home=".length)
    else if (text === "-" || !text.startsWith("-")) words.push({ text, at })
    if (TAKES_VALUE.includes(text)) at++
  }
  const has = (...flags: string[]) => argv.slice(0, end).some((text) => flags.includes(text))
  return {
    words,
    home,
    help: has("--help", "-h") || words[0]?.text === "help",
    version: has("--version"),
    json: has("--json"),
    quiet: has("--quiet"),
  }
}

/**
 * @param rest - The command line without the words of the verb.
 * @throws {AlliumError} `BAD_INPUT`.
 */
export async function parseFlags(form: Form, rest: readonly string[]): Promise<Typed> {
  const flags = flagsOf(form)
  const { _: words, ...typed } = plainLine(flags, rest) ?? (await parseByYargs(form, rest))
  const all = { ...typed, ...placeWords(form, flags, (words as unknown[]).map(String)) }
  for (const flag of flags)
    for (const value of [all[flag.name]].flat()) readValue(form, flag, value)
  return all
}

/**
 * Reads a line of words without flags of the command's own: most lines are. To load yargs takes longer than
 * most commands take.
 *
 * @returns What yargs would; `undefined` when it has to be asked.
 */
function plainLine(flags: readonly Flag[], rest: readonly string[]): Typed | undefined {
  if (flags.some(({ required, positional }) => required && !positional)) return undefined
  const words: string[] = []
  for (let at = 0; at < rest.length; at++) {
    const text = rest[at] ?? ""
    if (text === "--home" && isPlain(rest[at + 1])) at++
    else if (isPlain(text)) words.push(text)
    else if (text !== "--json" && text !== "--quiet") return undefined
  }
  return { _: words }
}

function isPlain(text: string | undefined): text is string {
  return text !== undefined && text !== "" && !text.startsWith("-")
}

async function parseByYargs(form: Form, rest: readonly string[]): Promise<Typed> {
  const { flagParser } = await import("./yargs.ts")
  try {
    return await flagParser(form, rest).parseAsync()
  } catch (error) {
    throw wrongUsage(form, (error as Error).message)
  }
}

/** The help of one command. */
export async function helpOf(form: Form, columns: number): Promise<string> {
  const { helpParser } = await import("./yargs.ts")
  return helpParser(form, columns).getHelp()
}

/** Gives words to the fields that are filled in by place. */
function placeWords(form: Form, flags: readonly Flag[], words: readonly string[]): Typed {
  const places = form.positional.flatMap((field) =>
    flags.filter((flag) => flag.field === field && flag.positional),
  )
  const placed: Record<string, unknown> = {}
  let taken = 0
  for (const { name, list, required } of places) {
    const given = list ? words.slice(taken) : words.slice(taken, taken + 1)
    if (given.length === 0 && required) throw badInput(form, `<${name}> is missing`)
    if (given.length > 0) placed[name] = list ? given : given[0]
    taken += given.length
  }
  // The word is not repeated: it may be a secret in the wrong place.
  const wanted = places.length === 1 ? "1 word" : `${places.length} words`
  if (taken < words.length)
    throw badInput(form, `expected ${wanted} after it, found ${words.length}`)
  return placed
}

function wrongUsage(form: Form, message: string): AlliumError {
  const fault = message
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .join(" ")
  const [, name, given, choices] =
    /^Invalid values: Argument: (\S+), Given: (.*), Choices: (.*)$/.exec(fault) ?? []
  if (name !== undefined) return badInput(form, `${name} is ${given}, expected one of ${choices}`)
  return badInput(form, `${fault.charAt(0).toLowerCase()}${fault.slice(1)}`)
}

/** A complaint about the command line. */
export function badInput(form: Pick<Form, "verb">, fault: string): AlliumError {
  return new AlliumError("BAD_INPUT", `Cannot run ${form.verb}: ${printable(fault)}`)
}

/**
 * Turns one typed value into a value of the field; of a flag that was given twice, the last counts.
 *
 * @throws {AlliumError} `BAD_INPUT`.
 */
export function readValue(form: Form, flag: Flag, typed: unknown): unknown {
  if (flag.kind === "number") return readNumber(form, flag, typed)
  if (flag.kind !== "json" || typeof typed !== "string") return typed
  try {
    return JSON.parse(typed)
  } catch {
    throw badInput(form, `${flag.name} is no JSON`)
  }
}

function readNumber(form: Form, flag: Flag, typed: unknown): unknown {
  if (typed === undefined) return undefined
  const number = typed === "" ? Number.NaN : Number(typed)
  if (Number.isFinite(number)) return number
  throw badInput(form, `${flag.name} is no number`)
}

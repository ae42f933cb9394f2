/**
 * One command as yargs sees it: usage, flags, help.
 *
 * @module
 */
import yargs, { type Argv, type Options } from "yargs"
import { type Flag, type Form, flagsOf } from "./flags.ts"

/** Flags that every command has. */
const COMMON_FLAGS: Readonly<Record<string, Options>> = {
  home: {
    type: "string",
    requiresArg: true,
    describe: "Folder of the router (default: see allium --help)",
  },
  json: { type: "boolean", describe: "Print JSON: one document, or one a line" },
  quiet: { type: "boolean", describe: "No progress" },
  help: { type: "boolean", alias: "h", describe: "Show this help" },
}

/** Values by flag name; `--…-file` of secrets as they were typed. */
export type Typed = Readonly<Record<string, unknown>>

/**
 * Reads the flags; words stay in `_` and after `--`, as texts. (Places are not left to yargs: it parses
 * them a second time, so a text that begins with a dash becomes a flag.)
 */
export function flagParser(form: Form, rest: readonly string[]): Argv {
  const parser = quietYargs(rest).strictOptions()
  for (const flag of flagsOf(form)) if (!flag.positional) addFlag(parser, flag, { describe: false })
  return parser.options(COMMON_FLAGS)
}

/** Knows all there is to say, for `getHelp()` only. */
export function helpParser(form: Form, columns: number): Argv {
  const flags = flagsOf(form)
  const parser = quietYargs([])
    .scriptName(`allium ${form.verb}`)
    .wrap(columns)
    .command(usageOf(form, flags), form.summary, (command) => describeFlags(command, flags))
  for (const example of form.examples) parser.example(`allium ${example}`, "")
  return parser
}

/** Neither prints nor exits. */
function quietYargs(rest: readonly string[]): Argv {
  return yargs([...rest])
    .locale("en")
    .parserConfiguration({
      "camel-case-expansion": false,
      "dot-notation": false,
      "greedy-arrays": false,
      "parse-positional-numbers": false,
    })
    .exitProcess(false)
    .fail(false)
    .help(false)
    .version(false)
}

/** `$0 <contact> [text]`. */
function usageOf(form: Form, flags: readonly Flag[]): string {
  const places = form.positional.flatMap((field) => flags.filter((flag) => flag.field === field))
  const words = places
    .filter(({ positional }) => positional)
    .map(({ name, required, list }) => {
      const inner = list ? `${name}..` : name
      return required ? `<${inner}>` : `[${inner}]`
    })
  return ["$0", ...words].join(" ")
}

function describeFlags(command: Argv, flags: readonly Flag[]): Argv {
  for (const flag of flags)
    if (flag.positional) command.positional(flag.name, placeOf(flag))
    else addFlag(command, flag, { describe: true })
  const own = flags.flatMap(({ kind, name, positional }) =>
    positional ? [] : kind === "secret" ? [name, `${name}-file`] : [name],
  )
  command.group(own, "Options:")
  command.options(COMMON_FLAGS)
  command.group(Object.keys(COMMON_FLAGS), "Every command:")
  return command
}

/** A default is only described: the router fills it in. */
function addFlag(command: Argv, flag: Flag, { describe }: { describe: boolean }): void {
  const { default: initial, ...option } = optionOf(flag)
  if (flag.kind === "secret") addSecret(command, flag)
  else if (!describe || initial === undefined) command.option(flag.name, option)
  else command.option(flag.name, { ...option, default: initial })
}

function placeOf(flag: Flag): Options & { type?: "string" | "number" | "boolean" } {
  const { describe, choices, default: initial } = optionOf(flag)
  const type = yargsType(flag)
  return {
    type,
    ...(describe && { describe }),
    ...(choices && { choices }),
    ...(initial !== undefined && { default: initial }),
  }
}

function optionOf(flag: Flag): Options {
  const { schema, choices } = flag
  return {
    type: yargsType(flag),
    demandOption: flag.required,
    requiresArg: flag.kind !== "boolean",
    ...(flag.list && { array: true }),
    ...(schema.description !== undefined && { describe: schema.description }),
    ...(schema.alias !== undefined && { alias: schema.alias }),
    ...(choices !== undefined && { choices }),
    ...(schema.default !== undefined && { default: schema.default }),
  }
}

function yargsType({ kind }: Flag): "boolean" | "number" | "string" {
  return kind === "boolean" || kind === "number" ? kind : "string"
}

function addSecret(command: Argv, { name, required, schema }: Flag): void {
  const what = schema.description ?? name
  if (!required) command.option(name, { type: "boolean", describe: `${what}: ask for it` })
  const where = required ? "instead of being asked" : "in place of being asked"
  command.option(`${name}-file`, {
    type: "string",
    requiresArg: true,
    describe: `${what}: read it from this file, ${where} (- is standard input)`,
  })
}

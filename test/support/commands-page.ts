/**
 * `docs/reference/commands.md`, made of what the commands say of themselves.
 *
 * @module
 */
import { type Flag, flagsOf } from "../../src/cli/flags.ts"
import type { FieldSchema, OfferDescription } from "../../src/router/offer-description.ts"

/** What the page needs of a command; commands that start a router have no answer. */
export type DocumentedCommand = Pick<
  OfferDescription,
  "verb" | "summary" | "positional" | "examples" | "input"
> &
  Partial<Pick<OfferDescription, "output" | "stream">>

const HEAD = `# Commands

Every command that comes with Allium, made from the same declarations as \`--help\`; \`test/commands.test.ts\` compares, and writes this page with
\`UPDATE=1 npx vitest run --project fast test/commands.test.ts\`. Flags of every command, exit codes and how values are written: [the command
line](cli.md). \`<word>\` is needed, \`[word]\` may be left out. *Answer* is what \`--json\` prints, and what the [API](api.md) answers.
`

/** Chapters in the order in which people meet them; the rest follows by name. */
const CHAPTERS = ["", "identity", "contact", "message", "file", "site", "tunnel", "name", "plugin"]

/** The whole page. */
export function writeCommandsPage(commands: readonly DocumentedCommand[]): string {
  const chapters = new Map<string, DocumentedCommand[]>(CHAPTERS.map((chapter) => [chapter, []]))
  for (const command of [...commands].sort((left, right) => (left.verb < right.verb ? -1 : 1))) {
    const words = command.verb.split(" ")
    const chapter = words.length > 1 ? (words[0] ?? "") : ""
    chapters.set(chapter, [...(chapters.get(chapter) ?? []), command])
  }
  const written = [...chapters]
    .filter(([, inside]) => inside.length > 0)
    .map(([chapter, inside]) => writeChapter(chapter || "The router", inside))
  return [HEAD, ...written].join("\n")
}

function writeChapter(title: string, commands: readonly DocumentedCommand[]): string {
  return [`## ${title}\n`, ...commands.map(writeCommand)].join("\n")
}

function writeCommand(command: DocumentedCommand): string {
  const flags = flagsOf(command)
  const parts = [`### ${command.verb}`, `${command.summary}.`, fence([usage(command, flags)])]
  if (flags.length > 0) parts.push(writeFlags(flags))
  const examples = command.examples.map((example) => `allium ${example}`)
  if (examples.join() !== usage(command, flags) && examples.length > 0) parts.push(fence(examples))
  if (command.output !== undefined) parts.push(writeAnswer(command.output, command.stream === true))
  return `${parts.join("\n\n")}\n`
}

const fence = (lines: readonly string[]): string => ["```", ...lines, "```"].join("\n")

function usage({ verb, positional }: DocumentedCommand, flags: readonly Flag[]): string {
  const places = positional.flatMap((field) =>
    flags.filter((flag) => flag.field === field && flag.positional),
  )
  const needed = flags.filter(
    ({ positional: placed, required, kind }) => !placed && required && kind !== "secret",
  )
  const words = places.map(placeOf)
  const rest = flags.length > places.length + needed.length ? ["[FLAGS]"] : []
  return ["allium", verb, ...words, ...needed.map(flagOf), ...rest].join(" ")
}

function placeOf({ name, list, required }: Flag): string {
  const word = list ? `${name}...` : name
  return required ? `<${word}>` : `[${word}]`
}

function flagOf({ name, kind, path, schema }: Flag): string {
  const alias = schema.alias === undefined ? "" : `-${schema.alias}, `
  if (kind === "boolean") return `${alias}--${name}`
  if (kind === "secret") return `--${name}-file FILE`
  return `${alias}--${name} ${path ? "PATH" : VALUES[kind]}`
}

const VALUES = { number: "NUMBER", json: "JSON", text: "TEXT" } as const

function writeFlags(flags: readonly Flag[]): string {
  const rows = flags.map((flag) => {
    const name = flag.positional ? placeOf(flag) : flagOf(flag)
    const meaning = [flag.schema.description, ...boundsOf(flag)].filter(Boolean).join("; ")
    return `| \`${name}\` | ${escapeCell(meaning || "Its name")} |`
  })
  return ["| | |", "|---|---|", ...rows].join("\n")
}

/** JSON Schema's own words, which our type does not name. */
interface Bounds {
  readonly minimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly maxItems?: number
}

function boundsOf({ name, list, required, choices, kind, schema, positional }: Flag): string[] {
  const { minimum, maximum, maxLength } = (list ? schema.items : schema) as FieldSchema & Bounds
  const { maxItems } = schema as Bounds
  const most = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? undefined : maximum
  return [
    ...(choices ? [choices.map((choice) => `\`${choice}\``).join(", ")] : []),
    ...(most === undefined ? [] : [`${number(minimum ?? 0)} to ${number(most)}`]),
    ...(maxLength === undefined || choices ? [] : [`at most ${number(maxLength)} characters`]),
    ...(list ? [`one or more${maxItems === undefined ? "" : `, up to ${number(maxItems)}`}`] : []),
    ...(kind === "secret" ? [askedFor(name, required)] : []),
    ...(required && !positional && kind !== "secret" ? ["needed"] : []),
    ...defaultOf(schema),
  ]
}

const askedFor = (name: string, required: boolean): string =>
  required ? "without it, asked for without echo" : `\`--${name}\` instead asks for it without echo`

function defaultOf({ default: initial }: FieldSchema): string[] {
  if (initial === undefined || initial === false || initial === "") return []
  if (Array.isArray(initial)) return []
  return [`default \`${String(initial)}\``]
}

function writeAnswer(output: FieldSchema, isStream: boolean): string {
  const isList = output.type === "array"
  const { properties = {}, required = [] } = (isList ? output.items : output) ?? {}
  const fields = Object.keys(properties).map(
    (name) => `\`${name}\`${required.includes(name) ? "" : "?"}`,
  )
  const what = isStream ? "a stream, each with " : isList ? "a list, each with " : ""
  return `Answer: ${what}${fields.join(", ") || "any document"}.`
}

const number = (value: number): string => value.toLocaleString("en")

const escapeCell = (text: string): string => text.replaceAll("|", "\\|")

/**
 * The list of commands.
 *
 * @module
 */
import type { Named } from "./commands.ts"
import { alignColumns } from "./table.ts"

/** Columns of the narrowest terminal that is looked after. */
const WIDTH = 80

/** `allium --help`: commands of one word with what they do, and what each first word can be followed by. */
export function writeOverview(commands: readonly Named[]): string {
  return [
    "allium: identities, messages, files, sites and tunnels over I2P",
    "",
    "Usage: allium COMMAND [--home DIR] [--json] [--quiet]",
    "",
    ...writeCommands(commands.filter(({ verb }) => !verb.includes(" "))),
    "",
    ...writeGroups(commands),
    "",
    "allium WORD --help, such as allium file --help, says what each of its commands does;",
    "allium COMMAND --help shows a command's flags and examples.",
    "The router's home is --home, or $ALLIUM_HOME, or $XDG_DATA_HOME/allium.",
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no router running, 4 peer or network not",
    "reachable, 5 refused, 130 interrupted.",
  ].join("\n")
}

/** `allium contact --help`: the commands that begin so. */
export function writeGroup(group: string, commands: readonly Named[]): string {
  return [`Usage: allium ${group} COMMAND`, "", ...writeCommands(commands)].join("\n")
}

function writeCommands(commands: readonly Named[]): string[] {
  const sorted = [...commands].sort((left, right) => (left.verb < right.verb ? -1 : 1))
  return alignColumns(sorted.map(({ verb, summary }) => [`  ${verb}`, summary]))
}

/** A line for each first word, and more where the words behind it do not fit. */
function writeGroups(commands: readonly Named[]): string[] {
  const groups = new Map<string, Set<string>>()
  for (const { verb } of commands) {
    const [first = "", second] = verb.split(" ")
    if (second === undefined) continue
    groups.set(first, (groups.get(first) ?? new Set()).add(second))
  }
  const indent = Math.max(...[...groups.keys()].map((word) => word.length)) + "    ".length
  const rows = [...groups].sort(([left], [right]) => (left < right ? -1 : 1))
  return rows.flatMap(([first, followers]) =>
    wrap([...followers].sort(), WIDTH - indent).map((line, place) =>
      (place === 0 ? `  ${first}` : "").padEnd(indent).concat(line),
    ),
  )
}

/** Words with commas between them, in lines of at most `width`. */
function wrap(words: readonly string[], width: number): string[] {
  const lines: string[] = []
  for (const [place, word] of words.entries()) {
    const piece = place < words.length - 1 ? `${word},` : word
    const longer = `${lines.at(-1) ?? ""} ${piece}`
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer
    else lines.push(piece)
  }
  return lines
}

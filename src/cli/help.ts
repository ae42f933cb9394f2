/**
 * The list of commands.
 *
 * @module
 */
import type { Named } from "./commands.ts"
import { alignColumns } from "./table.ts"

/** `allium --help`: every command, one a line. */
export function writeOverview(commands: readonly Named[]): string {
  return [
    "allium: identities, messages, files, sites and tunnels over I2P",
    "",
    "Usage: allium COMMAND [--home DIR] [--json] [--quiet]",
    "",
    ...writeCommands(commands),
    "",
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

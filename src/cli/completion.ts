/**
 * Completion of command lines: what may come next, and the scripts that ask.
 *
 * @module
 */
import type { OfferDescription } from "../router/offer-description.ts"
import { flagsOf } from "./flags.ts"
import type { LocalCommand } from "./local.ts"

const SHELLS = ["bash", "zsh", "fish"] as const
type Shell = (typeof SHELLS)[number]

/** The hidden first word by which the scripts ask. */
export const COMPLETE_WORD = "__complete"

const COMMON = ["--help", "--home", "--json", "--quiet"]

/** A command as completion needs it; those not meant need no more than their words. */
export type Completable = Pick<OfferDescription, "verb"> & Partial<OfferDescription>

/**
 * @param words - What was typed after `allium`; the last is unfinished, perhaps empty.
 * @returns What the last word may become; empty where the shell should offer files.
 */
export function complete(words: readonly string[], commands: readonly Completable[]): string[] {
  const typed = words.slice(0, -1).filter((word) => !word.startsWith("-"))
  const last = words.at(-1) ?? ""
  const line = typed.map((word) => `${word} `).join("")
  const command = commands.find(({ verb }) => line.startsWith(`${verb} `))
  const next = command === undefined ? nextWords(line, commands) : nextFlags(command, words)
  return [...new Set(next)].filter((word) => word.startsWith(last)).sort()
}

function nextWords(line: string, commands: readonly Completable[]): string[] {
  return commands
    .filter(({ verb }) => verb.startsWith(line))
    .map(({ verb }) => verb.slice(line.length).split(" ")[0] ?? "")
}

function nextFlags(command: Completable, words: readonly string[]): string[] {
  const { input, positional = [], verb } = command
  const flags =
    input === undefined ? [] : flagsOf({ verb, positional, input, summary: "", examples: [] })
  const before = words.at(-2)
  const asked = flags.find(
    ({ name, schema }) => before === `--${name}` || before === `-${schema.alias}`,
  )
  if (asked !== undefined && asked.kind !== "boolean") return [...(asked.choices ?? [])]
  if (!(words.at(-1) ?? "").startsWith("-")) return placeChoices(flags, words, verb)
  const names = flags.filter(({ positional }) => !positional).map(flagName)
  return [...names, ...COMMON]
}

function flagName({ kind, name }: { kind: string; name: string }): string {
  return kind === "secret" ? `--${name}-file` : `--${name}`
}

function placeChoices(
  flags: ReturnType<typeof flagsOf>,
  words: readonly string[],
  verb: string,
): string[] {
  const given =
    words.slice(0, -1).filter((word) => !word.startsWith("-")).length - verb.split(" ").length
  return [...(flags.filter(({ positional }) => positional)[given]?.choices ?? [])]
}

/** `allium completion bash`: a script to be read by the shell. */
export const completionCommand: LocalCommand = {
  words: "completion",
  summary: "Print a completion script for bash, zsh or fish",
  positional: ["shell"],
  examples: ["completion bash > ~/.local/share/bash-completion/completions/allium"],
  async options() {
    const { z } = await import("zod")
    return z.object({ shell: z.enum(SHELLS).meta({ description: "Whose" }) })
  },
  async run({ shell }, { terminal }) {
    await terminal.print(SCRIPTS[shell as Shell])
    return 0
  },
}

const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `_allium() {
  local IFS=$'\\n'
  COMPREPLY=($(allium ${COMPLETE_WORD} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _allium allium`,
  zsh: `#compdef allium
_allium() {
  local -a next
  next=("\${(@f)$(allium ${COMPLETE_WORD} "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$next" ]]; then compadd -a next; else _files; fi
}
compdef _allium allium`,
  fish: `function __allium
  set -l words (commandline -opc) (commandline -ct)
  allium ${COMPLETE_WORD} $words[2..-1] 2>/dev/null
end
complete -c allium -a '(__allium)'`,
}

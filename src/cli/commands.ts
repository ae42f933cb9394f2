/**
 * Which command is meant.
 *
 * @module
 */
import { AlliumError } from "../base/errors.ts"
import { printable } from "./printable.ts"

/** One command: an offer's verb, or the words of a local one. */
export interface Named {
  readonly verb: string
  readonly summary: string
}

/** What the leading words of a command line mean. */
export type Meaning<C extends Named> =
  | { readonly kind: "command"; readonly command: C; readonly wordCount: number }
  | { readonly kind: "group"; readonly group: string; readonly commands: readonly C[] }

/**
 * @param words - The first words of the line that are no flags; what follows the verb is not looked at.
 * @throws {AlliumError} `UNKNOWN_VERB`; names the nearest command.
 */
export function findCommand<C extends Named>(
  words: readonly string[],
  commands: readonly C[],
): Meaning<C> {
  const line = `${words.join(" ")} `
  const command = commands.find(({ verb }) => line.startsWith(`${verb} `))
  if (command !== undefined)
    return { kind: "command", command, wordCount: command.verb.split(" ").length }
  const inside = commands.filter(({ verb }) => words.length === 0 || `${verb} `.startsWith(line))
  if (inside.length > 0) return { kind: "group", group: words.join(" "), commands: inside }
  throw unknown(words, commands)
}

function unknown(words: readonly string[], commands: readonly Named[]): AlliumError {
  const typed = words.slice(0, 3).join(" ")
  const near = nearest(
    words,
    commands.map(({ verb }) => verb),
  )
  const advice = near === undefined ? "expected one of allium --help" : `did you mean "${near}"?`
  return new AlliumError(
    "UNKNOWN_VERB",
    `Cannot run "${printable(typed)}": no such command, ${advice}`,
  )
}

/** The verb that takes the fewest changes of letters; none when all are far. */
function nearest(words: readonly string[], verbs: readonly string[]): string | undefined {
  const ranked = verbs.map((verb) => {
    const typed = words.slice(0, verb.split(" ").length).join(" ")
    return {
      verb,
      steps: distance(typed, verb),
      stepsMax: Math.max(1, Math.floor(verb.length / 3)),
    }
  })
  const near = ranked.filter(({ steps, stepsMax }) => steps <= stepsMax)
  return near.sort((left, right) => left.steps - right.steps)[0]?.verb
}

/** Levenshtein's distance, with neighbours that changed places counted once. */
export function distance(left: string, right: string): number {
  let before: number[] = []
  let row = Array.from({ length: right.length + 1 }, (_, place) => place)
  for (let i = 1; i <= left.length; i++) {
    const next = [i]
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1] ? 0 : 1
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + same)
      if (i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1])
        next[j] = Math.min(next[j]!, before[j - 2]! + 1)
    }
    before = row
    row = next
  }
  return row[right.length]!
}

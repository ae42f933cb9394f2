/**
 * From what was typed to an offer's input: paths made absolute, standard input read, secrets asked for.
 *
 * @module
 */
import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import { AlliumError } from "../base/errors.ts"
import { type Flag, type Form, flagsOf } from "./flags.ts"
import { badInput, readValue } from "./parse.ts"
import { askSecret, readAllText, readLine } from "./stdin.ts"
import type { Terminal } from "./terminal.ts"
import type { Typed } from "./yargs.ts"

/** Where the missing comes from. */
export interface FillCall {
  readonly terminal: Terminal
  readonly cwd: string
  readonly signal: AbortSignal
}

/**
 * @returns The input, without fields nobody gave.
 * @throws {AlliumError} `BAD_INPUT`, `TOO_LARGE`; the signal's reason at Ctrl-C.
 */
export async function fillInput(
  form: Form,
  typed: Typed,
  call: FillCall,
): Promise<Record<string, unknown>> {
  const flags = flagsOf(form)
  requireOneReader(form, flags, typed)
  const input: Record<string, unknown> = {}
  for (const flag of flags) {
    const value = await fieldValue(form, flag, typed, call)
    if (value !== undefined) input[flag.field] = value
  }
  return input
}

function fieldValue(form: Form, flag: Flag, typed: Typed, call: FillCall): unknown {
  if (flag.kind === "secret") return secretOf(form, flag, typed, call)
  const given = lastOf(flag, typed[flag.name])
  if (given === undefined || (Array.isArray(given) && given.length === 0)) return undefined
  if (readsInput(flag, given)) return readAllText(call.terminal.input, call)
  const one = (value: unknown) => {
    const read = readValue(form, flag, value)
    return flag.path && typeof read === "string" ? resolve(call.cwd, read) : read
  }
  return flag.list ? [given].flat().map(one) : one(given)
}

/** Of a flag that was given twice, the last counts; lists keep all. */
function lastOf(flag: Flag, given: unknown): unknown {
  return Array.isArray(given) && !flag.list ? given.at(-1) : given
}

/** `-` in a place for text. */
function readsInput(flag: Flag, given: unknown): boolean {
  return given === "-" && flag.positional && flag.kind === "text" && !flag.path && !flag.list
}

function requireOneReader(form: Form, flags: readonly Flag[], typed: Typed): void {
  const readers = flags.filter((flag) =>
    flag.kind === "secret"
      ? typed[`${flag.name}-file`] === "-"
      : readsInput(flag, typed[flag.name]),
  )
  if (readers.length > 1) throw badInput(form, "standard input can only be read once")
}

async function secretOf(
  form: Form,
  flag: Flag,
  typed: Typed,
  { terminal, cwd, signal }: FillCall,
): Promise<string | undefined> {
  const file = typed[`${flag.name}-file`]
  if (file === "-") return withoutLineEnd(await readAllText(terminal.input, { signal }))
  if (typeof file === "string")
    return withoutLineEnd(await readSecretFile(form, flag, resolve(cwd, file)))
  if (!flag.required && typed[flag.name] !== true) return undefined
  const asked =
    terminal.input.isTTY === true
      ? await askSecret(terminal, flag.schema.description ?? flag.name, { signal })
      : await readLine(terminal.input, { signal })
  if (asked === undefined) throw badInput(form, `${flag.name} did not come by standard input`)
  return asked
}

async function readSecretFile(form: Form, flag: Flag, path: string): Promise<string> {
  try {
    return await readFile(path, { encoding: "utf8" })
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new AlliumError(
      "BAD_INPUT",
      badInput(form, `${flag.name}-file cannot be read (${code})`).message,
      { cause },
    )
  }
}

function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, "")
}

/**
 * Commands that do not go through the API, such as the one that starts the router.
 *
 * @module
 */
import type { z } from "zod"
import type { Paths } from "./paths.ts"
import type { Terminal } from "./terminal.ts"

/** What a local command gets besides its input. */
export interface LocalCall {
  readonly paths: Paths
  readonly terminal: Terminal
  readonly env: Readonly<Record<string, string | undefined>>
  /** Absolute. */
  readonly cwd: string
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal
  readonly json: boolean
  readonly quiet: boolean
}

/** A command of this process; flags and help are made from its options, as an offer's are from its input. */
export interface LocalCommand<Options extends z.ZodObject = z.ZodObject> {
  /** One to three words: `run`. */
  readonly words: string
  readonly summary: string
  readonly positional?: readonly string[]
  readonly examples?: readonly string[]
  /** It only stands in for the offer of the same name while no router runs. */
  readonly standsIn?: boolean
  /** Asked for only when the command is the one meant, so that help stays quick. */
  options(): Options | Promise<Options>
  /** @returns Exit code. */
  run(input: z.output<Options>, call: LocalCall): Promise<number>
}

/** Declares a local command. */
export function localCommand<Options extends z.ZodObject>(
  command: LocalCommand<Options>,
): LocalCommand<Options> {
  return command
}

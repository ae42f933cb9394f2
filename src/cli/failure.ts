/**
 * How a command ends that did not work out.
 *
 * @module
 */
import { toAlliumError } from "../base/errors.ts"
import { printable } from "./printable.ts"
import type { Terminal } from "./terminal.ts"

/** Ctrl-C, as shells count it: 128 + SIGINT. */
const INTERRUPTED = 130

/**
 * Tells the failure in one sentence, with its code and what to do next. Silent when the reader of our
 * output has gone (`allium message list | head`) and at Ctrl-C.
 *
 * @returns Exit code.
 */
export function tellFailure(thrown: unknown, terminal: Terminal, signal: AbortSignal): number {
  if ((thrown as NodeJS.ErrnoException).code === "EPIPE") return 0
  if (signal.aborted || (thrown as Error).name === "AbortError") return INTERRUPTED
  const error = toAlliumError(thrown)
  const { exit, next } = error.outcome
  const cause = error.code === "INTERNAL" && error.cause ? `: ${String(error.cause)}` : ""
  const sentence = printable(`${error.message}${cause} (${error.code}).`)
  terminal.note(`${terminal.paintError("red", "allium:")} ${sentence}${next ? ` ${next}` : ""}`)
  return exit
}

/**
 * The three streams of a command, as it sees them.
 *
 * @module
 */
import type { Readable, Writable } from "node:stream"

/** Standard input; a terminal when it has `setRawMode`. */
export type Input = Readable & { isTTY?: boolean; setRawMode?: (on: boolean) => unknown }
/** Standard output or error. */
export type Output = Writable & { isTTY?: boolean; columns?: number }

/** Words of emphasis; plain where colour is not wanted. */
type Paint = (style: "bold" | "red" | "yellow", text: string) => string

const STYLES = { bold: [1, 22], red: [31, 39], yellow: [33, 39] } as const

/** @see https://no-color.org */
function choosePaint(
  env: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
): Paint {
  const forced = env.FORCE_COLOR !== undefined && !["", "0", "false"].includes(env.FORCE_COLOR)
  const wanted = isTerminal && env.TERM !== "dumb"
  if (!forced && (env.NO_COLOR || env.FORCE_COLOR === "0" || !wanted)) return (_, text) => text
  return (style, text) => `\x1b[${STYLES[style][0]}m${text}\x1b[${STYLES[style][1]}m`
}

/** Reads from and writes to people or pipes. */
export interface Terminal {
  readonly input: Input
  readonly output: Output
  readonly error: Output
  /** For standard output, and for standard error. */
  readonly paint: Paint
  readonly paintError: Paint
  /**
   * Writes a line to standard output; resolves when there is room for more, rejects with `EPIPE` when
   * the reader has gone.
   */
  print(line: string): Promise<void>
  /** Writes a line to standard error. */
  note(line: string): void
}

/** Puts the streams together. */
export function openTerminal(options: {
  stdin: Input
  stdout: Output
  stderr: Output
  env: Readonly<Record<string, string | undefined>>
}): Terminal {
  const { stdin, stdout, stderr, env } = options
  return {
    input: stdin,
    output: stdout,
    error: stderr,
    paint: choosePaint(env, stdout.isTTY === true),
    paintError: choosePaint(env, stderr.isTTY === true),
    print: (line) =>
      new Promise((resolve, reject) => {
        stdout.write(`${line}\n`, (error) => (error ? reject(error) : resolve()))
      }),
    note: (line) => void stderr.write(`${line}\n`),
  }
}

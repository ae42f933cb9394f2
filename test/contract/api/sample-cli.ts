/**
 * The command line with streams that remember.
 *
 * @module
 */
import { PassThrough } from "node:stream"
import { type CliOptions, runCli } from "../../../src/cli/cli.ts"
import type { Input, Output } from "../../../src/cli/terminal.ts"
import { sampleOffers } from "./sample-offers.ts"

/** How a command ended. */
export interface CliOutcome {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

/** What else it got. */
export interface CliChange extends Partial<CliOptions> {
  /** Standard input, whole. */
  readonly typed?: string
  /** All three streams are terminals, so wide. */
  readonly columns?: number
}

/** Runs one command line against the router at `home`. */
export async function sampleCli(
  home: string,
  argv: readonly string[],
  change: CliChange = {},
): Promise<CliOutcome> {
  const { typed = "", columns, ...options } = change
  const terminal = columns === undefined ? {} : { isTTY: true, columns }
  const stdin: Input = Object.assign(new PassThrough(), terminal, { setRawMode: () => {} })
  stdin.push(typed)
  if (columns === undefined) stdin.push(null)
  const [stdout, stderr] = [recorder(terminal), recorder(terminal)]
  const exit = await runCli({
    argv,
    env: { ALLIUM_HOME: home },
    stdin,
    stdout: stdout.stream,
    stderr: stderr.stream,
    cwd: "/a/folder",
    userFolder: "/home/ann",
    version: "1.2.3",
    signal: new AbortController().signal,
    builtInOffers: async () => sampleOffers().book.list(),
    localCommands: [],
    ...options,
  })
  return { exit, stdout: stdout.text(), stderr: stderr.text() }
}

function recorder(terminal: object): { stream: Output; text: () => string } {
  const stream = new PassThrough()
  let text = ""
  stream.on("data", (chunk) => {
    text += chunk
  })
  return { stream: Object.assign(stream, terminal), text: () => text }
}

/**
 * The command line: finds what is meant, asks the router, prints what it says.
 *
 * @see docs/reference/cli.md
 * @module
 */
import { homedir } from "node:os"
import { EMBEDDED_BANNER } from "../api/protocol.ts"
import { AlliumError } from "../base/errors.ts"
import type { OfferDescription } from "../router/offer-description.ts"
import { Client } from "./client.ts"
import { findCommand } from "./commands.ts"
import { COMPLETE_WORD, complete, completionCommand } from "./completion.ts"
import { tellFailure } from "./failure.ts"
import type { FillCall } from "./fill.ts"
import type { Form } from "./flags.ts"
import { writeGroup, writeOverview } from "./help.ts"
import type { LocalCommand } from "./local.ts"
import { type Glance, glance, helpOf, parseFlags } from "./parse.ts"
import { findPaths, type Paths } from "./paths.ts"
import { runOffer } from "./run-offer.ts"
import { type Input, type Output, openTerminal, type Terminal } from "./terminal.ts"
import type { Typed } from "./yargs.ts"

/** Everything a command line stands on. */
export interface CliOptions {
  /** Without the interpreter and the script. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: Input
  readonly stdout: Output
  readonly stderr: Output
  readonly cwd: string
  /** The user's own folder; `os.homedir()` when absent. */
  readonly userFolder?: string
  /** Of the package, for `--version`. */
  readonly version: string
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal
  /** Offers known without a router; asked for only when none runs. */
  builtInOffers(): Promise<readonly OfferDescription[]>
  readonly localCommands: readonly LocalCommand[]
}

/** Runs one command line. @returns Exit code. */
export async function runCli(options: CliOptions): Promise<number> {
  const terminal = openTerminal(options)
  // Failed writes reject print(); without a listener they would end the process before.
  const ignore = () => {}
  options.stdout.on("error", ignore)
  options.stderr.on("error", ignore)
  try {
    return await new Run(options, terminal).start()
  } catch (thrown) {
    return tellFailure(thrown, terminal, options.signal)
  } finally {
    options.stdout.off("error", ignore)
    options.stderr.off("error", ignore)
  }
}

/** A command of either sort. */
type Command = Named & ({ offer: OfferDescription } | { local: LocalCommand })
interface Named {
  readonly verb: string
  readonly summary: string
}

/** One command line on its way. */
class Run {
  readonly #options: CliOptions
  readonly #terminal: Terminal
  readonly #seen: Glance
  readonly #paths: Paths
  readonly #client: Client
  #warned = false
  #listed = false

  constructor(options: CliOptions, terminal: Terminal) {
    this.#options = options
    this.#terminal = terminal
    this.#seen = glance(options.argv)
    const { env, cwd, signal, userFolder = homedir() } = options
    this.#paths = findPaths({ home: this.#seen.home, env, cwd, userFolder })
    const onNetwork = (isEmbedded: boolean) => this.#warn(isEmbedded)
    this.#client = new Client({ socketPath: this.#paths.socket, signal, onNetwork })
  }

  async start(): Promise<number> {
    const { argv, version } = this.#options
    this.#options.signal.throwIfAborted()
    if (argv[0] === COMPLETE_WORD) return this.#complete(argv.slice(1))
    if (this.#seen.version) return this.#print(version)
    const words = this.#seen.words.map(({ text }) => text)
    if (words[0] === "help") words.shift()
    return this.#dispatch(words)
  }

  async #dispatch(words: readonly string[]): Promise<number> {
    const locals = this.#locals()
    const local = locals
      .filter((command) => !("local" in command && command.local.standsIn))
      .find(({ verb }) => `${words.join(" ")} `.startsWith(`${verb} `))
    const commands = local ? [local] : await this.#commands(locals)
    const meant = findCommand(words, commands)
    if (meant.kind === "command") return this.#command(meant.command, meant.wordCount)
    if (meant.group === "") return this.#print(writeOverview(meant.commands))
    if (this.#seen.help) return this.#print(writeGroup(meant.group, meant.commands))
    this.#terminal.note(writeGroup(meant.group, meant.commands))
    throw new AlliumError("BAD_INPUT", `Cannot run "${meant.group}": expected one more word`)
  }

  async #command(command: Command, wordCount: number): Promise<number> {
    const form = await formOf(command)
    if (this.#seen.help) return this.#print(await helpOf(form, this.#columns()))
    const typed = await parseFlags(form, this.#rest(wordCount))
    const call = { terminal: this.#terminal, cwd: this.#options.cwd, signal: this.#options.signal }
    if ("local" in command) return this.#runLocal(command.local, typed, form, call)
    if (!this.#listed)
      throw new AlliumError("NO_ROUTER", "Cannot reach the router: none runs for this home")
    return runOffer({ ...call, ...this.#seen, offer: command.offer, typed, client: this.#client })
  }

  async #runLocal(local: LocalCommand, typed: Typed, form: Form, call: FillCall): Promise<number> {
    const { fillInput } = await import("./fill.ts")
    const { readInput } = await import("../router/offer-check.ts")
    const shape = { verb: local.words, input: await local.options() }
    const input = readInput(shape, await fillInput(form, typed, call))
    const { json, quiet } = this.#seen
    return local.run(input, { ...call, paths: this.#paths, env: this.#options.env, json, quiet })
  }

  #locals(): Command[] {
    return [...this.#options.localCommands, completionCommand].map((local) => ({
      verb: local.words,
      summary: local.summary,
      local,
    }))
  }

  /** A running router's offers go before what stands in for them, and the other way round. */
  async #commands(locals: readonly Command[]): Promise<Command[]> {
    const offers = await this.#offers()
    const [first, second] = this.#listed ? [offers, locals] : [locals, offers]
    const taken = new Set(first.map(({ verb }) => verb))
    return [...first, ...second.filter(({ verb }) => !taken.has(verb))]
  }

  /** The router's own list where one runs: it knows the plugins of strangers too. */
  async #offers(): Promise<Command[]> {
    const listing = await this.#client.list()
    this.#listed = listing !== undefined
    const offers = listing?.offers ?? (await this.#options.builtInOffers())
    return offers.map((offer) => ({ verb: offer.verb, summary: offer.summary, offer }))
  }

  /** What is left of the line without the words of the verb. */
  #rest(wordCount: number): string[] {
    const first = this.#seen.words[0]?.text === "help" ? 1 : 0
    const taken = this.#seen.words.slice(first, first + wordCount).map(({ at }) => at)
    return this.#options.argv.filter((_, at) => !taken.includes(at))
  }

  async #complete(words: readonly string[]): Promise<number> {
    this.#warned = true // a warning in the middle of a line being typed would only be noise
    const commands = await this.#commands(this.#locals())
    const line = `${words.join(" ")} `
    const known = commands.map((command) =>
      line.startsWith(`${command.verb} `) ? formOf(command) : { verb: command.verb },
    )
    for (const word of complete(words, await Promise.all(known))) await this.#print(word)
    return 0
  }

  async #print(text: string): Promise<number> {
    await this.#terminal.print(text)
    return 0
  }

  #warn(isEmbedded: boolean): void {
    if (isEmbedded && !this.#warned)
      this.#terminal.note(this.#terminal.paintError("yellow", EMBEDDED_BANNER))
    this.#warned ||= isEmbedded
  }

  #columns(): number {
    return Math.min(100, this.#options.stdout.columns || 80)
  }
}

async function formOf(command: Command): Promise<Form> {
  if ("offer" in command) return command.offer
  const { words, summary, positional = [], examples = [], options } = command.local
  const { schemaOf } = await import("../router/offer-description.ts")
  return { verb: words, summary, positional, examples, input: schemaOf(await options(), "input") }
}

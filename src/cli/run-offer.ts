/**
 * Runs one offer and shows what comes.
 *
 * @module
 */
import type { Progress } from "../router/offer.ts"
import type { OfferDescription } from "../router/offer-description.ts"
import type { Client } from "./client.ts"
import { fillInput } from "./fill.ts"
import { writeDocument } from "./print.ts"
import { printableJson } from "./printable.ts"
import { openReporter, type Reporter } from "./progress.ts"
import type { Terminal } from "./terminal.ts"
import type { Typed } from "./yargs.ts"

/** What it takes. */
export interface OfferRunOptions {
  readonly offer: OfferDescription
  readonly typed: Typed
  readonly client: Client
  readonly terminal: Terminal
  readonly cwd: string
  readonly signal: AbortSignal
  readonly json: boolean
  readonly quiet: boolean
}

/** @returns Exit code. */
export async function runOffer(options: OfferRunOptions): Promise<number> {
  const { offer, client, typed } = options
  const input = await fillInput(offer, typed, options)
  const reporter = openProgress(options)
  try {
    for await (const { event, data } of client.run(offer.verb, input)) {
      const document: unknown = JSON.parse(data)
      if (event === "progress") reporter.tell(document as Progress)
      else reporter.clear()
      if (event === (offer.stream ? "item" : "done")) await show(document, options)
    }
    return 0
  } finally {
    reporter.clear()
  }
}

async function show(document: unknown, { offer, terminal, json }: OfferRunOptions): Promise<void> {
  const bold = (text: string) => terminal.paint("bold", text)
  const lines = json ? [printableJson(document)] : writeDocument(document, offer.display, bold)
  if (lines.length > 0) await terminal.print(lines.join("\n"))
}

function openProgress({ terminal, quiet }: OfferRunOptions): Reporter {
  if (quiet) return { tell: () => {}, clear: () => {} }
  const columns = terminal.error.isTTY === true ? terminal.error.columns || 80 : undefined
  const write = (text: string) => void terminal.error.write(text)
  return openReporter({ write, columns, nowMs: () => performance.now() })
}

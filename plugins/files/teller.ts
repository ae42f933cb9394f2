/**
 * Tells a contact what they must know of our transfers with them, until they say that they have noted it.
 *
 * @module
 */
import { Alarm, type Channel, type KeepTryingOptions, keepTrying } from "allium/plugin"
import type { TransferBook } from "./book.ts"
import { Line } from "./line.ts"
import { idBytes, type Transfer } from "./transfer.ts"
import { type Question, REASONS } from "./wire.ts"

/** What a teller needs of the rest. */
export interface TellerOptions extends Omit<KeepTryingOptions, "alarm"> {
  readonly book: TransferBook
  /** The transfers with the contact of this teller. */
  readonly transfers: () => Transfer[]
  /** Code of why this contact can never be told anything any more. */
  readonly hopeless: () => string | undefined
  readonly open: (call: { signal: AbortSignal }) => Promise<Channel>
}

/** One contact's; see the module. */
export class Teller {
  readonly #options: TellerOptions
  readonly #alarm = new Alarm()
  #running = false

  constructor(options: TellerOptions) {
    this.#options = options
  }

  /** There is something to tell, or the contact can be reached now. */
  wake(): void {
    this.#alarm.ring()
    if (!this.#running) void this.#run()
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#news().length > 0 && !this.#options.signal.aborted)
      await keepTrying(() => this.#attempt(), { ...this.#options, alarm: this.#alarm })
    this.#running = false
  }

  #news(): Transfer[] {
    return this.#options.transfers().filter(({ tell }) => tell !== undefined)
  }

  async #attempt(): Promise<"done" | "again"> {
    const { hopeless, open, clock, signal } = this.#options
    if (this.#news().length === 0) return "done"
    const reason = hopeless()
    if (reason !== undefined) return this.#giveUp(reason)
    await using line = new Line(await open({ signal }), { clock, signal })
    for (const transfer of this.#news()) await this.#tell(line, transfer)
    line.end()
    return this.#news().length === 0 ? "done" : "again"
  }

  async #tell(line: Line, transfer: Transfer): Promise<void> {
    await line.ask(toQuestion(transfer))
    const answer = await line.answer()
    if (answer.kind !== "noted") return // they are busy: later
    await this.#options.book.change(transfer.id, ({ tell, stage }) => {
      if (tell !== transfer.tell) return undefined // there is something newer to tell
      return { tell: undefined, stage: stage === "waiting" ? "offered" : stage }
    })
  }

  async #giveUp(reason: string): Promise<"done"> {
    for (const { id } of this.#news())
      await this.#options.book.change(id, ({ stage }) =>
        stage === "waiting" ? { stage: "failed", reason, tell: undefined } : { tell: undefined },
      )
    return "done"
  }
}

function toQuestion(transfer: Transfer): Question {
  const id = idBytes(transfer)
  const { tell, name, size, sha256, root } = transfer
  if (tell === "offer" && sha256 && root) return { kind: "offer", id, name, size, sha256, root }
  if (tell === "complete") return { kind: "complete", id }
  const reason = REASONS.find((known) => known === transfer.reason) ?? "CANCELLED"
  return { kind: tell === "withdraw" ? "withdraw" : "decline", id, reason }
}

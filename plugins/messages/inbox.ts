/**
 * What came by mail, from the receipt until it is in its conversation.
 *
 * A letter is in its conversation with the commit of its receipt, if nobody else writes there. It waits for nobody: who
 * writes may wait for the mail. Otherwise it is appended to one journal in that commit, as every report is: nothing is
 * decided yet, so nothing can contradict what people do meanwhile. Then it is applied to its conversation, and leaves the
 * journal in the same commit. What a crash left here is applied at the next start, before anything new.
 *
 * @module
 */
import {
  type ArrivedLetter,
  type Journal,
  type LetterReport,
  type PluginContext,
  type Reception,
  z,
} from "allium/plugin"
import { applyRecord } from "./apply.ts"
import { applyReport, letterStateShape, parseLetterName } from "./report.ts"
import type { Task, TaskLines } from "./task-lines.ts"
import { type MessageRecord, readRecord, unpackRecord } from "./wire.ts"

/** Bytes of one value of the journal; a long letter takes several. */
const PIECE_BYTES = 524_288

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
const itemShape = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("letter"),
    identity: z.string(),
    contact: z.string(),
    own: z.boolean(),
    content: bytes,
    /** How many values after this one hold the rest. */
    more: z.int(),
  }),
  z.object({ kind: z.literal("more"), content: bytes }),
  z.object({
    kind: z.literal("report"),
    identity: z.string(),
    contact: z.string(),
    name: z.string(),
    state: letterStateShape,
  }),
])
type Item = z.output<typeof itemShape>

/** Whose letter it is; `own`: another device of ours wrote it. */
interface From {
  readonly identity: string
  readonly contact: string
  readonly own: boolean
}

/** Takes letters of one kind in place of the conversations with contacts: groups do. */
export type Extension = (letter: ArrivedLetter, value: unknown) => Promise<Reception>

/** See the module. */
export class Inbox {
  readonly #context: PluginContext
  readonly #journal: Journal<Item>
  readonly #extensions = new Map<string, Extension>()
  #reports: ((report: LetterReport) => Promise<Reception> | undefined) | undefined
  readonly #lines: TaskLines

  constructor(context: PluginContext, lines: TaskLines) {
    this.#context = context
    this.#lines = lines
    this.#journal = context.store.journal("inbox", itemShape)
  }

  /** Hands letters whose records have this `kind` to somebody else. */
  extend(kind: string, extension: Extension): void {
    this.#extensions.set(kind, extension)
  }

  /** Offers every report to somebody else first; they say `undefined` for what is not theirs. */
  extendReports(reports: (report: LetterReport) => Promise<Reception> | undefined): void {
    this.#reports = reports
  }

  /** What a crash left is applied first; then letters are taken. */
  async open(): Promise<void> {
    const left: Task[] = []
    for await (const task of this.#left()) left.push(task)
    for (const task of left) this.#lines.add(task)
    this.#context.mail.receive((letter) => this.#receive(letter))
    this.#context.mail.onReport((report) => this.#report(report))
  }

  /** @throws {AlliumError} `BAD_RECORD`. */
  async #receive(letter: ArrivedLetter): Promise<Reception> {
    const value = unpackRecord(letter.content)
    const extension = this.#extensions.get(String((value as { kind?: unknown } | null)?.kind))
    if (extension !== undefined) return extension(letter, value)
    const record = readRecord(value)
    const parties = { identity: letter.identity.key, contact: letter.contact.key }
    if (record.kind === "typing") return this.#typing(letter)
    const from = { ...parties, own: letter.from === "own device" }
    const joined = await this.#lines.join(parties, this.#letterDeed(from, record))
    if (joined !== undefined) return joined
    const changes = this.#appendLetter(from, letter.content)
    const task = this.#letterTask(from, record, changes)
    return { changes, done: () => this.#lines.add(task) }
  }

  #typing({ identity, contact, from }: ArrivedLetter): Reception {
    const tell = () =>
      this.#context.emit("typing", { identity: identity.name, contact: contact.name })
    return { changes: [], ...(from === "contact" && { done: tell }) }
  }

  async #report(report: LetterReport): Promise<Reception> {
    const theirs = this.#reports?.(report)
    if (theirs !== undefined) return theirs
    const { identity, contact, name, state } = report
    if (parseLetterName(name) === undefined) return { changes: [] }
    const parties = { identity: identity.key, contact: contact.key }
    const append = this.#journal.append({ kind: "report", ...parties, name, state })
    const task = this.#reportTask(parties, { name, state }, append.sequence)
    return { changes: [append], done: () => this.#lines.add(task) }
  }

  #appendLetter({ identity, contact, own }: From, content: Uint8Array) {
    const pieces: Uint8Array[] = []
    for (let start = 0; start === 0 || start < content.length; start += PIECE_BYTES)
      pieces.push(content.slice(start, start + PIECE_BYTES))
    const [first = new Uint8Array(), ...rest] = pieces
    return [
      this.#journal.append({
        kind: "letter",
        identity,
        contact,
        own,
        content: first,
        more: rest.length,
      }),
      ...rest.map((piece) => this.#journal.append({ kind: "more", content: piece })),
    ]
  }

  #letterDeed({ own, identity, contact }: From, record: MessageRecord): Task["deed"] {
    const by = own ? identity : contact
    return (pen) => applyRecord(pen, record, { by, now: this.#now() })
  }

  #letterTask(from: From, record: MessageRecord, places: readonly { sequence: number }[]): Task {
    const { identity, contact } = from
    const deed = this.#letterDeed(from, record)
    const done = places.map(({ sequence }) => this.#journal.remove(sequence))
    return { identity, contact, deed, done }
  }

  #reportTask(
    parties: { identity: string; contact: string },
    report: Pick<LetterReport, "name" | "state">,
    sequence: number,
  ): Task {
    return {
      ...parties,
      deed: (pen) => applyReport(pen, report, this.#now()),
      done: [this.#journal.remove(sequence)],
    }
  }

  /** What is in the journal, in order of coming. */
  async *#left(): AsyncGenerator<Task> {
    let letter: (Item & { kind: "letter" }) | undefined
    let places: { sequence: number }[] = []
    let pieces: Uint8Array[] = []
    for await (const [sequence, item] of this.#journal.read()) {
      if (item.kind === "report") {
        yield this.#reportTask(item, item, sequence)
        continue
      }
      if (item.kind === "letter") [letter, places, pieces] = [item, [], []]
      places.push({ sequence })
      pieces.push(item.content)
      if (letter === undefined || pieces.length <= letter.more) continue
      yield this.#leftLetter(letter, new Uint8Array(Buffer.concat(pieces)), places)
      letter = undefined
    }
  }

  /** What only a newer version could read leaves the journal without a deed. */
  #leftLetter(from: From, content: Uint8Array, places: readonly { sequence: number }[]): Task {
    try {
      return this.#letterTask(from, readRecord(unpackRecord(content)), places)
    } catch (error) {
      this.#lines.damaged(error)
      const done = places.map(({ sequence }) => this.#journal.remove(sequence))
      return { ...from, deed: async () => {}, done }
    }
  }

  #now(): number {
    return Math.floor(this.#context.clock.now())
  }
}

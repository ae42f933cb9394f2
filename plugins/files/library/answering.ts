/**
 * Answers contacts who look into our library: what they may see, a page at a time, signed.
 *
 * @module
 */
import {
  type Contact,
  type Identity,
  type PeerChannel,
  type PluginContext,
  readRecords,
  toAlliumError,
  writeRecord,
} from "allium/plugin"
import { RequestRate } from "../world/request-rate.ts"
import { foldWord, type Item, pageOf } from "./catalogue.ts"
import type { Shelf } from "./shelf.ts"
import {
  LIBRARY_PROTOCOL,
  LIBRARY_RECORD_BYTES_MAX,
  type Question,
  type Refusal,
  readQuestion,
  type Says,
  signAnswer,
} from "./wire.ts"

/** Channels of one contact that are answered at once; beyond, new ones are reset. */
const CHANNELS_MAX = 4
/** A channel lasts no longer; who looks on opens another. */
const CHANNEL_MS = 120_000
/** Questions of one contact, and of all: beyond, they hear `BUSY`. */
const RATE = { each: { burst: 60, perSecond: 2 }, all: { burst: 300, perSecond: 20 } }

/** Who is at both ends. */
export interface Ends {
  readonly identity: Identity
  readonly contact: Contact
}

/** What answering stands on. */
export interface AnsweringOptions {
  readonly context: PluginContext
  readonly shelf: Shelf
  /** Offers it to them, and says how much it is. @throws {AlliumError} `FILE_LIMIT` when they have asked for too much, and what the disk says. */
  readonly give: (
    to: Ends,
    what: { readonly path: string; readonly transfer: string },
    call: { signal: AbortSignal },
  ) => Promise<{ readonly size: number; readonly fileCount: number }>
}

/** See the module. */
export class Answering {
  readonly #o: AnsweringOptions
  readonly #rate: RequestRate
  readonly #open = new Map<string, number>()

  /** Answers from now on. */
  constructor(options: AnsweringOptions) {
    this.#o = options
    this.#rate = new RequestRate(options.context.clock, RATE)
    options.context.serve(LIBRARY_PROTOCOL, (peer) => this.#serve(peer))
  }

  async #serve(peer: PeerChannel): Promise<void> {
    const { channel } = peer
    channel.on("error", () => {}) // told to the reader, too
    const name = nameOf(peer)
    const open = this.#open.get(name) ?? 0
    if (open >= CHANNELS_MAX) return void channel.destroy()
    this.#open.set(name, open + 1)
    const signal = AbortSignal.any([this.#o.context.signal, AbortSignal.timeout(CHANNEL_MS)])
    const end = () => channel.destroy()
    signal.addEventListener("abort", end)
    try {
      await this.#answerAll(peer, signal)
    } catch (error) {
      this.#o.context.log.debug("library.lost", { code: toAlliumError(error).code })
      channel.destroy()
    } finally {
      signal.removeEventListener("abort", end)
      const left = this.#open.get(name)! - 1
      if (left > 0) this.#open.set(name, left)
      else this.#open.delete(name)
    }
  }

  async #answerAll(peer: PeerChannel, signal: AbortSignal): Promise<void> {
    const { channel, identity, contact } = peer
    const to = Buffer.from(contact.presentKey ?? contact.key, "base64url")
    for await (const values of readRecords(channel, { bytesMax: LIBRARY_RECORD_BYTES_MAX }))
      for (const value of values) {
        const question = readQuestion(value)
        const says = await this.#answer(peer, question, signal)
        const { present } = identity
        const now = this.#o.context.clock.now()
        await writeRecord(channel, signAnswer(says, value as Uint8Array, to, present, now))
      }
    channel.end()
  }

  async #answer(peer: PeerChannel, question: Question, signal: AbortSignal): Promise<Says> {
    if (!this.#rate.take(nameOf(peer))) return refused("BUSY")
    const items = await this.#look(peer, question, signal)
    if (items === undefined) return refused("NOT_FOUND")
    if (question.kind === "ask") return this.#ask(peer, question, items[0]!, signal)
    return { kind: "list", ...pageOf(items, question.after) }
  }

  /** What the question is about, as far as they may see it; `undefined` when there is no such thing, or not for them. */
  async #look(
    { identity, contact }: Ends,
    question: Question,
    signal: AbortSignal,
  ): Promise<readonly Item[] | undefined> {
    const shown = await this.#o.shelf.shownTo(identity, contact, { signal })
    if (question.kind === "search") {
      const words = question.words.map(foldWord)
      return shown.flatMap(({ catalogue }) => catalogue.search(words))
    }
    const { path } = question
    if (path === undefined)
      return shown.flatMap(({ entry, catalogue }) => catalogue.find(entry.name) ?? [])
    const [top] = path.split("/")
    const catalogue = shown.find(({ entry }) => entry.name === top)?.catalogue
    const found = catalogue?.find(path)
    if (catalogue === undefined || found === undefined) return undefined
    return question.kind === "browse" && found.isFolder ? catalogue.within(path) : [found]
  }

  async #ask(
    ends: Ends,
    { transfer }: Extract<Question, { kind: "ask" }>,
    { real }: Item,
    signal: AbortSignal,
  ): Promise<Says> {
    const what = { path: real, transfer: Buffer.from(transfer).toString("hex") }
    try {
      const { size, fileCount } = await this.#o.give(ends, what, { signal })
      return { kind: "offered", size, fileCount }
    } catch (error) {
      signal.throwIfAborted()
      return refused(refusalFor(toAlliumError(error).code))
    }
  }
}

function refused(code: Refusal): Says {
  return { kind: "refused", code }
}

function refusalFor(code: string): Refusal {
  if (code === "FILE_LIMIT") return "BUSY"
  return code === "TOO_LARGE" ? "TOO_LARGE" : "FILE_GONE"
}

function nameOf({ identity, contact }: Ends): string {
  return `${identity.key}/${contact.key}`
}

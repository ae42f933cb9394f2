/**
 * Looks into a contact's library: asks over a channel of its own, and believes only what they signed.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import {
  AlliumError,
  type Channel,
  type Identity,
  type PluginContext,
  readRecords,
  writeRecord,
} from "allium/plugin"
import type { Ends } from "./answering.ts"
import type { Evidence } from "./evidence.ts"
import {
  LIBRARY_PROTOCOL,
  LIBRARY_RECORD_BYTES_MAX,
  type Listed,
  type PlainQuestion,
  readAnswer,
  type Says,
  writeQuestion,
} from "./wire.ts"

/** Reaching the contact, and all their answers. */
const ASK_MS = 90_000
const NONCE_BYTES = 16

/** One conversation with a library; closing it ends the channel. */
export class Asking {
  readonly #ends: Ends
  readonly #channel: Channel
  readonly #answers: AsyncGenerator<unknown>
  /** Of every answer so far. */
  readonly evidence: Evidence[] = []

  private constructor(ends: Ends, channel: Channel) {
    this.#ends = ends
    this.#channel = channel
    this.#answers = answersOf(channel)
  }

  /**
   * Opens it for as long as `use` takes.
   *
   * @throws {AlliumError} `CONTACT_STATE`; `PEER_UNREACHABLE` and whatever else a link may say; `TIMED_OUT`.
   */
  static async with<T>(
    context: PluginContext,
    ends: Ends,
    call: { signal: AbortSignal },
    use: (asking: Asking) => Promise<T>,
  ): Promise<T> {
    requireAccepted(ends)
    const limit = AbortSignal.timeout(ASK_MS)
    const signal = AbortSignal.any([call.signal, context.signal, limit])
    let channel: Channel | undefined
    const end = () => channel?.destroy()
    signal.addEventListener("abort", end)
    try {
      channel = await context.open(ends, LIBRARY_PROTOCOL, { signal })
      channel.on("error", () => {}) // told to the reader, too
      return await use(new Asking(ends, channel))
    } catch (error) {
      if (limit.aborted) throw new AlliumError("TIMED_OUT", "Cannot ask library: no answer in time")
      throw error
    } finally {
      signal.removeEventListener("abort", end)
      channel?.destroy()
    }
  }

  /** @throws {AlliumError} `BAD_RECORD`; `NOT_FOUND`, `BUSY`, `FILE_GONE`, `TOO_LARGE` as they say. */
  async ask(question: PlainQuestion): Promise<Exclude<Says, { kind: "refused" }>> {
    const { identity, contact } = this.#ends
    const asked = writeQuestion(question, new Uint8Array(randomBytes(NONCE_BYTES)))
    await writeRecord(this.#channel, asked)
    const { value, done } = await this.#answers.next()
    if (done) throw new AlliumError("CHANNEL_RESET", "Cannot ask library: they do not answer")
    const from = Buffer.from(contact.presentKey ?? contact.key, "base64url")
    const { says } = readAnswer(value, asked, from, (key) => isOf(identity, key))
    const { body, signature } = value as Evidence
    this.evidence.push({ from: new Uint8Array(from), question: asked, body, signature })
    if (says.kind !== "refused") return says
    throw new AlliumError(says.code, "Cannot ask library: the contact does not give it")
  }

  /** Page after page, until there are so many. */
  async list(
    question:
      | Omit<Extract<PlainQuestion, { kind: "browse" }>, "after">
      | Omit<Extract<PlainQuestion, { kind: "search" }>, "after">,
    countMax: number,
  ): Promise<Listed[]> {
    const found: Listed[] = []
    for (let after: number | undefined = 0; after !== undefined && found.length < countMax; ) {
      const says = await this.ask({ ...question, after } as PlainQuestion)
      if (says.kind !== "list") throw unexpected()
      found.push(...says.listed)
      if (says.next !== undefined && says.next <= after) throw unexpected()
      after = says.next
    }
    return found.slice(0, countMax)
  }
}

async function* answersOf(channel: Channel): AsyncGenerator<unknown> {
  for await (const values of readRecords(channel, { bytesMax: LIBRARY_RECORD_BYTES_MAX }))
    yield* values
}

function isOf(identity: Identity, key: Uint8Array): boolean {
  const text = Buffer.from(key).toString("base64url")
  return text === identity.present.key || identity.keysOf(text) !== undefined
}

function requireAccepted({ contact: { state } }: Ends): void {
  if (state === "accepted") return
  throw new AlliumError("CONTACT_STATE", `Cannot ask library: contact is ${state}, not accepted`)
}

function unexpected(): AlliumError {
  return new AlliumError("BAD_RECORD", "Cannot read library record: it answers another question")
}

/**
 * A mailbox at the other end of a channel.
 *
 * @see docs/protocol/mailbox.md
 * @module
 */
import { AlliumError } from "../../base/errors.ts"
import { Slots } from "../../base/turns.ts"
import type { Channel } from "../../link/link.ts"
import { Assembly, piecesOf } from "./assembly.ts"
import { ClientLine, type Result } from "./client-line.ts"
import { CreditPool, subscribeOver } from "./client-subscription.ts"
import { badFrame } from "./fields.ts"
import { FrameStream } from "./frame-stream.ts"
import { BLOB_BYTES_MAX, GET_ENVELOPES_MAX } from "./limits.ts"
import {
  type Mailbox,
  type MailCall,
  type PutAnswer,
  type StoredEnvelope,
  TOKEN_BYTES,
} from "./mailbox.ts"
import type { Answer } from "./wire.ts"

/**
 * Speaks `/mailbox/1` as the one who asks. Owns the channel; disposing ends it at once: whoever waits hears
 * `CHANNEL_RESET`. Calls fail as the channel does (`CHANNEL_RESET`, `LINK_LOST`), with `BAD_RECORD` when the mailbox
 * breaks the protocol, and with `BUSY` when more than 4,096 wait.
 */
export function openMailboxClient(channel: Channel): Mailbox & AsyncDisposable {
  return new MailboxClient(new ClientLine(new FrameStream(channel)))
}

class MailboxClient implements Mailbox, AsyncDisposable {
  readonly #line: ClientLine
  readonly #pool = new CreditPool()
  /** One blob at a time each way: a second one would only share the way, and the memory. */
  readonly #uploads = new Slots(1)
  readonly #downloads = new Slots(1)

  constructor(line: ClientLine) {
    this.#line = line
  }

  async make({ kind: queue, token }: Parameters<Mailbox["make"]>[0], call: MailCall) {
    const question = { kind: "make", queue, token: checkedToken(token) } as const
    const { receiveId, sendId, expiresS } = await this.#line.ask(question, call, just("made"))
    return { receiveId, sendId, expiresS }
  }

  put(item: Parameters<Mailbox["put"]>[0], call: MailCall): Promise<PutAnswer> {
    const { sendId, id, envelope, toll } = item
    return this.#line.ask({ kind: "put", sendId, id, envelope, toll }, call, toPutAnswer)
  }

  get(receiveId: Uint8Array, range: { after: number; limit: number }, call: MailCall) {
    const { after, limit } = range
    if (!Number.isInteger(limit) || limit < 1 || limit > GET_ENVELOPES_MAX)
      throw new RangeError(`Cannot get ${limit} envelopes: expected 1 to ${GET_ENVELOPES_MAX}`)
    return this.#line.ask({ kind: "get", receiveId, after, limit }, call, gathering(after, limit))
  }

  subscribe(receiveId: Uint8Array, { after }: { after: number }, call: MailCall) {
    return subscribeOver(this.#line, this.#pool, { receiveId, after }, call)
  }

  async acknowledge(receiveId: Uint8Array, upTo: number, call: MailCall): Promise<void> {
    await this.#line.ask({ kind: "acknowledge", receiveId, upTo }, call, just("done"))
  }

  async remove(receiveId: Uint8Array, call: MailCall): Promise<void> {
    await this.#line.ask({ kind: "remove", receiveId }, call, just("done"))
  }

  async move(receiveId: Uint8Array, sealed: Uint8Array, call: MailCall): Promise<void> {
    await this.#line.ask({ kind: "move", receiveId, sealed }, call, just("done"))
  }

  async setGreeting(receiveId: Uint8Array, greeting: Uint8Array, call: MailCall): Promise<void> {
    await this.#line.ask({ kind: "setGreeting", receiveId, greeting }, call, just("done"))
  }

  greeting(sendId: Uint8Array, call: MailCall): Promise<Uint8Array | undefined> {
    return this.#line.ask({ kind: "greeting", sendId }, call, (answer) => {
      if (answer.kind === "none") return { result: undefined }
      return { result: just("greeting")(answer).result.greeting }
    })
  }

  putBlob(blob: Parameters<Mailbox["putBlob"]>[0], call: MailCall): Promise<void> {
    if (blob.bytes.length > BLOB_BYTES_MAX)
      throw new AlliumError("TOO_LARGE", `Cannot put blob: it has ${blob.bytes.length} bytes`)
    return this.#uploads.take(() => this.#upload(blob, call), call)
  }

  getBlob(id: Uint8Array, call: MailCall): Promise<Uint8Array | undefined> {
    const download = () => this.#line.ask({ kind: "getBlob", id }, call, assembling())
    return this.#downloads.take(download, call)
  }

  async issueTokens(wish: Parameters<Mailbox["issueTokens"]>[0], call: MailCall) {
    const answer = await this.#line.ask({ kind: "issueTokens", ...wish }, call, just("issued"))
    const { epoch, publicKey, proof, evaluated } = answer
    if (evaluated.length !== wish.blinded.length)
      throw badFrame("it signed another number of tokens")
    return { epoch, publicKey, proof, evaluated }
  }

  async tokenKey(call: MailCall) {
    const { epoch, publicKey } = await this.#line.ask({ kind: "tokenKey" }, call, just("tokenKey"))
    return { epoch, publicKey }
  }

  async addTicket(receiveId: Uint8Array, ticketHash: Uint8Array, call: MailCall): Promise<void> {
    await this.#line.ask({ kind: "addTicket", receiveId, ticketHash }, call, just("done"))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#line.close()
  }

  /** The mailbox may answer before it has everything: then the rest stays here. */
  async #upload(blob: Parameters<Mailbox["putBlob"]>[0], call: MailCall): Promise<void> {
    const { id, writeKey, bytes } = blob
    const token = checkedToken(blob.token)
    const question = { kind: "putBlob", id, writeKey, size: bytes.length, token } as const
    let sent: Promise<void> | undefined
    const send = async (tag: number, over: () => boolean) => {
      for (const piece of piecesOf(bytes)) {
        if (over()) return void (await this.#line.send({ kind: "cancel", tag }))
        await this.#line.send({ kind: "chunk", tag, bytes: piece })
      }
    }
    try {
      await this.#line.ask(question, call, just("done"), (tag, over) => (sent = send(tag, over)))
    } finally {
      await sent // the next upload begins behind the last piece of this one
    }
  }
}

type Kind = Answer["kind"]

/** Hears one answer of one kind. */
function just<K extends Kind>(kind: K) {
  return (answer: Answer): Result<Extract<Answer, { kind: K }>> => {
    if (answer.kind !== kind) throw badFrame("it answers another question")
    return { result: answer as Extract<Answer, { kind: K }> }
  }
}

function toPutAnswer(answer: Answer): Result<PutAnswer> {
  if (answer.kind === "moved") return { result: { kind: "gone", moved: answer.sealed } }
  if (answer.kind === "put") return { result: { kind: answer.answer } }
  const { challenge, difficulty } = just("toll")(answer).result
  return { result: { kind: "toll", challenge, difficulty } }
}

/** Hears envelopes, then DONE. */
function gathering(after: number, limit: number) {
  const found: StoredEnvelope[] = []
  return (answer: Answer): Result<StoredEnvelope[]> | undefined => {
    if (answer.kind === "done") return { result: found }
    const { number, envelope } = just("envelope")(answer).result
    if (number <= (found.at(-1)?.number ?? after)) throw badFrame("envelopes come out of order")
    if (found.push({ number, envelope }) > limit) throw badFrame("more came than was asked for")
    return undefined
  }
}

/** Hears the size of a blob, then its pieces. */
function assembling() {
  let assembly: Assembly | undefined
  return (answer: Answer): Result<Uint8Array | undefined> | undefined => {
    if (assembly === undefined && answer.kind === "none") return { result: undefined }
    if (assembly === undefined) assembly = new Assembly(just("blob")(answer).result.size)
    else assembly.add(just("chunk")(answer).result.bytes)
    return assembly.complete ? { result: assembly.take() } : undefined
  }
}

function checkedToken(token: Uint8Array | undefined): Uint8Array | undefined {
  if (token === undefined || token.length === TOKEN_BYTES) return token
  throw new AlliumError("BAD_TOKEN", `Cannot use token: it has ${token.length} bytes`)
}

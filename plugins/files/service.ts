/**
 * The answering side of a `/files/1` channel: takes offers and news of transfers, and gives out pieces of files that were
 * offered to this very contact, to nobody else.
 *
 * @module
 */
import {
  AlliumError,
  type Channel,
  isAlliumError,
  type PeerChannel,
  readRecords,
  writeRecord,
} from "allium/plugin"
import type { TransferBook } from "./book.ts"
import type { Disk } from "./disk/disk.ts"
import { safeName } from "./disk/safe-name.ts"
import { openSource, type Source } from "./source.ts"
import { endedFor, isFinished, type Transfer } from "./transfer.ts"
import {
  type Answer,
  countBlocks,
  DATA_BYTES_MAX,
  QUESTION_BYTES_MAX,
  type Question,
  type Reason,
  readQuestion,
} from "./wire.ts"

/** Offers of one contact that wait for our decision. */
const UNDECIDED_MAX = 100
/** Transfers of one contact that are not finished. */
const UNFINISHED_MAX = 1_000

/** What answering needs of the rest. */
export interface ServiceOptions {
  readonly book: TransferBook
  readonly disk: Disk
  readonly now: () => number
  /** Where to put a file that may be received without asking; `undefined`: ask. */
  readonly welcome: (peer: PeerChannel, size: number) => Promise<string | undefined>
}

type Ask<Kind extends Question["kind"]> = Extract<Question, { kind: Kind }>

/** Answers one channel until its opener ends it. The caller closes the channel. */
export async function answerFiles(peer: PeerChannel, options: ServiceOptions): Promise<void> {
  await using service = new Service(peer, options)
  for await (const values of readRecords(peer.channel, { bytesMax: QUESTION_BYTES_MAX }))
    for (const value of values) await service.answer(readQuestion(value))
}

class Service implements AsyncDisposable {
  readonly #peer: PeerChannel
  readonly #options: ServiceOptions
  readonly #channel: Channel
  readonly #buffer = new Uint8Array(DATA_BYTES_MAX)
  /** The file that was asked for last. */
  #open: { id: string; source: Source } | undefined
  /** What the asker is fetching here. */
  #busy: string | undefined

  constructor(peer: PeerChannel, options: ServiceOptions) {
    this.#peer = peer
    this.#options = options
    this.#channel = peer.channel
  }

  async answer(question: Question): Promise<void> {
    switch (question.kind) {
      case "offer":
        return this.#say(await this.#offer(question))
      case "withdraw":
      case "decline":
        return this.#say(await this.#stop(question))
      case "complete":
        return this.#say(await this.#complete(question))
      case "manifest":
        return this.#manifest(question)
      case "get":
        return this.#get(question)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#busy !== undefined) this.#options.book.turned(this.#busy, { busy: false })
    await this.#open?.source[Symbol.asyncDispose]()
  }

  #say(answer: Answer): Promise<void> {
    return writeRecord(this.#channel, answer)
  }

  async #offer(offer: Ask<"offer">): Promise<Answer> {
    const { book, now, welcome } = this.#options
    const { identity, contact } = this.#peer
    if (this.#find(offer.id, "in")) return { kind: "noted", id: offer.id }
    if (this.#isCrowded()) return { kind: "busy", id: offer.id }
    const folder = await welcome(this.#peer, offer.size)
    await book.receive({
      ...{ id: toHex(offer.id), direction: "in", identity: identity.key, contact: contact.key },
      ...{ contactName: contact.name, name: safeName(offer.name), size: offer.size },
      ...{ sha256: offer.sha256, root: offer.root, blocks: 0, received: 0 },
      ...(folder === undefined ? { stage: "offered" } : { stage: "accepted", folder }),
      createdAt: now(),
    })
    return { kind: "noted", id: offer.id }
  }

  async #stop({ kind, id, reason }: Ask<"withdraw"> | Ask<"decline">): Promise<Answer> {
    const transfer = this.#find(id, kind === "withdraw" ? "in" : "out")
    if (transfer)
      await this.#options.book.change(transfer.id, (now) =>
        isFinished(now) || now.stage === "hashing" ? undefined : endedFor(reason),
      )
    return { kind: "noted", id }
  }

  async #complete({ id }: Ask<"complete">): Promise<Answer> {
    const transfer = this.#find(id, "out")
    if (transfer?.stage === "hashing")
      throw new AlliumError("BAD_RECORD", "Cannot take news of a file that was not offered")
    if (transfer)
      await this.#options.book.change(transfer.id, ({ stage, size }) =>
        stage === "done" ? undefined : { stage: "done", received: size, ...SETTLED },
      )
    return { kind: "noted", id }
  }

  async #manifest({ id, block }: Ask<"manifest">): Promise<void> {
    const transfer = await this.#wanted(id)
    if ("kind" in transfer) return this.#say(transfer)
    if (block >= countBlocks(transfer.size)) throw beyond()
    const hashes = await this.#options.book.manifests.block(transfer.id, block)
    await this.#say({ kind: "manifest", id, block, hashes })
  }

  async #get({ id, offset, byteCount, have }: Ask<"get">): Promise<void> {
    const transfer = await this.#wanted(id)
    if ("kind" in transfer) return this.#say(transfer)
    if (offset + byteCount > transfer.size || have > transfer.size) throw beyond()
    this.#begin(transfer.id)
    try {
      const source = await this.#source(transfer)
      await this.#give(source, id, offset, offset + byteCount)
      this.#options.book.moved(transfer.id, byteCount, have)
    } catch (error) {
      if (!isAlliumError(error, "FILE_CHANGED", "FILE_GONE")) throw error
      const reason = error.code as Reason
      await this.#options.book.change(transfer.id, () => endedFor(reason))
      await this.#say({ kind: "gone", id, reason })
    }
  }

  async #give(source: Source, id: Uint8Array, start: number, end: number): Promise<void> {
    await source.requireUnchanged()
    for (let offset = start; offset < end; offset += DATA_BYTES_MAX) {
      const bytes = this.#buffer.subarray(0, Math.min(DATA_BYTES_MAX, end - offset))
      await source.read(bytes, offset)
      await this.#say({ kind: "data", id, offset, bytes })
    }
  }

  /** Our file with this id, if this contact may have it; they have accepted it, or they would not ask. */
  async #wanted(id: Uint8Array): Promise<Transfer | Extract<Answer, { kind: "gone" }>> {
    const transfer = this.#find(id, "out")
    const gone = (reason: Reason) => ({ kind: "gone", id, reason }) as const
    if (transfer === undefined || transfer.stage === "hashing") return gone("UNKNOWN")
    if (isFinished(transfer)) return gone(whyGone(transfer))
    if (transfer.stage === "accepted") return transfer
    const accepted = { stage: "accepted", ...SETTLED } as const
    const changed = await this.#options.book.change(transfer.id, (now) =>
      isFinished(now) ? undefined : accepted,
    )
    return changed === undefined || isFinished(changed) ? gone("CANCELLED") : changed
  }

  async #source({ id, path, size, modified }: Transfer): Promise<Source> {
    if (this.#open?.id === id) return this.#open.source
    await this.#open?.source[Symbol.asyncDispose]()
    this.#open = undefined
    const source = await openSource(this.#options.disk, path ?? "", { size, modified })
    this.#open = { id, source }
    return source
  }

  #begin(id: string): void {
    if (this.#busy === id) return
    if (this.#busy !== undefined) this.#options.book.turned(this.#busy, { busy: false })
    this.#busy = id
    this.#options.book.turned(id, { busy: true })
  }

  #find(id: Uint8Array, direction: Transfer["direction"]): Transfer | undefined {
    const { identity, contact } = this.#peer
    const parties = { identity: identity.key, contact: contact.key }
    const found = this.#options.book.between(parties, toHex(id))
    if (found === undefined || found.direction === direction) return found
    if (direction === "out") return undefined // indistinguishable from one that never was
    throw new AlliumError("BAD_RECORD", "Cannot take offer: its id is in use")
  }

  #isCrowded(): boolean {
    const { identity, contact } = this.#peer
    const theirs = this.#options.book
      .list()
      .filter((one) => one.identity === identity.key && one.contact === contact.key)
      .filter((one) => one.direction === "in" && !isFinished(one))
    const undecided = theirs.filter(({ stage }) => stage === "offered")
    return theirs.length >= UNFINISHED_MAX || undecided.length >= UNDECIDED_MAX
  }
}

/** Nothing is left to be told. */
const SETTLED = { tell: undefined, reason: undefined }

function whyGone({ stage, reason }: Transfer): Reason {
  if (stage === "cancelled") return "CANCELLED"
  return reason === "FILE_CHANGED" || reason === "FILE_GONE" ? reason : "UNKNOWN"
}

function beyond(): AlliumError {
  return new AlliumError("BAD_RECORD", "Cannot give data: asked for more than there is")
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex")
}

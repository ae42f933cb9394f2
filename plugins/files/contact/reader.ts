/**
 * Reads letters about files, and what became of ours.
 *
 * Everything here may come twice, and is committed before the receipt: the second time changes nothing.
 *
 * @module
 */
import type { ArrivedLetter, Change, Contact, Identity, LetterReport } from "allium/plugin"
import { safeName } from "allium/plugin"
import type { TransferBook } from "./book.ts"
import { type FileLetter, type OfferLetter, readLetter } from "./letters.ts"
import type { Post } from "./post.ts"
import { endedFor, isFinished, type Transfer } from "./transfer.ts"

/** Offers of one contact that wait for a decision; beyond, they are declined. */
const UNDECIDED_MAX = 100
/** Transfers of one contact that are not finished; beyond, they are declined. */
const INCOMING_MAX = 1_000
const NOTHING = { changes: [] }

/** Why and where an offer is accepted without asking. */
export interface Welcome {
  /** Real path of the folder for it. */
  readonly folder: string
  /** Committed together with the acceptance. */
  readonly also?: readonly Change[]
  /** Called when it was accepted, and is on disk; or when it was not. */
  readonly kept?: () => void
  readonly lost?: () => void
}

/** What a reader needs of the rest. */
export interface ReaderOptions {
  readonly book: TransferBook
  readonly post: Post
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** `undefined` to ask. */
  readonly welcome: (
    from: { readonly identity: Identity; readonly contact: Contact },
    offer: { readonly id: string; readonly size: number },
  ) => Promise<Welcome | undefined>
}

/** See the module. */
export class Reader {
  readonly #o: ReaderOptions

  constructor(options: ReaderOptions) {
    this.#o = options
  }

  /** @throws {AlliumError} `BAD_RECORD`. */
  async read(arrived: ArrivedLetter): Promise<typeof NOTHING> {
    const letter = readLetter(arrived.content)
    // What another device of ours sent is its own business.
    if (arrived.from !== "contact") return NOTHING
    if (letter.kind === "offer") await this.#offered(arrived, letter)
    else await this.#told(arrived, letter)
    return NOTHING
  }

  /** Whether they know of an offer. */
  async report({ name, state }: LetterReport): Promise<typeof NOTHING> {
    const [word, id = ""] = name.split("/")
    if (word !== "offer") return NOTHING
    if (state.kind === "stored") this.#o.book.turned(id, { waitsFor: "OFFER_AT_TOWER" })
    await this.#o.book.change(id, ({ stage }) => {
      if (stage !== "waiting") return undefined
      if (state.kind === "delivered") return { stage: "offered" }
      return state.kind === "failed" ? { stage: "failed", reason: state.reason } : undefined
    })
    return NOTHING
  }

  async #offered(arrived: ArrivedLetter, letter: OfferLetter): Promise<void> {
    const { book, post, welcome } = this.#o
    const { identity, contact } = arrived
    const parties = { identity: identity.key, contact: contact.key }
    const id = Buffer.from(letter.id).toString("hex")
    if (book.between(parties, id) !== undefined) return
    const transfer = this.#transferOf(arrived, letter, id)
    if (this.#isCrowded(parties)) {
      const declined: Transfer = { ...transfer, stage: "cancelled", reason: "REFUSED" }
      return book.receive(declined, post.with(parties, "decline"))
    }
    const found = await welcome({ identity, contact }, { id, size: letter.size })
    if (found === undefined) return book.receive(transfer)
    const { folder, also, kept, lost } = found
    const accepted: Transfer = { ...transfer, stage: "accepted", folder }
    await book.receive(accepted, post.with(parties, "accept", also)).catch((error: unknown) => {
      lost?.()
      throw error
    })
    kept?.()
  }

  #transferOf({ identity, contact }: ArrivedLetter, letter: OfferLetter, id: string): Transfer {
    const { isFolder, size, fileCount, infohash, info, sha256, key, note, group } = letter
    return {
      ...{ id, direction: "in", identity: identity.key, contact: contact.key },
      ...{ contactName: contact.name, name: safeName(letter.name), isFolder, size, fileCount },
      files: letter.files.map((file) => ({ ...file, path: safePath(file.path) })),
      ...{ stage: "offered", isPaused: false, createdAt: this.#o.now() },
      ...{ key, infohash, info, sha256 },
      ...(note !== undefined && { note: safeText(note) }),
      ...(group !== undefined && { group: toGroup(group) }),
    }
  }

  #isCrowded(parties: Pick<Transfer, "identity" | "contact">): boolean {
    const theirs = this.#o.book
      .list()
      .filter((one) => one.identity === parties.identity && one.contact === parties.contact)
      .filter((one) => one.direction === "in" && !isFinished(one))
    const undecided = theirs.filter(({ stage }) => stage === "offered")
    return theirs.length >= INCOMING_MAX || undecided.length >= UNDECIDED_MAX
  }

  async #told(arrived: ArrivedLetter, letter: Exclude<FileLetter, OfferLetter>): Promise<void> {
    const { book, post } = this.#o
    const parties = { identity: arrived.identity.key, contact: arrived.contact.key }
    const transfer = book.between(parties, Buffer.from(letter.id).toString("hex"))
    // Only a receiver is told that something is withdrawn or lies at a tower; everything else is for the sender.
    const isForReceiver = letter.kind === "withdraw" || letter.kind === "stored"
    const direction = isForReceiver ? "in" : "out"
    // They ask for what is forgotten here.
    if (transfer === undefined && letter.kind === "accept")
      return post.forgotten(parties, letter.id)
    if (transfer?.direction !== direction) return
    await book.change(transfer.id, (now) => this.#changed(now, letter))
  }

  #changed(now: Transfer, letter: Exclude<FileLetter, OfferLetter>): Partial<Transfer> | undefined {
    // They had it, and lost some of it.
    if (now.stage === "done" && letter.kind === "accept") return { stage: "accepted" }
    if (isFinished(now)) return undefined
    if (letter.kind === "done") return { stage: "done" }
    if (letter.kind === "stored") {
      const { key, address, salt } = letter
      return { tower: { key, address, salt, isStored: true } }
    }
    if (letter.kind === "accept")
      return now.stage === "waiting" || now.stage === "offered" ? { stage: "accepted" } : undefined
    return { ...endedFor(letter.reason), ...(now.direction === "in" && { isUntidy: true }) }
  }
}

function toGroup({ id, fellows }: NonNullable<OfferLetter["group"]>): Transfer["group"] {
  const keys = fellows.map((key) => Buffer.from(key).toString("base64url"))
  return { id: Buffer.from(id).toString("hex"), fellows: keys }
}

function safePath(path: string): string {
  return path.split("/").map(safeName).join("/")
}

/** Nothing in it can move the cursor, or turn the line around. */
function safeText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, " ")
}

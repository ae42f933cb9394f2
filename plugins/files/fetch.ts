/**
 * One sitting of fetching a file: over one channel, until it is whole, or gone, or the channel breaks.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto"
import { AlliumError, type Clock } from "allium/plugin"
import type { TransferBook } from "./book.ts"
import type { Disk } from "./disk/disk.ts"
import { Ledger } from "./ledger.ts"
import type { Line } from "./line.ts"
import { blockBytes } from "./manifest.ts"
import { equal, type HashOf, openPartFile, type PartFile, partPath } from "./part-file.ts"
import { idBytes, type Transfer } from "./transfer.ts"
import { type Answer, countBlocks, type Reason } from "./wire.ts"

/** Bytes after which progress is made sure: at most so much is sent again after a crash. */
const SYNC_BYTES = 4 * 1_048_576
/** Time after which progress is made sure, where bytes come slowly. */
const SYNC_MS = 5_000

/** What fetching needs of the rest. */
export interface FetchOptions {
  readonly book: TransferBook
  readonly disk: Disk
  readonly clock: Clock
  /** Told whenever bytes were made sure. */
  readonly progressed: () => void
}

/** A transfer that was accepted. */
export type Accepted = Transfer & { folder: string }

/**
 * Fetches what is missing. Whatever happens, what came is on disk and counted when this ends.
 *
 * @returns `whole`, or why there is nothing more to be had.
 * @throws {AlliumError} `FILE_CORRUPT`: it cannot be had right. `DISK_FULL`, `STORE_FULL`, `BAD_RECORD`,
 * `TIMED_OUT`, or why the channel broke: later.
 */
export async function fetchFile(
  line: Line,
  transfer: Accepted,
  options: FetchOptions,
): Promise<"whole" | Reason> {
  const { book, disk } = options
  const reason = await fetchManifest(line, transfer, book)
  if (reason !== undefined) return reason
  const path = partPath(transfer.folder, transfer.id)
  await using part = await openPartFile(disk, path, transfer.size)
  const sitting = new Sitting(line, transfer, part, options)
  await sitting.begin()
  try {
    return await sitting.run()
  } finally {
    await sitting.keep()
  }
}

async function fetchManifest(
  line: Line,
  transfer: Transfer,
  book: TransferBook,
): Promise<Reason | undefined> {
  const { id, size, root, blocks } = transfer
  for (let block = blocks; block < countBlocks(size); block++) {
    await line.ask({ kind: "manifest", id: idBytes(transfer), block })
    const answer = await line.answer()
    if (answer.kind === "gone") return answer.reason
    if (answer.kind !== "manifest" || answer.block !== block) throw notAsked()
    if (answer.hashes.length !== blockBytes(size, block)) throw notAsked()
    await book.keepBlock(id, block, answer.hashes, { blocks: block + 1 })
  }
  if (equal(await book.manifests.root(id, size), root ?? new Uint8Array())) return undefined
  throw new AlliumError(
    "FILE_CORRUPT",
    "Cannot receive file: its chunk hashes are not those offered",
  )
}

class Sitting {
  readonly #line: Line
  readonly #transfer: Transfer
  readonly #id: Uint8Array
  readonly #part: PartFile
  readonly #options: FetchOptions
  readonly #hashOf: HashOf
  #ledger: Ledger
  /** Of the chunk that is coming. */
  #hash: Hash = createHash("sha256")
  #kept: number
  #keptAtMs: number
  #unkeptBytes = 0

  constructor(line: Line, transfer: Transfer, part: PartFile, options: FetchOptions) {
    this.#line = line
    this.#transfer = transfer
    this.#id = idBytes(transfer)
    this.#part = part
    this.#options = options
    this.#hashOf = options.book.manifests.lookup(transfer.id)
    this.#ledger = new Ledger(transfer.size)
    this.#kept = transfer.received
    this.#keptAtMs = options.clock.monotonicMs()
  }

  /** Finds out what is here already. */
  async begin(): Promise<void> {
    const { size, received } = this.#transfer
    const { have, begin, hash } = await this.#part.survey(received, this.#hashOf)
    this.#ledger = new Ledger(size, have, begin)
    this.#hash = hash
  }

  async run(): Promise<"whole" | Reason> {
    for (;;) {
      await this.#ask()
      if (this.#ledger.done) return "whole"
      const answer = await this.#line.answer()
      if (answer.kind === "gone") return answer.reason
      if (answer.kind !== "data" || !equal(answer.id, this.#id)) throw notAsked()
      await this.#take(answer)
    }
  }

  /** What came so far survives a crash once this resolves. */
  async keep(): Promise<void> {
    const { book, clock, progressed } = this.#options
    const received = this.#ledger.contiguous
    await this.#part.sync()
    await book.change(this.#transfer.id, (now) =>
      now.stage === "accepted" && now.received !== received ? { received } : undefined,
    )
    if (received > this.#kept) progressed()
    this.#kept = received
    this.#keptAtMs = clock.monotonicMs()
    this.#unkeptBytes = 0
  }

  async #ask(): Promise<void> {
    for (let range = this.#ledger.ask(); range; range = this.#ledger.ask()) {
      const { offset, end } = range
      const have = this.#kept
      await this.#line.ask({ kind: "get", id: this.#id, offset, byteCount: end - offset, have })
    }
  }

  async #take({ offset, bytes }: Extract<Answer, { kind: "data" }>): Promise<void> {
    this.#ledger.require(offset, bytes.length)
    await this.#part.write(bytes, offset)
    this.#hash.update(bytes)
    const chunk = this.#ledger.came(offset, bytes.length)
    if (chunk !== undefined) await this.#judge(chunk)
    this.#options.book.moved(this.#transfer.id, bytes.length, this.#ledger.contiguous)
    this.#unkeptBytes += bytes.length
    if (this.#unkeptBytes >= SYNC_BYTES || this.#isOld()) await this.keep()
  }

  async #judge(chunk: number): Promise<void> {
    const digest = this.#hash.digest()
    this.#hash = createHash("sha256")
    if (equal(digest, await this.#hashOf(chunk))) this.#ledger.good(chunk)
    else this.#ledger.bad(chunk)
  }

  #isOld(): boolean {
    return this.#options.clock.monotonicMs() - this.#keptAtMs >= SYNC_MS
  }
}

function notAsked(): AlliumError {
  return new AlliumError("BAD_RECORD", "Cannot take answer: it does not fit the question")
}

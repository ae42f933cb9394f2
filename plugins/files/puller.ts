/**
 * Brings in one file that was accepted: fetches, verifies, places it, and goes on after whatever happened.
 *
 * @module
 */
import {
  Alarm,
  AlliumError,
  type Backoff,
  type Channel,
  type Clock,
  isAlliumError,
  keepTrying,
  type Log,
  toAlliumError,
} from "allium/plugin"
import type { TransferBook } from "./book.ts"
import { type Disk, diskCode, look, removeFile, requireSpace } from "./disk/disk.ts"
import { type Accepted, fetchFile } from "./fetch.ts"
import { Line } from "./line.ts"
import { equal, openPartFile, partPath } from "./part-file.ts"
import { placeFile } from "./placing.ts"
import { hashSource, openSource } from "./source.ts"
import { endedFor, isFinished, type Transfer } from "./transfer.ts"
import { CHUNK_BYTES, type Reason } from "./wire.ts"

/** A full disk is looked at again after this: the transfer goes on soon after there is room. */
const DISK_RETRY_MS = 10_000

/** What a puller needs of the rest. */
export interface PullerOptions {
  readonly book: TransferBook
  readonly disk: Disk
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  readonly backoff: Backoff
  /** Code of why nothing can come from this contact any more. */
  readonly hopeless: () => string | undefined
  readonly open: (call: { signal: AbortSignal }) => Promise<Channel>
  /** Runs the work when a place is free: not too many files come in side by side. */
  readonly inPlace: <T>(work: () => Promise<T>, call: { signal: AbortSignal }) => Promise<T>
}

type Outcome = "done" | "again"

/** What comes is not what was offered, time and again; they should know. */
const CORRUPT = { stage: "failed", reason: "FILE_CORRUPT", tell: "decline" } as const

/** One transfer's; see the module. */
export class Puller {
  readonly #id: string
  readonly #options: PullerOptions
  readonly #alarm = new Alarm()
  readonly #stop = new AbortController()
  #diskFull = false

  constructor(id: string, options: PullerOptions) {
    this.#id = id
    this.#options = options
  }

  /** Resolves when the transfer has ended, or the plugin does. */
  async run(): Promise<void> {
    const { signal, clock, backoff } = this.#options
    const stop = () => this.#stop.abort()
    signal.addEventListener("abort", stop)
    await keepTrying(() => this.#attempt(), {
      ...{ clock, signal: this.#stop.signal, alarm: this.#alarm },
      backoff: { ...backoff, next: () => (this.#diskFull ? DISK_RETRY_MS : backoff.next()) },
      failed: (error) => this.#failed(error),
    })
    signal.removeEventListener("abort", stop)
    await this.#cleanUp()
  }

  /** The contact can be reached now. */
  wake(): void {
    this.#alarm.ring()
  }

  /** Lets go at once, for a transfer that was cancelled. */
  stop(): void {
    this.#stop.abort()
  }

  async #attempt(): Promise<Outcome> {
    const transfer = this.#options.book.get(this.#id)
    if (!isAccepted(transfer)) return "done"
    if (transfer.stage === "accepted" && !(await this.#fetch(transfer))) return "done"
    return this.#options.inPlace(() => this.#finish(), this.#stop)
  }

  /** True when nothing is left to be fetched, false when the transfer has ended. */
  async #fetch(transfer: Accepted): Promise<boolean> {
    const { book, disk, clock, hopeless, open, inPlace } = this.#options
    const { signal } = this.#stop
    const reason = hopeless()
    if (reason !== undefined) return this.#end({ stage: "failed", reason })
    await requireSpace(disk, transfer.folder, transfer.size - transfer.received)
    await using line = new Line(await open({ signal }), { clock, signal })
    const found = await inPlace(() => this.#sit(line, transfer), { signal })
    book.turned(this.#id, { busy: false, waitsFor: undefined })
    line.end()
    if (found === "FILE_CORRUPT") return this.#end(CORRUPT)
    if (found !== "whole") return this.#end(endedFor(found))
    await book.change(this.#id, ({ stage, size }) =>
      stage === "accepted" ? { stage: "verifying", received: size } : undefined,
    )
    return true
  }

  async #sit(line: Line, { id }: Accepted): Promise<"whole" | Reason> {
    const { book, backoff } = this.#options
    const transfer = book.get(id)
    if (!isAccepted(transfer)) return "CANCELLED"
    this.#diskFull = false
    book.turned(id, { busy: true, waitsFor: undefined })
    try {
      const progressed = () => backoff.reset()
      return await fetchFile(line, transfer, { ...this.#options, progressed })
    } catch (error) {
      if (isAlliumError(error, "FILE_CORRUPT")) return "FILE_CORRUPT"
      throw error
    }
  }

  async #finish(): Promise<Outcome> {
    const { book, disk } = this.#options
    const transfer = book.get(this.#id)
    if (!isAccepted(transfer)) return "done"
    const part = partPath(transfer.folder, transfer.id)
    if ((await look(disk, part)) === undefined) return this.#finishWithoutPart(transfer)
    const wrong = await this.#verify(transfer, part)
    if (wrong !== undefined) return wrong
    const path = await placeFile(disk, {
      ...{ folder: transfer.folder, part, name: transfer.name, chosen: transfer.path },
      choose: (path) => this.#choose(path),
    })
    return this.#arrived(path)
  }

  async #choose(path: string): Promise<void> {
    const chosen = await this.#options.book.change(this.#id, (now) =>
      now.stage === "verifying" ? { path } : undefined,
    )
    if (chosen?.stage === "verifying") return
    throw new AlliumError("FILE_STATE", "Cannot place file: its transfer has ended")
  }

  /** What to do when the part file is not right; `undefined` when it is. */
  async #verify(transfer: Accepted, path: string): Promise<Outcome | undefined> {
    const { book, disk } = this.#options
    const { id, size, sha256 } = transfer
    await using part = await openPartFile(disk, path, size)
    const hashOf = book.manifests.lookup(id)
    const found = await part.verify(hashOf, (count, done) => book.moved(id, count, done))
    if (found.badChunk !== undefined) return this.#fetchFrom(found.badChunk * CHUNK_BYTES)
    if (!equal(found.sha256, sha256 ?? new Uint8Array())) {
      await this.#end(CORRUPT)
      return "done"
    }
    await part.sync()
    return undefined
  }

  /** The crash came after the file was in its place, or somebody removed the part file. */
  async #finishWithoutPart(transfer: Accepted): Promise<Outcome> {
    const { path } = transfer
    if (path !== undefined && (await this.#isWhole(transfer, path))) return this.#arrived(path)
    return this.#fetchFrom(0)
  }

  async #isWhole({ size, sha256 }: Transfer, path: string): Promise<boolean> {
    const { disk } = this.#options
    const { signal } = this.#stop
    try {
      await using source = await openSource(disk, path)
      if (source.size !== size) return false
      const digest = await hashSource(source, { signal, keep: async () => {}, moved: () => {} })
      return equal(digest.sha256, sha256 ?? new Uint8Array())
    } catch (error) {
      if (isAlliumError(error, "FILE_GONE", "FILE_CHANGED", "BAD_INPUT")) return false
      throw error
    }
  }

  async #fetchFrom(received: number): Promise<Outcome> {
    await this.#options.book.change(this.#id, ({ stage }) =>
      stage === "verifying" ? { stage: "accepted", received, path: undefined } : undefined,
    )
    return "again"
  }

  async #arrived(path: string): Promise<Outcome> {
    await this.#options.book.change(this.#id, () => ({ stage: "done", path, tell: "complete" }))
    return "done"
  }

  /** False: there is nothing to go on with. */
  async #end(end: Partial<Transfer>): Promise<false> {
    await this.#options.book.change(this.#id, (now) => (isFinished(now) ? undefined : end))
    return false
  }

  #failed(error: unknown): void {
    const { book, log } = this.#options
    const code = diskCode(error) ?? toAlliumError(error).code
    this.#diskFull = code === "DISK_FULL" || code === "STORE_FULL"
    const waitsFor = isAlliumError(error) && !this.#diskFull ? undefined : code
    book.turned(this.#id, { busy: false, waitsFor })
    log.debug("pull.again", { code })
  }

  /** Nothing stays of a file that will not come. */
  async #cleanUp(): Promise<void> {
    const { book, disk } = this.#options
    const transfer = book.get(this.#id)
    if (transfer?.folder === undefined || transfer.stage === "done" || !isFinished(transfer)) return
    await removeFile(disk, partPath(transfer.folder, transfer.id))
    await book.change(this.#id, () => ({ folder: undefined }))
  }
}

function isAccepted(transfer: Transfer | undefined): transfer is Accepted {
  if (transfer?.folder === undefined) return false
  return transfer.stage === "accepted" || transfer.stage === "verifying"
}

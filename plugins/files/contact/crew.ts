/**
 * Who works for the transfers: seeds for what we send, a fetcher for each that comes, started and stopped as stages change.
 *
 * @module
 */
import { join } from "node:path"
import { AlliumError, type Change, type PluginContext, Slots, toAlliumError } from "allium/plugin"
import type { DiskRoom } from "../disk/disk-room.ts"
import { openPartFolder } from "../disk/part-folder.ts"
import type { Playable } from "../play/playable.ts"
import type { FileRates } from "../rates.ts"
import type { TransferBook } from "./book.ts"
import { Depositor } from "./depositor.ts"
import { Fetcher, type FetcherOptions } from "./fetcher.ts"
import { TRANSFER_PROTOCOL } from "./line-keys.ts"
import type { Post } from "./post.ts"
import type { ProgressBook } from "./progress-book.ts"
import { openLine, type RandomBytes, type SealedLine } from "./sealed-line.ts"
import { Seeds } from "./seeds.ts"
import type { Sources } from "./sources.ts"
import { idBytes, isFinished, type Transfer } from "./transfer.ts"

/** Transfers that come in side by side, from all contacts; the others wait in line. */
const FETCHERS_MAX = 16

/** What the crew needs of the rest. */
export interface CrewOptions {
  readonly context: PluginContext
  readonly book: TransferBook
  readonly post: Post
  readonly progress: ProgressBook
  readonly sources: Sources
  readonly room: DiskRoom
  /** Limits of everything that travels. */
  readonly rates: Pick<FileRates, "down" | "up">
  readonly random: RandomBytes
  /** Keys of contacts who may have it too. */
  readonly fellows: (transfer: Transfer) => readonly string[]
  /** Lanes of one transfer. */
  readonly lanesMax: number
  /** Most bytes of a transfer that is left at a tower. */
  readonly bytesMax: () => Promise<number>
  /** How long the other side is waited for before a tower is used, or asked; see there. */
  readonly afterMs?: number
}

/** See the module. */
export class Crew {
  readonly #o: CrewOptions
  readonly #seeds: Seeds
  readonly #depositor: Depositor
  readonly #fetchers = new Map<string, { fetcher: Fetcher; over: Promise<void> }>()
  readonly #slots = new Slots(FETCHERS_MAX)
  readonly #tidying = new Set<string>()

  constructor(options: CrewOptions) {
    this.#o = options
    const { clock, log, signal } = options.context
    this.#seeds = new Seeds({ ...options, clock, log, signal, chance: Math.random })
    const { blobs } = options.context
    const tools = { ...options, clock, log, signal, chance: Math.random }
    this.#depositor = new Depositor({ ...tools, blobs })
    options.book.watch((transfer, _, kind) => {
      if (kind === "change") this.care(transfer)
    })
  }

  /** Starts whoever has something to do for this transfer, and stops whoever has nothing to do any more. */
  care(transfer: Transfer): void {
    if (transfer.direction === "in") this.#careForIncoming(transfer)
    else for (const one of [this.#seeds, this.#depositor]) one.care(transfer)
  }

  #careForIncoming(transfer: Transfer): void {
    const { id, stage, isPaused } = transfer
    const isWanted = (stage === "accepted" || stage === "verifying") && !isPaused
    if (isWanted) this.#fetch(id)
    else if (stage !== "done") this.#fetchers.get(id)?.fetcher.stop()
    if (isFinished(transfer) && transfer.isUntidy) void this.#tidy(transfer)
  }

  /** The contact can be reached: everybody who waits for them tries now. */
  wake(identity: string, contact: string): void {
    for (const [id, { fetcher }] of this.#fetchers) {
      const transfer = this.#o.book.get(id)
      if (transfer?.identity !== identity) continue
      const isTheirs = transfer.contact === contact || transfer.group?.fellows.includes(contact)
      if (isTheirs) fetcher.wake()
    }
  }

  /** What is coming in now; `undefined` when nothing of it can be read. */
  playable(id: string): Playable | undefined {
    return this.#fetchers.get(id)?.fetcher.playable
  }

  /** Gives what is asked for on a line of this contact, until it ends. */
  async serve(transfer: Transfer, line: SealedLine, contact: string): Promise<void> {
    const fetching = this.#fetchers.get(transfer.id)
    const isHere = transfer.direction === "out" || transfer.stage === "done"
    if (isHere) await this.#seeds.serve(transfer, line, contact)
    else if (fetching !== undefined) await fetching.fetcher.serve(line, contact)
    else line.destroy()
  }

  /** Resolves when nothing moves any more. */
  async close(): Promise<void> {
    const all = [...this.#fetchers.values()]
    for (const { fetcher } of all) fetcher.stop()
    await Promise.all([this.#seeds.close(), ...all.map(({ over }) => over)])
  }

  #fetch(id: string): void {
    const { context } = this.#o
    if (this.#fetchers.has(id)) return
    const fetcher = new Fetcher(id, this.#fetcherOptions())
    const call = { signal: AbortSignal.any([context.signal, fetcher.signal]) }
    const over = this.#slots
      .take(() => fetcher.run(), call)
      .catch((error: unknown) => {
        if (!call.signal.aborted)
          context.log.error("fetch.lost", { code: toAlliumError(error).code })
      })
      .finally(() => {
        this.#fetchers.delete(id)
        // It may have been paused and resumed, or have ended, meanwhile.
        const now = this.#o.book.get(id)
        if (now !== undefined && !context.signal.aborted) this.care(now)
      })
    this.#fetchers.set(id, { fetcher, over })
  }

  #fetcherOptions(): FetcherOptions {
    const { context, random } = this.#o
    const { clock, log, store } = context
    return {
      ...this.#o,
      ...{ clock, log, chance: Math.random, blobs: context.blobs },
      commit: (changes: readonly Change[]) => store.commit([...changes]),
      hopeless: (transfer) => this.#hopeless(transfer),
      keep: (id, metainfo, paths) => this.#o.sources.keep(id, metainfo, paths),
      placed: async ({ id, infohash }) => (await this.#o.sources.load(id, infohash!))?.paths ?? [],
      open: async (transfer, lane, { signal, to }) => {
        const ends = this.#o.post.endsOf({ ...transfer, contact: to })
        if (ends === undefined) throw new AlliumError("NO_CONTACT", "Cannot reach fellow: unknown")
        const channel = await context.open(ends, TRANSFER_PROTOCOL, { signal, lane })
        const { key } = transfer
        return openLine(channel, { purpose: "pieces", id: idBytes(transfer), key }, random)
      },
    }
  }

  #hopeless(transfer: Transfer): string | undefined {
    const ends = this.#o.post.endsOf(transfer)
    if (ends === undefined) return "NO_CONTACT"
    const { state } = ends.contact
    return state === "refused" || state === "blocked" ? "CONTACT_STATE" : undefined
  }

  /** Removes part files of what has ended, when nobody uses them any more. */
  async #tidy({ id, folder, stage, isMending }: Transfer): Promise<void> {
    const { book, room, context, progress } = this.#o
    if (this.#fetchers.has(id) || this.#tidying.has(id)) return
    this.#tidying.add(id)
    try {
      if (folder !== undefined) await removeParts(room, folder, id)
      // Where it is stays known.
      const isKept = stage === "done" || isMending === true
      await context.store.commit(isKept ? progress.forgetProgress(id) : await progress.forget(id))
      await book.change(id, () => ({ isUntidy: false }))
    } catch (error) {
      context.log.warn("tidy.failed", { code: toAlliumError(error).code })
    } finally {
      this.#tidying.delete(id)
    }
  }
}

async function removeParts(room: DiskRoom, folder: string, id: string): Promise<void> {
  const real = await room.disk.realpath(folder)
  const names = await room.disk.readdir(real)
  const isThere = names.some((name) => join(real, name).includes(id))
  if (isThere) await (await openPartFolder(room.disk, real, id)).remove()
}

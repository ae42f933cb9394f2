/**
 * Folders that are watched: torrent files that appear are fetched, or whatever appears is shared.
 *
 * A thing is taken in when it stayed as it is for a while: what is still being written or copied is let be. What was taken in is
 * remembered, so that what the user cancels does not come back.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { readdir, realpath, stat } from "node:fs/promises"
import { join } from "node:path"
import { AlliumError, type PluginContext, type Table, Turns, toAlliumError, z } from "allium/plugin"
import type { Disk } from "../disk/disk.ts"
import { surveyShare } from "../disk/survey.ts"
import type { WatchDocument } from "./offers.ts"

/** Folders. */
const WATCHES_MAX = 16
/** Between two looks; a thing that is the same in two of them is settled. */
const LOOK_EVERY_MS = 10_000
/** Things in one folder that are looked at; the rest is left alone. */
const ENTRIES_MAX = 2_000

const watchShape = z.object({
  folder: z.string(),
  kind: z.enum(["torrents", "shares"]),
  to: z.string().optional(),
  taken: z.int(),
  reason: z.string().optional(),
})
/** A name in a folder, as it was when it was taken in. */
const takenShape = z.string()

/** What {@linkcode Watches} needs. */
export interface WatchesOptions {
  readonly context: Pick<PluginContext, "store" | "clock" | "signal" | "log">
  readonly disk: Disk
  /** Fetches a torrent file. */
  readonly get: (path: string, to: string | undefined) => Promise<unknown>
  /** Shares a file or folder. */
  readonly share: (path: string) => Promise<unknown>
}

/** See the module. */
export class Watches {
  readonly #options: WatchesOptions
  readonly #table: Table<WatchDocument>
  readonly #taken: Table<string>
  readonly #watches = new Map<string, WatchDocument>()
  /** What each thing looked like in the last look. */
  readonly #looks = new Map<string, string>()
  readonly #turns = new Turns()

  constructor(options: WatchesOptions) {
    this.#options = options
    this.#table = options.context.store.table("watches", watchShape as z.ZodType<WatchDocument>)
    this.#taken = options.context.store.table("watched", takenShape)
  }

  /** Begins to look, until the plugin ends. */
  async open(): Promise<void> {
    for await (const [folder, watch] of this.#table.entries()) this.#watches.set(folder, watch)
    void this.#run()
  }

  list(): WatchDocument[] {
    return [...this.#watches.values()]
  }

  /** @throws {AlliumError} `BAD_INPUT` for what is no folder; `LIMIT_REACHED`. */
  async add(watch: Pick<WatchDocument, "folder" | "kind" | "to">): Promise<WatchDocument> {
    const folder = await requireFolder(watch.folder)
    const to = watch.to === undefined ? undefined : await requireFolder(watch.to)
    if (!this.#watches.has(folder) && this.#watches.size >= WATCHES_MAX)
      throw new AlliumError("LIMIT_REACHED", `Cannot watch folder: ${WATCHES_MAX} are watched`)
    const document: WatchDocument = { folder, kind: watch.kind, taken: 0, ...(to && { to }) }
    await this.#keep(document)
    return document
  }

  /** @throws {AlliumError} `NOT_FOUND`. */
  async remove(path: string): Promise<WatchDocument> {
    const folder = await realpath(path).catch(() => path)
    const watch = this.#watches.get(folder)
    if (watch === undefined)
      throw new AlliumError("NOT_FOUND", "Cannot stop watching: that folder is not watched")
    this.#watches.delete(folder)
    await this.#options.context.store.commit([this.#table.remove(folder)])
    return watch
  }

  /** Looks at all folders once; what settled since the last look is taken in. */
  look(): Promise<void> {
    return this.#turns.take(async () => {
      for (const watch of [...this.#watches.values()]) await this.#lookAt(watch)
    })
  }

  async #run(): Promise<void> {
    const { clock, signal, log } = this.#options.context
    try {
      for (;;) {
        await this.look()
        await clock.sleep(LOOK_EVERY_MS, { signal })
      }
    } catch (error) {
      if (!signal.aborted) log.error("watch.broken", { code: toAlliumError(error).code })
    }
  }

  async #lookAt(watch: WatchDocument): Promise<void> {
    const names = await readdir(watch.folder).catch(() => undefined)
    if (names === undefined) return this.#noteReason(watch, "FILE_GONE")
    const isMeant = (name: string) =>
      !name.startsWith(".") && (watch.kind === "shares" || name.toLowerCase().endsWith(".torrent"))
    for (const name of names.filter(isMeant).slice(0, ENTRIES_MAX)) {
      this.#options.context.signal.throwIfAborted()
      await this.#lookAtOne(watch, name)
    }
  }

  async #lookAtOne(watch: WatchDocument, name: string): Promise<void> {
    const path = join(watch.folder, name)
    const now = await this.#markOf(watch, path)
    const before = this.#looks.get(path)
    if (now === undefined) return void this.#looks.delete(path)
    this.#looks.set(path, now)
    if (before !== now || (await this.#taken.get(keyOf(path))) === now) return
    await this.#takeIn(watch, path, now)
  }

  /** What tells it from what it was: sizes and times. `undefined` for what is no longer there, or cannot be read. */
  async #markOf({ kind }: WatchDocument, path: string): Promise<string | undefined> {
    try {
      if (kind === "torrents") {
        const { size, mtimeMs } = await stat(path)
        return `${size}/${mtimeMs}`
      }
      const { disk, context } = this.#options
      const { files } = await surveyShare(disk, path, context)
      const text = files.map((file) => `${file.names.join("/")}\n${file.size}\n${file.modifiedMs}`)
      return createHash("sha256").update(text.join("\n")).digest("hex")
    } catch {
      return undefined
    }
  }

  async #takeIn(watch: WatchDocument, path: string, mark: string): Promise<void> {
    const { get, share, context } = this.#options
    try {
      await (watch.kind === "torrents" ? get(path, watch.to) : share(path))
      await context.store.commit([this.#taken.put(keyOf(path), mark)])
      const { reason: _, ...now } = this.#watches.get(watch.folder) ?? watch
      if (this.#watches.has(watch.folder)) await this.#keep({ ...now, taken: now.taken + 1 })
    } catch (error) {
      context.signal.throwIfAborted()
      const { code } = toAlliumError(error)
      context.log.info("watch.refused", { code })
      await this.#noteReason(watch, code)
      // It is what it is: only another version of it is looked at again. A limit may be gone later.
      if (code !== "LIMIT_REACHED" && code !== "DISK_FULL")
        await context.store.commit([this.#taken.put(keyOf(path), mark)])
    }
  }

  async #noteReason(watch: WatchDocument, reason: string): Promise<void> {
    const now = this.#watches.get(watch.folder)
    if (now !== undefined && now.reason !== reason) await this.#keep({ ...now, reason })
  }

  async #keep(watch: WatchDocument): Promise<void> {
    this.#watches.set(watch.folder, watch)
    await this.#options.context.store.commit([this.#table.put(watch.folder, watch)])
  }
}

/** Keys of the store have up to 512 bytes. */
function keyOf(path: string): string {
  return createHash("sha256").update(path).digest("hex")
}

async function requireFolder(path: string): Promise<string> {
  const folder = await realpath(path).catch(() => undefined)
  if (folder !== undefined && (await stat(folder)).isDirectory()) return folder
  throw new AlliumError("BAD_INPUT", "Cannot watch folder: it is not a folder that is there")
}

/**
 * Leaves what a contact accepted at a tower of ours, when they do not come for it: they fetch it when we are away.
 *
 * @see docs/protocol/transfer.md#at-a-tower
 * @module
 */
import { type Clock, type Log, openBackoff, type PluginBlobs, toAlliumError } from "allium/plugin"
import type { DiskRoom } from "../disk/disk-room.ts"
import { ShareStore } from "../disk/share-store.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import type { TransferBook } from "./book.ts"
import {
  CHUNK_CONTENT_BYTES,
  CHUNK_HEAD_BYTES,
  CHUNK_SALT_BYTES,
  chunkKeys,
  countChunks,
  sealChunk,
} from "./chunks.ts"
import type { Post } from "./post.ts"
import type { RandomBytes } from "./sealed-line.ts"
import type { Source, Sources } from "./sources.ts"
import { isFinished, sourceId, type Transfer } from "./transfer.ts"

/** They accepted and did not come for so long: they are away. */
const DEPOSIT_AFTER_MS = 60_000
/** A tower that is away or full is tried again. */
const RETRY = { firstMs: 30_000, mostMs: 3_600_000 }

/** What a depositor needs of the rest. */
export interface DepositorOptions {
  readonly book: TransferBook
  readonly sources: Sources
  readonly room: DiskRoom
  readonly post: Post
  readonly blobs: PluginBlobs
  readonly random: RandomBytes
  readonly clock: Clock
  readonly log: Log
  readonly chance: () => number
  readonly signal: AbortSignal
  /** Most bytes of a transfer that is left at a tower. */
  readonly bytesMax: () => Promise<number>
  readonly afterMs?: number
}

/** See the module. */
export class Depositor {
  readonly #o: DepositorOptions
  readonly #running = new Map<string, AbortController>()

  constructor(options: DepositorOptions) {
    this.#o = options
  }

  /** Begins what has to be done for a transfer of ours, and ends what has not. */
  care(transfer: Transfer): void {
    const { id, stage, isPaused, tower } = transfer
    const isMeant = stage === "accepted" && !isPaused && tower?.isStored !== true
    const isToClear = isFinished(transfer) && tower !== undefined
    if (isMeant) this.#start(id, (signal) => this.#deposit(id, signal))
    else if (isToClear) this.#start(`${id} clear`, (signal) => this.#clear(id, signal))
    if (!isMeant) this.#running.get(id)?.abort()
  }

  #start(name: string, deed: (signal: AbortSignal) => Promise<"done" | "again">): void {
    if (this.#running.has(name)) return
    const stop = new AbortController()
    this.#running.set(name, stop)
    this.#keepOn(deed, AbortSignal.any([stop.signal, this.#o.signal]))
      .catch(() => {}) // the signal's reason
      .finally(() => this.#running.delete(name))
  }

  async #keepOn(
    deed: (signal: AbortSignal) => Promise<"done" | "again">,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, chance, log } = this.#o
    const backoff = openBackoff({ ...RETRY, chance })
    while (!signal.aborted) {
      try {
        if ((await deed(signal)) === "done") return
      } catch (error) {
        signal.throwIfAborted()
        log.info("tower.again", { code: toAlliumError(error).code })
      }
      await clock.sleep(backoff.next(), { signal })
    }
  }

  async #deposit(id: string, signal: AbortSignal): Promise<"done" | "again"> {
    const { book, sources, post, blobs, clock, bytesMax, afterMs = DEPOSIT_AFTER_MS } = this.#o
    const { identity } = post.endsOf(book.require(id)) ?? {}
    const [tower] = identity === undefined ? [] : blobs.towers(identity)
    if (identity === undefined || tower === undefined) return "again"
    await clock.sleep(afterMs, { signal })
    const transfer = book.require(id)
    if (transfer.size > (await bytesMax())) return "done"
    // They are at it.
    if (book.activity(id).streams > 0) return "again"
    const source = await sources.load(sourceId(transfer), transfer.infohash!)
    if (source === undefined) return "done"
    const { key, address } = tower
    const salt = transfer.tower?.salt ?? this.#o.random(CHUNK_SALT_BYTES)
    await book.change(id, () => ({ tower: { key, address, salt, isStored: false } }))
    for await (const { number, content } of this.#chunks(source)) {
      const keys = chunkKeys(transfer.key, salt, number)
      const bytes = sealChunk(keys.key, content)
      await blobs.put(identity, tower, { id: keys.id, writeKey: keys.writeKey, bytes }, { signal })
    }
    await book.change(
      id,
      (now) =>
        now.stage === "accepted" && now.tower !== undefined
          ? { tower: { ...now.tower, isStored: true } }
          : undefined,
      post.with(transfer, "stored"),
    )
    return "done"
  }

  async *#chunks({ metainfo, paths }: Source) {
    await using store = new ShareStore({ room: this.#o.room, metainfo, paths })
    const count = countChunks(metainfo.info.length, metainfo.geometry.size)
    for (let number = 0; number < count; number++)
      yield { number, content: await contentOf(store, metainfo, number) }
  }

  /** An empty blob takes no room. */
  async #clear(id: string, signal: AbortSignal): Promise<"done" | "again"> {
    const { book, sources, post, blobs } = this.#o
    const transfer = book.require(id)
    const { tower, key, infohash } = transfer
    const { identity } = post.endsOf(transfer) ?? {}
    const source = infohash && (await sources.load(sourceId(transfer), infohash))
    if (tower !== undefined && identity !== undefined && source !== undefined) {
      const count = countChunks(source.metainfo.info.length, source.metainfo.geometry.size)
      for (let number = 0; number < count; number++) {
        const { id, writeKey } = chunkKeys(key, tower.salt, number)
        const bytes = new Uint8Array()
        await blobs.put(identity, tower, { id, writeKey, bytes }, { signal })
      }
    }
    await book.change(id, () => ({ tower: undefined }))
    return "done"
  }
}

/** What stands in a chunk. */
async function contentOf(store: ShareStore, metainfo: Metainfo, number: number): Promise<Buffer> {
  const { info, geometry } = metainfo
  const head = Buffer.alloc(CHUNK_HEAD_BYTES)
  head.writeUInt32BE(info.length)
  const before = Buffer.concat([head, info])
  const from = number * CHUNK_CONTENT_BYTES
  const to = Math.min(from + CHUNK_CONTENT_BYTES, before.length + geometry.size)
  const content = Buffer.alloc(to - from)
  const copied =
    from < before.length ? before.copy(content, 0, from, Math.min(to, before.length)) : 0
  for (let at = copied; at < content.length; ) {
    const offset = from + at - before.length
    const piece = Math.floor(offset / geometry.pieceBytes)
    const begin = offset - piece * geometry.pieceBytes
    const length = Math.min(geometry.lengthOf(piece) - begin, content.length - at)
    await store.read({ piece, begin, length }, content.subarray(at, at + length))
    at += length
  }
  return content
}

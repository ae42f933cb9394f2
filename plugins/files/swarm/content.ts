/**
 * The bytes of one torrent on their way to the disk: blocks are written as they come, pieces hashed when they are whole.
 *
 * @module
 */
import type { Clock } from "allium/plugin"
import { Download } from "../torrent/download.ts"
import type { Block } from "../torrent/geometry.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import { Gather, type Run } from "./gather.ts"
import { Saver } from "./saver.ts"
import type { SwarmContent, SwarmOptions, SwarmStore } from "./types.ts"

/** Blocks that came and are not written; beyond, no stream is read. */
const UNWRITTEN_BYTES_MAX = 4 * 2 ** 20
/** Pieces that are hashed at once. */
const CHECKS_MAX = 4

/** Who hears of it. */
export interface ContentHost {
  readonly clock: Clock
  readonly options: Pick<SwarmOptions, "chance" | "save">
  /** A peer needs not send the block any more. */
  cancel(peer: string, block: Block): void
  verified(piece: number): void
  /** They sent wrong bytes. */
  lied(peers: readonly string[]): void
  /** The disk does not do what it should. */
  failed(error: unknown): void
}

/** From when the metainfo is known and the place for the bytes is open. */
export class Content {
  readonly metainfo: Metainfo
  readonly store: SwarmStore
  readonly download: Download
  readonly saver: Saver
  wastedBytes = 0
  readonly #host: ContentHost
  readonly #gather = new Gather((run) => this.#write(run))
  #unwrittenBytes = 0
  readonly #writes = new Set<Promise<void>>()
  /** How many blocks of a piece are on their way to the disk. */
  readonly #writing = new Map<number, number>()
  readonly #toCheck: number[] = []
  /** The disk failed when they were hashed. */
  #unchecked: number[] = []
  readonly #checking = new Set<Promise<void>>()
  readonly #waiting = new Set<() => void>()
  #isClosed = false

  constructor(metainfo: Metainfo, { store, progress }: SwarmContent, host: ContentHost) {
    this.metainfo = metainfo
    this.store = store
    this.#host = host
    const { chance, save } = host.options
    this.download = new Download(metainfo.geometry, { chance, progress })
    this.saver = new Saver({
      clock: host.clock,
      pieceBytes: metainfo.geometry.pieceBytes,
      progress: () => this.download.progress(),
      written: async () => {
        this.#gather.flush()
        await Promise.all(this.#writes)
      },
      sync: () => store.sync(),
      save,
      failed: (error) => host.failed(error),
      caughtUp: () => this.#goOnIfRoom(),
    })
    for (const piece of this.download.filled) this.#check(piece)
  }

  /** Nothing that is wanted is missing, and nothing is under way. */
  get isComplete(): boolean {
    return this.download.isComplete && this.#checking.size === 0
  }

  /** Too much waits for the disk, or would be lost by a kill: read no more until {@linkcode whenRoom} calls. */
  get isFull(): boolean {
    return this.#unwrittenBytes >= UNWRITTEN_BYTES_MAX || this.saver.isBehind
  }

  /** Calls back once. @returns Takes that back. */
  whenRoom(go: () => void): () => void {
    this.#waiting.add(go)
    return () => void this.#waiting.delete(go)
  }

  /**
   * A block came.
   *
   * @param bytes - Copied.
   * @returns Whether it was of use.
   * @throws {AlliumError} `PEER_PROTOCOL`, as {@linkcode Download.take} does.
   */
  take(peer: string, block: Block, bytes: Uint8Array, now: number): boolean {
    const taken = this.download.take(peer, block, now)
    if (taken.kind === "not wanted") {
      this.wastedBytes += block.length
      return false
    }
    for (const cancel of taken.cancels) this.#host.cancel(cancel.peer, cancel.block)
    this.#unwrittenBytes += block.length
    this.#writing.set(block.piece, (this.#writing.get(block.piece) ?? 0) + 1)
    this.#gather.add(peer, block, bytes)
    this.saver.changed(block.length)
    // What can be hashed is not kept waiting, nor are streams that are not read.
    if (taken.filled !== undefined || this.isFull) this.#gather.flush()
    return true
  }

  /** After the disk has failed: what could not be hashed is tried again. */
  retry(): void {
    const pieces = this.#unchecked
    this.#unchecked = []
    for (const piece of pieces) this.#check(piece)
  }

  /** Resolves when nothing is under way any more. Take nothing afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#gather.flush()
    while (this.#writes.size > 0 || this.#checking.size > 0)
      await Promise.all([...this.#writes, ...this.#checking])
  }

  #write(run: Run): void {
    const bytes = run.room.subarray(0, run.length)
    const write: Promise<void> = this.store.write(run, bytes).then(
      () => this.#written(run, write),
      (error: unknown) => {
        for (const block of run.blocks) this.download.lose(block)
        this.#written(run, write)
        this.#host.failed(error)
      },
    )
    this.#writes.add(write)
  }

  #written(run: Run, write: Promise<void>): void {
    const { piece, length, blocks } = run
    this.#writes.delete(write)
    this.#gather.done(run)
    this.#unwrittenBytes -= length
    const left = this.#writing.get(piece)! - blocks.length
    if (left > 0) this.#writing.set(piece, left)
    else {
      this.#writing.delete(piece)
      if (this.download.isFilled(piece)) this.#check(piece)
    }
    this.saver.changed(0)
    this.#goOnIfRoom()
  }

  #goOnIfRoom(): void {
    if (this.saver.isBehind || this.#unwrittenBytes * 2 >= UNWRITTEN_BYTES_MAX) return
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const go of waiting) go()
  }

  #check(piece: number): void {
    this.#toCheck.push(piece)
    if (this.#checking.size < CHECKS_MAX) this.#checkNext()
  }

  #checkNext(): void {
    const piece = this.#toCheck.shift()
    if (piece === undefined || this.#isClosed) return
    const check = this.#checkOne(piece)
      .catch((error: unknown) => {
        this.#unchecked.push(piece)
        this.#host.failed(error)
      })
      .finally(() => {
        this.#checking.delete(check)
        this.#afterCheck(piece)
      })
    this.#checking.add(check)
  }

  #afterCheck(piece: number): void {
    if (this.#isClosed) return
    if (this.download.have.has(piece)) this.#host.verified(piece)
    this.#checkNext()
  }

  async #checkOne(piece: number): Promise<void> {
    const digests = this.download.needsDigests(piece)
    let found = await this.store.check(piece, { digests })
    // Several may have sent it: what each block was, shows later who lied.
    if (!found.isRight && !digests) found = await this.store.check(piece, { digests: true })
    const liars = this.download.settle(piece, found.isRight, found.digests)
    if (!found.isRight) this.wastedBytes += this.download.geometry.lengthOf(piece)
    if (liars.length > 0) this.#host.lied(liars)
    this.saver.changed(0)
  }
}

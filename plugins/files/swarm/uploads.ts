/**
 * What one peer is served: its requests in order, read from the disk straight into what goes out, a run of neighbours at a time.
 *
 * While the stream takes one run the next is read, and no more than that: memory for each peer is two runs.
 *
 * @module
 */
import type { Block, Geometry } from "../torrent/geometry.ts"
import { PIECE_TYPE } from "../torrent/message.ts"
import { UploadQueue } from "../torrent/upload-queue.ts"
import type { Outbox } from "./outbox.ts"
import type { Gate } from "./throttle.ts"
import type { SwarmStore } from "./types.ts"

/** Read and written as one: 16 blocks. */
const RUN_BYTES_MAX = 256 * 1_024
/** Length, type, piece, begin. */
const HEAD_BYTES = 13
/** A run of usual blocks with their heads. */
const ROOM_BYTES = RUN_BYTES_MAX + 16 * HEAD_BYTES

/** What uploads need of their surroundings. */
export interface UploadsHost {
  readonly store: SwarmStore
  readonly geometry: Geometry
  readonly outbox: Outbox
  readonly gate: Gate
  isEnded(): boolean
  has(piece: number): boolean
  /** So many bytes of blocks went. */
  sent(byteCount: number): void
  /** The disk did not give them. */
  failed(error: unknown): void
}

/** For one stream, from the moment the metainfo is known. */
export class Uploads {
  readonly #host: UploadsHost
  readonly #queue: UploadQueue
  #isBusy = false
  #spare: Buffer[] = []
  #leaveLine: (() => void) | undefined

  constructor(host: UploadsHost) {
    this.#host = host
    this.#queue = new UploadQueue(host.geometry)
  }

  /** Requests that wait. */
  get count(): number {
    return this.#queue.count
  }

  /** @returns False when it is to be rejected. */
  add(block: Block): boolean {
    if (!this.#queue.add(block, (piece) => this.#host.has(piece))) return false
    if (!this.#isBusy) {
      this.#isBusy = true
      // Requests that came together are served together.
      queueMicrotask(() => void this.#serve())
    }
    return true
  }

  cancel(block: Block): boolean {
    return this.#queue.cancel(block)
  }

  /** Takes all out. */
  clear(): Block[] {
    return this.#queue.clear()
  }

  /** The stream has ended. */
  end(): void {
    this.#queue.clear()
    this.#leaveLine?.()
  }

  async #serve(): Promise<void> {
    try {
      while (this.#queue.count > 0 && !this.#host.isEnded()) await this.#serveRun()
    } catch (error) {
      this.#host.failed(error)
    } finally {
      this.#isBusy = false
      this.#spare = []
    }
  }

  async #serveRun(): Promise<void> {
    const { gate, outbox } = this.#host
    if (!gate.isOpen) return this.#waitInLine()
    const run = this.#queue.run(Math.min(RUN_BYTES_MAX, gate.turnBytes))
    const byteCount = run.reduce((sum, { length }) => sum + length, 0)
    gate.spend(byteCount)
    const frames = await this.#read(run, byteCount)
    await outbox.room()
    if (this.#host.isEnded()) return
    outbox.write(frames, () => this.#takeBack(frames))
    this.#host.sent(byteCount)
  }

  #waitInLine(): Promise<void> {
    return new Promise((resolve) => {
      const leave = this.#host.gate.wait(resolve)
      this.#leaveLine = () => {
        leave()
        resolve()
      }
    })
  }

  /** What went out before is used again: long buffers cost much to make and to forget. */
  #room(byteCount: number): Buffer {
    if (byteCount * 2 < ROOM_BYTES || byteCount > ROOM_BYTES) return Buffer.allocUnsafe(byteCount)
    return (this.#spare.pop() ?? Buffer.allocUnsafeSlow(ROOM_BYTES)).subarray(0, byteCount)
  }

  #takeBack({ buffer }: Uint8Array): void {
    if (this.#isBusy && buffer.byteLength === ROOM_BYTES) this.#spare.push(Buffer.from(buffer))
  }

  /** All blocks are read behind the room for their heads, then each moves forward to its own. */
  async #read(run: readonly Block[], byteCount: number): Promise<Uint8Array> {
    const [first] = run as [Block]
    const heads = run.length * HEAD_BYTES
    const frames = this.#room(heads + byteCount)
    await this.#host.store.read({ ...first, length: byteCount }, frames.subarray(heads))
    let at = 0
    let from = heads
    for (const { piece, begin, length } of run) {
      frames.copyWithin(at + HEAD_BYTES, from, from + length)
      frames.writeUInt32BE(HEAD_BYTES - 4 + length, at)
      frames[at + 4] = PIECE_TYPE
      frames.writeUInt32BE(piece, at + 5)
      frames.writeUInt32BE(begin, at + 9)
      at += HEAD_BYTES + length
      from += length
    }
    return frames
  }
}

/**
 * A channel as the application sees it: a Node `Duplex` with true back-pressure and half-close.
 *
 * @module
 */
import { Duplex } from "node:stream"
import { forget, type Lending, type Returning } from "../base/forget.ts"
import type { Inlet } from "./inlet.ts"
import type { Channel } from "./link.ts"
import type { Outlet, WriteDone } from "./outlet.ts"

/** What a channel asks of its link. */
export interface ChannelOwner {
  /** The outlet may have something to send now. */
  wake(channel: LinkChannel): void
  /** The application took bytes: credit may be due. */
  usedUp(channel: LinkChannel): void
  /** The application has taken everything up to the peer's END. */
  readToEnd(channel: LinkChannel): void
  /** The application destroyed the channel. */
  destroyed(channel: LinkChannel, error: Error | null): void
}

/** Bytes the application may write before `write()` says false. */
const WRITE_BYTES = 65_536

/** Both halves, joined to the application. */
export class LinkChannel extends Duplex implements Channel, Returning, Lending {
  readonly returnsBytes = true
  readerKeeps = true
  readonly id: number
  readonly protocol: string
  readonly delivered: Promise<void>
  readonly outlet: Outlet
  readonly inlet: Inlet
  readonly #owner: ChannelOwner
  /** The application waits for bytes. */
  #wanted = false
  #settle!: { resolve: () => void; reject: (error: Error) => void }

  constructor(options: {
    id: number
    protocol: string
    outlet: Outlet
    inlet: Inlet
    owner: ChannelOwner
  }) {
    // One byte of high-water mark: a block is asked for only when the one before has been taken, so
    // "used up" means it.
    super({ readableHighWaterMark: 1, writableHighWaterMark: WRITE_BYTES })
    this.id = options.id
    this.protocol = options.protocol
    this.outlet = options.outlet
    this.inlet = options.inlet
    this.#owner = options.owner
    this.delivered = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    // Whoever never looks at it must not bring the process down; nor may a peer, by a reset.
    this.delivered.catch(() => {})
    this.on("error", () => {})
    this.once("end", () => this.#owner.readToEnd(this))
  }

  /** DATA arrived. @returns Whether somebody may still look at the bytes. */
  arrive(bytes: Buffer): boolean {
    this.inlet.arrive(bytes.length)
    if (this.destroyed) this.inlet.usedUp(bytes.length)
    else if (this.#wanted && this.inlet.unreadBytes === 0) {
      this.#hand(bytes)
      return this.readerKeeps || this.readableLength > 0
    } else {
      this.inlet.keep(bytes)
      forget(bytes)
    }
    return false
  }

  /** END arrived. */
  arriveEnd(): void {
    this.inlet.end()
    if (this.inlet.unreadBytes > 0) return
    this.push(null)
    // Nothing is left unread: true also for an application that never reads.
    if (this.readableLength === 0) this.#owner.readToEnd(this)
  }

  /** The peer's application has taken everything. */
  markDelivered(): void {
    this.#settle.resolve()
  }

  /** The channel is over before its time. */
  lose(error: Error): void {
    this.#settle.reject(error)
    this.destroy(error)
  }

  override _read(): void {
    this.#wanted = true
    while (this.#wanted) {
      const block = this.inlet.take()
      if (block === undefined) break
      this.#hand(block)
      if (this.inlet.ended && this.inlet.unreadBytes === 0) this.push(null)
    }
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: WriteDone): void {
    this.outlet.write([chunk], done)
    this.#owner.wake(this)
  }

  override _writev(writes: { chunk: Buffer }[], done: WriteDone): void {
    const chunks = writes.map((write) => write.chunk)
    this.outlet.write(chunks, done)
    this.#owner.wake(this)
  }

  override _final(done: WriteDone): void {
    this.outlet.end(done)
    this.#owner.wake(this)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#owner.destroyed(this, error)
    done(error)
  }

  #hand(bytes: Buffer): void {
    this.inlet.usedUp(bytes.length)
    // Before, not after: pushing may make the application ask again at once.
    this.#wanted = false
    if (this.push(bytes)) this.#wanted = true
    this.#owner.usedUp(this)
  }
}

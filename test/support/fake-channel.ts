/** Two channels joined in memory: a credit window, explicit ends, and a reset when one side is destroyed early. */
import { Duplex } from "node:stream"
import { AlliumError } from "../../src/base/errors.ts"
import type { Channel } from "../../src/link/link.ts"
import type { FakeWorld } from "./fake-world.ts"

/** Bytes that may wait at the reader before the writer must wait. */
const WINDOW_BYTES = 64 * 1024

/** How what is written is cut into pieces: sizes, in turn. */
export type Chop = (byteCount: number) => number

/** One side; see {@linkcode joinChannels}. */
export class FakeChannel extends Duplex implements Channel {
  readonly protocol: string
  readonly delivered: Promise<void>
  readonly #world: FakeWorld
  readonly #chop: Chop
  #other: FakeChannel | undefined
  #credit: (() => void) | undefined
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined

  constructor(protocol: string, world: FakeWorld, chop: Chop) {
    super({ readableHighWaterMark: WINDOW_BYTES, allowHalfOpen: true })
    this.protocol = protocol
    this.#world = world
    this.#chop = chop
    this.delivered = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    this.delivered.catch(() => {}) // whoever cares awaits it
  }

  join(other: FakeChannel): void {
    this.#other = other
    other.once("end", () => this.#settle?.resolve())
  }

  override _read(): void {
    this.#credit?.()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#give(chunk).then(() => done(), done)
  }

  override _final(done: (error?: Error | null) => void): void {
    void this.#world.hop().then(() => {
      if (this.#other?.destroyed === false) this.#other.push(null)
      done()
    })
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#other?.release()
    this.release()
    if (error || !this.readableEnded || !this.writableFinished) {
      this.#settle?.reject(error ?? new AlliumError("CHANNEL_RESET", "Cannot deliver: reset"))
      void this.#world.hop().then(() => this.#other?.reset())
    }
    done(error)
  }

  /** The other side went away in the middle. */
  reset(): void {
    if (this.readableEnded && this.writableFinished) return
    this.destroy(new AlliumError("CHANNEL_RESET", "Cannot go on: the channel was reset"))
  }

  /** Lets a writer that waits for credit go on, and see what became of the channel. */
  release(): void {
    this.#credit?.()
  }

  async #give(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const size = Math.max(1, Math.min(this.#chop(chunk.length - at), chunk.length - at))
      await this.#world.hop()
      await this.#takeInto(chunk.subarray(at, at + size))
      at += size
    }
  }

  async #takeInto(piece: Buffer): Promise<void> {
    const other = this.#other
    if (this.destroyed || other === undefined || other.destroyed)
      throw new AlliumError("CHANNEL_RESET", "Cannot write: the channel was reset")
    if (other.push(Buffer.from(piece))) return
    await new Promise<void>((resolve) => {
      other.#credit = resolve
    })
    other.#credit = undefined
  }
}

/** A pair of channels that are each other's end. */
export function joinChannels(
  protocol: string,
  world: FakeWorld,
  chop: Chop = (byteCount) => byteCount,
): [FakeChannel, FakeChannel] {
  const left = new FakeChannel(protocol, world, chop)
  const right = new FakeChannel(protocol, world, chop)
  left.join(right)
  right.join(left)
  return [left, right]
}

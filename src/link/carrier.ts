/**
 * The stream a link rides on just now: bytes in, frames out with back-pressure, lost once.
 *
 * @module
 */
import type { Duplex } from "node:stream"
import { forget, isReturning } from "../base/forget.ts"
import { FRAME_BYTES_MAX } from "./limits.ts"

/** Told what happens on the stream. */
export interface CarrierOwner {
  /** @returns Whether somebody may still look at the chunk's bytes. */
  arrive(chunk: Buffer): boolean
  /** The stream has the frame, and looks at it no more; not told by every stream. */
  written(frame: Buffer): void
  /** There is room again. */
  drain(): void
  /** It ended or failed; never told after {@linkcode Carrier.drop}. */
  lost(cause: Error | undefined): void
}

/** One stream in use. */
export interface Carrier {
  /** The stream's own buffer has room. */
  readonly writable: boolean
  write(frame: Buffer): void
  /** Holds back small writes made within `fill`, to send them as one. */
  batch(fill: () => void): void
  /** Destroys the stream; its owner hears no more. */
  drop(): void
  /** Lets what is written go out with one last frame; destroys the stream then, or when `late` resolves. */
  finish(frame: Buffer, late: Promise<void>): void
}

/**
 * What may wait in the stream's own buffer: two frames, so that one is always ready when the socket
 * asks, and a message still overtakes a file.
 */
const BATCH_BYTES = 2 * FRAME_BYTES_MAX

/** Takes `stream` over. SAM knows no half-close: the end of one direction is the end. */
export function carry(stream: Duplex, owner: CarrierOwner): Carrier {
  let lost = false
  const isOurs = isReturning(stream)
  const lose = (cause?: Error) => {
    if (lost) return
    lost = true
    stream.destroy()
    owner.lost(cause)
  }
  const drop = () => {
    lost = true
    stream.destroy()
  }
  stream.on("data", (chunk: Buffer) => {
    if (!lost && !owner.arrive(chunk) && isOurs) forget(chunk)
  })
  stream.on("drain", () => {
    if (!lost) owner.drain()
  })
  stream.on("error", lose)
  stream.on("end", () => lose())
  stream.on("close", () => lose())
  stream.resume()
  if (stream.destroyed || stream.readableEnded) queueMicrotask(() => lose())
  return {
    get writable() {
      return !lost && (!stream.writableNeedDrain || stream.writableLength < BATCH_BYTES)
    },
    write(frame) {
      const done = (error?: Error | null) => {
        if (!error && !lost) owner.written(frame)
      }
      stream.write(frame, isOurs ? done : undefined)
    },
    batch(fill) {
      stream.cork()
      fill()
      stream.uncork()
    },
    drop,
    finish(frame, late) {
      lost = true
      void late.then(() => stream.destroy())
      stream.end(frame, () => stream.destroy())
    },
  }
}

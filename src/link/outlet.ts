/**
 * The sending half of a channel: what the application wrote, cut into frames as credit allows.
 *
 * @module
 */
import { blankFrame, encodeFrame, FRAME_HEAD_BYTES } from "./frames.ts"
import { CREDIT_BYTES_MAX, FRAME_BYTES_MAX } from "./limits.ts"
import { linkProtocolError } from "./link-errors.ts"

/** Told when a write has been taken over, or that it never will be. */
export type WriteDone = (error?: Error | null) => void

/** Holds one write of the application at a time (Node's `Writable` sees to that), and the end. */
export class Outlet {
  readonly #channel: number
  #chunks: Buffer[] = []
  #queuedBytes = 0
  #done: WriteDone | undefined
  #ending: WriteDone | undefined
  #ended = false
  #creditBytes: number

  constructor(channel: number, creditBytes: number) {
    this.#channel = channel
    this.#creditBytes = creditBytes
  }

  /** END has been framed. */
  get ended(): boolean {
    return this.#ended
  }

  /** A frame could be taken now. */
  get ready(): boolean {
    if (this.#queuedBytes > 0) return this.#creditBytes > 0
    return this.#ending !== undefined
  }

  /** Takes chunks over; `done` is called when all of them are framed. */
  write(chunks: Buffer[], done: WriteDone): void {
    this.#chunks = chunks.filter((chunk) => chunk.length > 0)
    this.#queuedBytes = this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    if (this.#queuedBytes === 0) done()
    else this.#done = done
  }

  /** Nothing follows what was written; `done` is called when END is framed. */
  end(done: WriteDone): void {
    this.#ending = done
  }

  /** The peer's application has taken bytes, or the peer has more room. */
  credit(byteCount: number): void {
    this.#creditBytes += byteCount
    if (this.#creditBytes > CREDIT_BYTES_MAX)
      throw linkProtocolError("credit is too large", `at most ${CREDIT_BYTES_MAX}`)
  }

  /** The next frame; only when {@linkcode Outlet.ready}. */
  take(): Buffer {
    return this.#queuedBytes > 0 ? this.#takeData() : this.#takeEnd()
  }

  /** Forgets what is queued; the application is not called back (its stream is being destroyed). */
  clear(): void {
    this.#chunks = []
    this.#queuedBytes = 0
    this.#done = undefined
    this.#ending = undefined
  }

  /** Copies: the application may use its buffers again, and a small slice pins no large one. */
  #takeData(): Buffer {
    const byteCount = Math.min(this.#queuedBytes, this.#creditBytes, FRAME_BYTES_MAX)
    const frame = blankFrame("data", this.#channel, byteCount)
    let at = FRAME_HEAD_BYTES
    while (at < frame.length) {
      const chunk = this.#chunks[0]!
      const copied = chunk.copy(frame, at)
      at += copied
      if (copied === chunk.length) this.#chunks.shift()
      else this.#chunks[0] = chunk.subarray(copied)
    }
    this.#queuedBytes -= byteCount
    this.#creditBytes -= byteCount
    if (this.#queuedBytes === 0) this.#callBack()
    return frame
  }

  #callBack(): void {
    const done = this.#done
    this.#done = undefined
    done?.()
  }

  #takeEnd(): Buffer {
    const done = this.#ending
    this.#ending = undefined
    this.#ended = true
    done?.()
    return encodeFrame({ type: "end", channel: this.#channel })
  }
}

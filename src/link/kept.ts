/**
 * What has been sent and not yet acknowledged: kept, so that it can be sent again on a new stream.
 *
 * @module
 */
import { forget } from "../base/forget.ts"
import { linkProtocolError } from "./link-errors.ts"

/** Frames in order, by their place in the byte stream that began with the link. */
export class KeptFrames {
  #frames: Buffer[] = []
  /** Those that the present stream has: nothing looks at them any more. */
  #written = new WeakSet<Buffer>()
  /** Index of the oldest frame still kept; what is before is dropped in bulk. */
  #first = 0
  /** Index of the next frame to send on the present stream. */
  #next = 0
  /** Place of the oldest kept byte. */
  #ackedBytes = 0
  #endBytes = 0

  /** Bytes kept. */
  get byteCount(): number {
    return this.#endBytes - this.#ackedBytes
  }

  /** Place where the peer stands, as it last said. */
  get ackedBytes(): number {
    return this.#ackedBytes
  }

  /** Adds a frame; it is the next to send when everything before is sent. */
  add(frame: Buffer): void {
    this.#frames.push(frame)
    this.#endBytes += frame.length
  }

  /** The next frame to put on the stream, or `undefined` when all are there. */
  next(): Buffer | undefined {
    const frame = this.#frames[this.#next]
    if (frame !== undefined) this.#next += 1
    return frame
  }

  /** The present stream has written the frame; when it is acknowledged as well, it is forgotten. */
  written(frame: Buffer): void {
    this.#written.add(frame)
  }

  /** True when the peer could really have received so much. */
  covers(receivedBytes: number): boolean {
    return receivedBytes >= this.#ackedBytes && receivedBytes <= this.#endBytes
  }

  /**
   * The peer has everything before `receivedBytes`. A count that was said before and is sent again
   * after a cut may be behind what we know: it changes nothing.
   *
   * @throws {AlliumError} `LINK_PROTOCOL` for a count of bytes that were never sent.
   */
  acknowledge(receivedBytes: number): void {
    if (receivedBytes <= this.#ackedBytes) return
    if (!this.covers(receivedBytes))
      throw linkProtocolError("acknowledged bytes that were not sent")
    while (this.#first < this.#frames.length) {
      const frame = this.#frames[this.#first]!
      if (this.#ackedBytes + frame.length > receivedBytes) break
      this.#ackedBytes += frame.length
      this.#frames[this.#first] = NOTHING
      // A peer may acknowledge what it cannot have: what is still being written must stay.
      if (this.#written.has(frame)) forget(frame)
      this.#first += 1
    }
    this.#next = Math.max(this.#next, this.#first)
    this.#trimFirst(receivedBytes - this.#ackedBytes)
    this.#compact()
  }

  /** A new stream: the peer has `receivedBytes`, which must be covered; what follows is sent again. */
  rewind(receivedBytes: number): void {
    this.acknowledge(receivedBytes)
    this.#written = new WeakSet()
    this.#next = this.#first
  }

  /** The peer stopped within a frame: keep the rest of it as a piece of its own. */
  #trimFirst(byteCount: number): void {
    if (byteCount === 0) return
    this.#frames[this.#first] = this.#frames[this.#first]!.subarray(byteCount)
    this.#ackedBytes += byteCount
  }

  #compact(): void {
    if (this.#first < 64 || this.#first * 2 < this.#frames.length) return
    this.#frames = this.#frames.slice(this.#first)
    this.#next -= this.#first
    this.#first = 0
  }
}

/** Stands where a frame was, so that the frame itself can be freed. */
const NOTHING = Buffer.alloc(0)

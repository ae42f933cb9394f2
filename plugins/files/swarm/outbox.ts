/**
 * What goes out on one stream: small messages together in one write, blocks one run at a time, nothing without bound.
 *
 * @module
 */
import type { Duplex } from "node:stream"
import { isReturning } from "allium/plugin"

/** Small messages that wait for a peer that does not read: 30,000 rejects. */
const WAITING_BYTES_MAX = 512 * 1_024

/** The sending half of one stream. */
export class Outbox {
  readonly #stream: Duplex
  readonly #isReturning: boolean
  readonly #tooMuch: () => void
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #isScheduled = false
  readonly #drained: (() => void)[] = []
  #isBlocked = false

  /** @param tooMuch - The peer reads too slowly for what it is to be told. */
  constructor(stream: Duplex, tooMuch: () => void) {
    this.#stream = stream
    this.#isReturning = isReturning(stream)
    this.#tooMuch = tooMuch
    stream.on("drain", () => this.#onDrain())
    stream.on("close", () => this.#wake())
  }

  /** The stream has not taken yet what it was given. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  /** Nothing waits, not even in the stream. */
  get isEmpty(): boolean {
    return this.#waitingBytes === 0 && this.#stream.writableLength === 0
  }

  /** One or more whole messages; goes out with others of the same moment. */
  send(bytes: Uint8Array): void {
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    if (this.#waitingBytes > WAITING_BYTES_MAX) this.#tooMuch()
    else if (!this.#isScheduled && !this.#isBlocked) {
      this.#isScheduled = true
      queueMicrotask(() => {
        this.#isScheduled = false
        if (!this.#isBlocked) this.flush()
      })
    }
  }

  /**
   * Whole messages, after those that wait; not before {@linkcode room} has resolved.
   *
   * @param taken - The bytes are the caller's again; not called for streams that keep them.
   */
  write(bytes: Uint8Array, taken: () => void): void {
    this.flush()
    this.#put(bytes, this.#isReturning ? taken : undefined)
  }

  /** Resolves when the stream takes more, or has ended. */
  room(): Promise<void> | undefined {
    if (!this.#isBlocked || this.#stream.destroyed) return undefined
    return new Promise((resolve) => this.#drained.push(resolve))
  }

  /** Writes what waits, at once. */
  flush(): void {
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    this.#waitingBytes = 0
    this.#put(waiting.length === 1 ? waiting[0]! : Buffer.concat(waiting))
  }

  #put(bytes: Uint8Array, taken?: () => void): void {
    if (this.#stream.writable) this.#isBlocked = !this.#stream.write(bytes, taken)
  }

  #onDrain(): void {
    this.#isBlocked = false
    this.flush()
    if (!this.#isBlocked) this.#wake()
  }

  #wake(): void {
    for (const resolve of this.#drained.splice(0)) resolve()
  }
}

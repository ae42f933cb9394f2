/**
 * One direction of a stream: bytes from one SAM socket to another, through what the knobs say.
 *
 * With untouched knobs a chunk goes straight from socket to socket, and a slow reader slows the sender
 * down: nothing is copied and nothing is queued here beyond the window.
 *
 * @module
 */
import type { Duplex } from "node:stream"
import { isReturning, writeAndForget } from "../base/forget.ts"
import type { Road } from "./road.ts"

/** Bytes that may wait for a slow reader before its sender is stopped. */
export const WINDOW_BYTES = 256 * 1024

const NOTHING = new Uint8Array(0)

interface Piece {
  readonly dueMs: number
  readonly bytes: Uint8Array
}

/**
 * Carries bytes. The source's owner calls {@linkcode Flow.push} and {@linkcode Flow.finish}; the sink
 * is given later with {@linkcode Flow.open}, when somebody accepted.
 */
export class Flow {
  readonly #source: Duplex
  readonly #road: Road
  readonly #done: () => void
  #sink: Duplex | undefined
  /** Bytes are nobody's when they are written. */
  #isReturning = false
  #pieces: Piece[] = []
  #heldBytes = 0
  #busyUntilMs = 0
  #lastDueMs = 0
  #state: "open" | "finished" | "over" = "open"
  #pumping = false
  #paused = false
  #awaitsRoom = false
  #cutInBytes: number

  /**
   * @param source - Is paused and resumed, nothing else.
   * @param done - Called once: every byte was handed over and the sink may end.
   */
  constructor(source: Duplex, road: Road, done: () => void) {
    this.#source = source
    this.#road = road
    this.#done = done
    this.#cutInBytes = road.cutInBytes()
  }

  /** Bytes held back here, not counting what the sink's own socket queues. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Somebody reads now. The flow writes to `sink` from here on, and listens to its `drain`. */
  open(sink: Duplex): void {
    if (this.#state === "over") return
    this.#sink = sink
    this.#isReturning = isReturning(this.#source) && isReturning(sink)
    sink.on("drain", () => this.#pump())
    this.#pump()
  }

  /** Takes the next bytes of the source; keeps them until they are due and there is room. */
  push(bytes: Uint8Array): void {
    if (this.#state !== "open") return
    this.#road.stats.streamBytes += bytes.length
    this.#cutInBytes -= bytes.length
    if (this.#cutInBytes <= 0) this.#road.cut()
    else if (this.#sink === undefined || this.#pieces.length > 0 || this.#road.indirect())
      this.#hold(bytes)
    else if (!this.#write(bytes) && this.#sink.writableLength > WINDOW_BYTES) this.#pause()
  }

  /**
   * The source says no more. With the fault `tailLoss` on, what is still queued is lost.
   *
   * @returns False when something was lost: the sink shall never learn of the end.
   */
  finish(): boolean {
    if (this.#state !== "open") return true
    this.#state = "finished"
    const queuedBytes = this.#heldBytes + (this.#sink?.writableLength ?? 0)
    if (this.#road.losesTail() && queuedBytes > 0) {
      this.#road.stats.streamBytesLost += queuedBytes
      this.drop()
      return false
    }
    this.#pump()
    return true
  }

  /** Forgets everything; nothing is delivered any more, and the sink is not ended. */
  drop(): void {
    this.#state = "over"
    this.#pieces = []
    this.#heldBytes = 0
    this.#resume()
  }

  #hold(bytes: Uint8Array): void {
    this.#pieces.push({ dueMs: this.#dueMs(bytes.length), bytes })
    this.#heldBytes += bytes.length
    if (this.#heldBytes > this.#road.heldBytesMax()) this.#road.cut()
    else if (this.#heldBytes > WINDOW_BYTES && !this.#road.floods()) this.#pause()
    this.#pump()
  }

  /** Serialisation, then latency, then perhaps a retransmission; never before an earlier piece. */
  #dueMs(byteCount: number): number {
    const { nowMs, sendMs, travelMs } = this.#road.timing(byteCount)
    this.#busyUntilMs = Math.max(nowMs, this.#busyUntilMs) + sendMs
    this.#lastDueMs = Math.max(this.#lastDueMs, this.#busyUntilMs + travelMs)
    return this.#lastDueMs
  }

  /** Delivers what is due; at most one wait is under way. */
  #pump(): void {
    if (this.#pumping || this.#sink === undefined || this.#state === "over") return
    let taken = 0
    for (const piece of this.#pieces) {
      if (this.#sinkIsFull()) {
        this.#awaitRoom(this.#sink)
        break
      }
      const waitMs = piece.dueMs - this.#road.nowMs()
      if (waitMs > 0) {
        this.#wake(waitMs)
        break
      }
      taken++
      this.#heldBytes -= piece.bytes.length
      this.#write(piece.bytes)
    }
    this.#pieces.splice(0, taken)
    if (this.#heldBytes <= WINDOW_BYTES / 2 && !this.#sinkIsFull()) this.#resume()
    if (this.#state === "finished" && this.#pieces.length === 0) this.#complete()
  }

  #write(bytes: Uint8Array): boolean {
    const sink = this.#sink!
    return this.#isReturning ? writeAndForget(sink, bytes) : sink.write(bytes)
  }

  #sinkIsFull(): boolean {
    const roomBytes = this.#road.losesTail() ? 0 : WINDOW_BYTES
    return (this.#sink?.writableLength ?? 0) > roomBytes
  }

  /** Goes on when everything before was handed to the system; `drain` does not always come. */
  #awaitRoom(sink: Duplex): void {
    if (this.#awaitsRoom) return
    this.#awaitsRoom = true
    sink.write(NOTHING, () => {
      this.#awaitsRoom = false
      this.#pump()
    })
  }

  #wake(waitMs: number): void {
    this.#pumping = true
    this.#road.sleep(waitMs).then(
      () => {
        this.#pumping = false
        this.#pump()
      },
      () => this.drop(),
    )
  }

  #complete(): void {
    this.#state = "over"
    this.#done()
  }

  #pause(): void {
    this.#paused = true
    this.#source.pause()
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#source.resume()
  }
}

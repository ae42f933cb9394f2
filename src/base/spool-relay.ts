/**
 * Joins a stream that knows no half-close and must not wait (SAM) to a local connection.
 *
 * @module
 */
import type { Duplex } from "node:stream"
import { AlliumError } from "./errors.ts"
import { Spool, type SpoolPlace } from "./spool.ts"

/** What a relay moved. */
export interface RelayReport {
  /** From the stream to the local side, in bytes. */
  readonly bytesIn: number
  /** From the local side to the stream, in bytes. */
  readonly bytesOut: number
}

/** Limits of one relay. */
export interface SpoolRelayOptions {
  readonly place: SpoolPlace
  /**
   * How long the stream stays open after the local side has said its last word, counted from the last
   * byte that moved: closing at once would lose what is still on its way, in both directions.
   */
  readonly lingerMs: number
  /** Ends the relay when nothing moved for so long; never, unless given. */
  readonly idleMs?: number
  readonly memoryBytesMax?: number
  readonly signal?: AbortSignal
  /** Told of every piece that came in from the stream or went out to it, while the relay runs. */
  readonly onBytes?: (bytesIn: number, bytesOut: number) => void
}

/**
 * Copies both ways until it is over. The stream is drained at all times; what the local side cannot take
 * yet waits in a {@linkcode Spool}. When the stream ends, the rest is delivered, then the local side is
 * ended. When the local side ends, the stream stays open until its other end closes, or for `lingerMs`
 * without a byte. Takes ownership of both: afterwards both are destroyed.
 *
 * @param local - A socket opened with `allowHalfOpen`; else its end is its death.
 * @throws {AlliumError} `SPOOL_FULL`, `STREAM_LOST` when the stream closed without an end; else the first
 * failure of either side, or the signal's reason.
 */
export function spoolRelay(
  stream: Duplex,
  local: Duplex,
  options: SpoolRelayOptions,
): Promise<RelayReport> {
  return new Promise(
    (resolve, reject) => new SpoolRelay(stream, local, options, { resolve, reject }),
  )
}

interface Outcome {
  resolve(report: RelayReport): void
  reject(reason: unknown): void
}

class SpoolRelay {
  readonly #stream: Duplex
  readonly #local: Duplex
  readonly #spool: Spool
  readonly #options: SpoolRelayOptions
  readonly #outcome: Outcome
  #bytesIn = 0
  #bytesOut = 0
  /** Runs from the local side's last word, or while nothing moves. */
  #timer: NodeJS.Timeout | undefined
  #lingering = false

  constructor(stream: Duplex, local: Duplex, options: SpoolRelayOptions, outcome: Outcome) {
    const { memoryBytesMax } = options
    this.#stream = stream
    this.#local = local
    this.#options = options
    this.#outcome = outcome
    this.#spool = new Spool(options.place, memoryBytesMax === undefined ? {} : { memoryBytesMax })
    for (const end of [stream, this.#spool, local]) end.on("error", this.#fail)
    options.signal?.addEventListener("abort", this.#abort, { once: true })
    if (options.signal?.aborted === true) this.#abort()
    else this.#join()
  }

  #join(): void {
    const stream = this.#stream
    const local = this.#local
    stream.on("data", (chunk: Buffer) => this.#count(chunk.length, 0))
    stream.on("end", this.#streamEnded)
    stream.on("close", this.#streamClosed)
    this.#spool.on("data", () => this.#timer?.refresh())
    local.on("data", (chunk: Buffer) => this.#count(0, chunk.length))
    local.on("end", this.#beginLinger)
    local.on("finish", this.#beginLinger)
    local.on("close", this.#localClosed)
    stream.pipe(this.#spool).pipe(local)
    local.pipe(stream, { end: false })
    if (stream.destroyed) this.#streamClosed()
    if (local.destroyed) this.#localClosed()
    else this.#wait()
  }

  #count(bytesIn: number, bytesOut: number): void {
    this.#bytesIn += bytesIn
    this.#bytesOut += bytesOut
    this.#options.onBytes?.(bytesIn, bytesOut)
    this.#timer?.refresh()
  }

  /** The local side may say more, but nobody listens: read it away, so that its close is seen. */
  #streamEnded = (): void => {
    this.#local.unpipe(this.#stream)
    this.#local.resume()
  }

  #streamClosed = (): void => {
    if (!this.#stream.readableEnded && !this.#lingering) this.#fail(streamLost())
    this.#streamEnded()
    this.#spool.end()
  }

  #beginLinger = (): void => {
    this.#lingering = true
    this.#wait()
  }

  /** (Re)starts the timer with the wait of the present phase. */
  #wait(): void {
    clearTimeout(this.#timer)
    const waitMs = this.#lingering ? this.#options.lingerMs : this.#options.idleMs
    if (waitMs === undefined) return
    this.#timer = setTimeout(this.#timeUp, waitMs).unref()
  }

  #timeUp = (): void => {
    if (!this.#lingering || this.#stream.destroyed) this.#local.destroy()
    else {
      this.#stream.destroy()
      this.#wait()
    }
  }

  #localClosed = (): void => {
    this.#settle()
    this.#outcome.resolve({ bytesIn: this.#bytesIn, bytesOut: this.#bytesOut })
  }

  #abort = (): void => this.#fail(this.#options.signal?.reason)

  #fail = (reason: unknown): void => {
    this.#outcome.reject(reason)
    this.#settle()
  }

  #settle(): void {
    clearTimeout(this.#timer)
    this.#options.signal?.removeEventListener("abort", this.#abort)
    for (const end of [this.#stream, this.#spool, this.#local]) end.destroy()
  }
}

function streamLost(): AlliumError {
  const message = "Cannot go on: the stream was cut off, expected the other side to end it"
  return new AlliumError("STREAM_LOST", message)
}

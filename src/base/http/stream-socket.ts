/**
 * Makes any duplex stream fit for `node:http`, which expects a socket, and ends it with care.
 *
 * @module
 */
import { Duplex } from "node:stream"
import { Spool, type SpoolPlace } from "../spool.ts"

/** How a {@linkcode StreamSocket} treats its stream. */
export interface StreamSocketOptions {
  /**
   * How long {@linkcode StreamSocket} waits, after its last byte, for the other end to close first. SAM
   * loses what is on its way when the sender closes.
   */
  readonly lingerMs: number
  /** Where to keep what is not read yet; without it the stream is paused as usual. */
  readonly place?: SpoolPlace
  /** Told of every piece that came in from the stream or went out to it. */
  readonly onBytes?: (bytesIn: number, bytesOut: number) => void
}

type Done = (error?: Error | null) => void

/**
 * A duplex stream with what `node:http` calls beyond Duplex: idle time, `destroySoon`, and calls that mean
 * something on TCP only. Owns `stream`: both end together.
 */
export class StreamSocket extends Duplex {
  /** The stream below. */
  readonly stream: Duplex
  /** Idle time set by {@linkcode StreamSocket.setTimeout}, in milliseconds; `node:http` compares it. */
  timeout = 0
  /** What is read from: the stream, or its spool from the moment a reader was slow. */
  #source: Duplex
  readonly #place: SpoolPlace | undefined
  readonly #lingerMs: number
  readonly #onBytes: StreamSocketOptions["onBytes"]
  #idleTimer: NodeJS.Timeout | undefined
  #lingerTimer: NodeJS.Timeout | undefined
  #ending = false

  constructor(stream: Duplex, options: StreamSocketOptions) {
    super({ allowHalfOpen: true })
    this.stream = stream
    this.#lingerMs = options.lingerMs
    this.#onBytes = options.onBytes
    this.#place = options.place
    this.#source = stream
    this.#listenTo(stream)
    stream.once("close", this.#streamClosed)
    stream.resume()
  }

  #listenTo(source: Duplex): void {
    source.on("data", this.#receive)
    source.once("end", this.#receiveEnd)
    source.on("error", (error) => this.destroy(error))
  }

  /** Emits `timeout` after `ms` without a byte either way; 0 stops that. */
  setTimeout(ms: number, listener?: () => void): this {
    clearTimeout(this.#idleTimer)
    this.timeout = ms
    this.#idleTimer = undefined
    if (ms > 0) this.#idleTimer = setTimeout(() => this.emit("timeout"), ms).unref()
    if (listener !== undefined && ms > 0) this.once("timeout", listener)
    return this
  }

  /** Ends after what was written and the linger; `node:http` calls it after the last answer. */
  destroySoon(): void {
    if (!this.writableEnded) this.end()
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  override _read(): void {
    if (!this.#ending) this.#source.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#idleTimer?.refresh()
    this.#onBytes?.(0, chunk.length)
    this.stream.write(chunk, done)
  }

  /** One segment for what belongs together: head, chunk size and chunk. */
  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), "utf8", done)
  }

  override _final(done: Done): void {
    this.#ending = true
    done()
    this.#source.resume()
    if (this.stream.readableEnded || this.stream.destroyed) this.destroy()
    else this.#lingerTimer = setTimeout(() => this.destroy(), this.#lingerMs).unref()
  }

  override _destroy(error: Error | null, done: Done): void {
    clearTimeout(this.#idleTimer)
    clearTimeout(this.#lingerTimer)
    this.stream.destroy()
    this.#source.destroy()
    done(error)
  }

  #receive = (chunk: Buffer): void => {
    this.#idleTimer?.refresh()
    this.#onBytes?.(chunk.length, 0)
    if (!this.#ending && !this.push(chunk)) this.#holdBack()
  }

  /** The reader is slow. Most never are, so the stream gets its spool only now, and keeps it. */
  #holdBack(): void {
    const stream = this.stream
    if (this.#place === undefined || this.#source !== stream) return void this.#source.pause()
    stream.off("data", this.#receive)
    stream.off("end", this.#receiveEnd)
    this.#source = stream.pipe(new Spool(this.#place))
    this.#listenTo(this.#source)
    this.#source.pause()
  }

  #receiveEnd = (): void => {
    this.push(null)
    if (this.#ending) this.destroy()
  }

  /** Without an end before, this was a cut: the reader must not take it for one. */
  #streamClosed = (): void => {
    if (!this.stream.readableEnded) this.destroy(cutOff())
  }
}

function cutOff(): Error {
  const error: NodeJS.ErrnoException = new Error("Cannot read on: the stream was cut off")
  error.code = "ECONNRESET"
  return error
}

/**
 * One TCP connection to the bridge: lines in, commands one after the other, and bounded memory.
 *
 * @module
 */
import { once } from "node:events"
import type { Socket } from "node:net"
import { setImmediate } from "node:timers/promises"
import { LineReader } from "../sam/line-reader.ts"
import { obey } from "./commands.ts"
import type { BridgeContext, Caller } from "./context.ts"
import type { BridgeSession } from "./session.ts"
import type { StreamSocket } from "./stream.ts"

/** i2pd's line buffer, less its end. */
const LINE_BYTES_MAX = 8191
/** What a client may send ahead while a command is under way; then it is not read any more. */
const AHEAD_BYTES_MAX = 64 * 1024
/** What may wait for a client that does not read its datagrams; more are dropped. */
const UNREAD_BYTES_MAX = 1024 * 1024

/** A command socket, until {@linkcode Connection.release} makes it a stream. */
export class Connection implements Caller {
  readonly number: number
  readonly remoteHost: string
  readonly sinceMs: number
  session: BridgeSession | undefined
  keys = ""
  /** Minor version, once HELLO was answered. */
  agreedVersion: number | undefined
  /** Monotonic time of the last line, and of the PING we sent after it. */
  heardAtMs: number
  pingedAtMs: number | undefined
  /** Since when we wait for the client to close its half. */
  closingSinceMs: number | undefined
  readonly #socket: Socket
  readonly #context: BridgeContext
  readonly #reader = new LineReader(LINE_BYTES_MAX)
  readonly #abort = new AbortController()
  #aheadBytes = 0
  #driving = false
  #silent = false
  #released = false
  #arrived: (() => void) | undefined
  readonly #onData = (bytes: Uint8Array) => this.#receive(bytes)

  constructor(socket: Socket, number: number, context: BridgeContext) {
    this.#socket = socket
    this.#context = context
    this.number = number
    this.remoteHost = socket.remoteAddress ?? "127.0.0.1"
    this.sinceMs = context.clock.monotonicMs()
    this.heardAtMs = this.sinceMs
    socket.on("data", this.#onData)
    socket.once("end", () => this.#released || socket.end())
    socket.once("close", () => this.#over())
    socket.on("error", () => {}) // `close` follows, and says all we need.
  }

  get version(): number {
    return this.agreedVersion ?? 0
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** True once the socket belongs to a stream. */
  get isStream(): boolean {
    return this.#released
  }

  async reply(line: string): Promise<void> {
    const bytes = Buffer.from(`${line}\n`)
    if (!this.#context.knobs.faults.has("splitReplies")) return void this.#write(bytes)
    for (let at = 0; at < bytes.length; at++) {
      this.#write(bytes.subarray(at, at + 1))
      await setImmediate()
    }
  }

  deliver(line: string, payload: Uint8Array): void {
    if (this.#socket.writableLength > UNREAD_BYTES_MAX) this.#context.network.stats.datagramsLost++
    else this.#write(Buffer.concat([Buffer.from(`${line}\n`), payload]))
  }

  async take(byteCount: number): Promise<Uint8Array | undefined> {
    let bytes = this.#reader.rest()
    while (bytes.length < byteCount) {
      this.#ease()
      await new Promise<void>((resolve) => {
        this.#arrived = resolve
        if (this.#abort.signal.aborted || this.#socket.readableEnded) resolve()
      })
      const more = this.#reader.rest()
      if (more.length === 0) return undefined
      bytes = Buffer.concat([bytes, more])
    }
    this.#reader.push(bytes.subarray(byteCount))
    return bytes.subarray(0, byteCount)
  }

  release(): StreamSocket {
    this.#released = true
    this.#socket.off("data", this.#onData)
    this.#socket.pause()
    return { socket: this.#socket, surplus: this.#reader.rest() }
  }

  /** Forgets what was sent behind the present line. */
  dropAhead(): void {
    this.#reader.rest()
  }

  fallSilent(): void {
    this.#silent = true
    this.#reader.rest()
  }

  close(): void {
    this.closingSinceMs ??= this.#context.clock.monotonicMs()
    this.#silent = true
    this.#socket.end()
    this.#socket.resume()
  }

  /** At once, with whatever waits to be written. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** Writes for as long as the client reads; for the fault of a reply that never ends. */
  async flood(chunk: Uint8Array, byteCountMax: number): Promise<void> {
    for (let sent = 0; sent < byteCountMax && !this.#socket.destroyed; sent += chunk.length)
      if (!this.#socket.write(chunk)) await once(this.#socket, "drain", { signal: this.signal })
  }

  #write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  #receive(bytes: Uint8Array): void {
    if (this.#silent || this.#context.knobs.faults.has("hang")) return
    if (this.#isSplitHello(bytes)) this.close()
    else if (this.#keep(bytes)) {
      this.#arrived?.()
      void this.#drive()
    }
  }

  #keep(bytes: Uint8Array): boolean {
    this.#aheadBytes += bytes.length
    if (this.#aheadBytes > AHEAD_BYTES_MAX) this.#socket.pause()
    try {
      this.#reader.push(bytes)
      return true
    } catch {
      this.#endless()
      return false
    }
  }

  /** i2pd wants the whole HELLO in one segment. */
  #isSplitHello(bytes: Uint8Array): boolean {
    const { faults } = this.#context.knobs
    return this.agreedVersion === undefined && faults.has("pipelineDrop") && !bytes.includes(0x0a)
  }

  /** Obeys line after line, one at a time. */
  async #drive(): Promise<void> {
    if (this.#driving) return
    this.#driving = true
    try {
      for (let line = this.#nextLine(); line !== undefined; line = this.#nextLine()) {
        this.heardAtMs = this.#context.clock.monotonicMs()
        await obey(this, line, this.#context)
      }
    } catch (error) {
      if (!this.signal.aborted) this.#context.log.error("connection.failed", { kind: `${error}` })
      this.destroy()
    }
    this.#driving = false
    if (!this.#released) this.#ease()
  }

  #nextLine(): string | undefined {
    if (this.#silent || this.#released || this.#socket.destroyed) return undefined
    try {
      return this.#reader.next()
    } catch {
      this.#endless()
      return undefined
    }
  }

  #endless(): void {
    this.#context.log.warn("connection.endlessLine", { connection: this.number })
    if (this.#context.knobs.faults.has("longLineHangs")) this.fallSilent()
    else this.destroy()
  }

  /** Reads on, after a pause. */
  #ease(): void {
    this.#aheadBytes = 0
    this.#socket.resume()
  }

  #over(): void {
    this.#abort.abort()
    this.#arrived?.()
    if (!this.#released) this.#reader.rest()
  }
}

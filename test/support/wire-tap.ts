/**
 * Stands between a router and its SAM bridge and reads the links in the streams: what somebody sees who can look into the
 * router's own I2P router, and so more than anybody on the way.
 */
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { FrameParser } from "../../src/link/frames.ts"
import { CONFIRM_BYTES, HELLO_BYTES, WELCOME_BYTES } from "../../src/link/handshake.ts"
import { FrameReader } from "../../src/mail/mailbox/frames.ts"
import { MAILBOX_PROTOCOL } from "../../src/mail/mailbox/wire.ts"

/** `out`: from the router. */
export type Way = "out" | "in"

/** One frame of `/mailbox/1`. */
export interface MailboxFrame {
  /** When its last byte passed, by the monotonic clock; milliseconds. */
  readonly atMs: number
  readonly way: Way
  /** Whether who opened the channel said it, or the mailbox. */
  readonly by: "client" | "mailbox"
  /** Names connection and channel. */
  readonly channel: string
  readonly bytes: Uint8Array
}

/** One DATA frame of a link, on any channel. */
export interface DataFrame {
  readonly way: Way
  readonly protocol: string
  readonly byteCount: number
}

/** A bridge's address with an ear. Closing it closes every socket. */
export interface WireTap extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** In the order in which they passed. */
  readonly frames: readonly MailboxFrame[]
  readonly data: readonly DataFrame[]
}

/** Opens a tap on a port of 127.0.0.1, in front of the bridge at `bridgePort`. */
export async function openWireTap(bridgePort: number): Promise<WireTap> {
  const frames: MailboxFrame[] = []
  const data: DataFrame[] = []
  const sockets = new Set<Socket>()
  let count = 0
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const options = { port: bridgePort, host: "127.0.0.1", allowHalfOpen: true, noDelay: true }
    const bridge = connect(options)
    const ear = new Ear(`${++count}`, { frames, data })
    client.on("data", (chunk: Buffer) => ear.hear("out", chunk))
    bridge.on("data", (chunk: Buffer) => ear.hear("in", chunk))
    for (const [one, other] of [[client, bridge] as const, [bridge, client] as const]) {
      sockets.add(one)
      one.pipe(other)
      one.on("error", () => {})
      one.on("close", () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    ...{ host: "127.0.0.1", port: (server.address() as AddressInfo).port, frames, data },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, "close")
    },
  }
}

interface Book {
  readonly frames: MailboxFrame[]
  readonly data: DataFrame[]
}

/** Lines of SAM before the stream begins, and bytes of the handshake behind them. */
interface Start {
  readonly lines: number
  readonly bytes: number
}

const CALLER = HELLO_BYTES + CONFIRM_BYTES
/** Of ours none follows the command; of the bridge's, the status, and for who accepts, who called. */
const STARTS: Record<"CONNECT" | "ACCEPT", Record<Way, Start>> = {
  CONNECT: { out: { lines: 0, bytes: CALLER }, in: { lines: 1, bytes: WELCOME_BYTES } },
  ACCEPT: { out: { lines: 0, bytes: WELCOME_BYTES }, in: { lines: 2, bytes: CALLER } },
}

/** One socket. */
class Ear {
  readonly #connection: string
  readonly #book: Book
  /** Who opened each channel, and for what. */
  readonly #channels = new Map<number, { protocol: string; openedBy: Way }>()
  readonly #readers = new Map<string, FrameReader>()
  readonly #sides = { out: new Side(), in: new Side() }

  constructor(connection: string, book: Book) {
    this.#connection = connection
    this.#book = book
  }

  hear(way: Way, chunk: Buffer): void {
    const side = this.#sides[way]
    for (const line of side.push(chunk)) {
      const [, command] = /^STREAM (CONNECT|ACCEPT) /.exec(line) ?? []
      if (way === "out" && (command === "CONNECT" || command === "ACCEPT")) this.#begin(command)
    }
    for (const rest of side.stream()) this.#read(way, rest)
  }

  #begin(command: "CONNECT" | "ACCEPT"): void {
    this.#sides.out.begin(STARTS[command].out)
    this.#sides.in.begin(STARTS[command].in)
  }

  #read(way: Way, chunk: Buffer): void {
    for (const frame of this.#sides[way].parser.push(chunk)) {
      if (frame.type === "open") {
        this.#channels.set(frame.channel, { protocol: frame.protocol, openedBy: way })
        for (const each of ["out", "in"]) this.#readers.delete(`${frame.channel} ${each}`)
      }
      if (frame.type === "data") this.#hearData(way, frame.channel, frame.bytes)
    }
  }

  #hearData(way: Way, channel: number, bytes: Buffer): void {
    const { protocol, openedBy } = this.#channels.get(channel) ?? { protocol: "?", openedBy: way }
    this.#book.data.push({ way, protocol, byteCount: bytes.length })
    if (protocol !== MAILBOX_PROTOCOL) return
    const key = `${channel} ${way}`
    const reader = this.#readers.get(key) ?? new FrameReader()
    this.#readers.set(key, reader)
    const by = way === openedBy ? "client" : "mailbox"
    const name = `${this.#connection}.${channel}`
    const atMs = performance.now()
    for (const whole of reader.push(bytes))
      this.#book.frames.push({ atMs, way, by, channel: name, bytes: whole })
  }
}

/** One direction of a socket: lines, then the bytes of a handshake, then frames. */
class Side {
  readonly parser = new FrameParser()
  #rest = Buffer.alloc(0)
  #start: { lines: number; bytes: number } | undefined

  /** What follows is a stream, after so much. */
  begin(start: Start): void {
    this.#start = { ...start }
  }

  /** @returns Lines that are whole now; whoever hears one may call {@linkcode begin}. */
  *push(chunk: Buffer): Generator<string, void> {
    this.#rest = Buffer.concat([this.#rest, chunk])
    while (this.#start === undefined || this.#start.lines > 0) {
      const end = this.#rest.indexOf("\n")
      if (end < 0) return
      const line = this.#rest.toString("latin1", 0, end)
      this.#rest = this.#rest.subarray(end + 1)
      if (this.#start !== undefined && !line.startsWith("PING")) this.#start.lines--
      yield line
    }
  }

  /** @returns Bytes of frames. */
  *stream(): Generator<Buffer, void> {
    const start = this.#start
    if (start === undefined || start.lines > 0) return
    const skipped = Math.min(start.bytes, this.#rest.length)
    start.bytes -= skipped
    const chunk = this.#rest.subarray(skipped)
    this.#rest = Buffer.alloc(0)
    if (chunk.length > 0) yield chunk
  }
}

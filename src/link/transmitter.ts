/**
 * What a link sends, and in which order: its own short frames, then the channels'.
 *
 * @see docs/protocol/link.md#channels
 * @module
 */
import { encodeFrame } from "./frames.ts"
import { KeptFrames } from "./kept.ts"
import { ACK_EVERY_BYTES, CONTROL_RESERVE_BYTES } from "./limits.ts"
import { CLOSE } from "./link-errors.ts"

/** Where frames of channels come from. */
export interface FrameSource {
  nextControl(): Buffer | undefined
  nextData(): Buffer | undefined
}

/** One frame that is said once. */
type Once = "no" | "due" | "sent"

/** The sending side of a link, without a stream. Keeps what it gave out until it is acknowledged. */
export class Transmitter {
  readonly #kept = new KeptFrames()
  readonly #keptBytesMax: number
  readonly #channels: FrameSource
  readonly #received: () => number
  /** What we last told the peer about what we received. */
  #told = 0
  /** Tokens of the frames that wait to be sent; at most one of each. */
  #pong: number | undefined
  #ping: number | undefined
  #goaway: Once = "no"
  #close: Once = "no"

  /** @param options.received - Bytes received so far. */
  constructor(options: {
    channels: FrameSource
    keptBytesMax: number
    received: () => number
  }) {
    this.#channels = options.channels
    this.#keptBytesMax = options.keptBytesMax
    this.#received = options.received
  }

  /** Bytes kept to be sent again. */
  get keptBytes(): number {
    return this.#kept.byteCount
  }

  /** The peer lets us keep more than data alone can explain. */
  get overfull(): boolean {
    return this.#kept.byteCount > this.#keptBytesMax + CONTROL_RESERVE_BYTES
  }

  /** CLOSE is said, or as good as said: frames of channels mean nothing any more. */
  get closing(): boolean {
    return this.#close !== "no"
  }

  /** CLOSE is on its way. */
  get closed(): boolean {
    return this.#close === "sent"
  }

  ping(token: number): void {
    this.#ping = token
  }

  pong(token: number): void {
    this.#pong = token
  }

  goaway(): void {
    this.#goaway = "due"
  }

  /** Says CLOSE after everything else. */
  close(): void {
    this.#close = "due"
  }

  /** @throws {AlliumError} `LINK_PROTOCOL`, see {@linkcode KeptFrames.acknowledge}. */
  acknowledge(receivedByPeer: number): void {
    this.#kept.acknowledge(receivedByPeer)
  }

  /** The present stream has the frame, and looks at it no more. */
  written(frame: Buffer): void {
    this.#kept.written(frame)
  }

  /** True when the peer can go on from there. */
  covers(receivedByPeer: number): boolean {
    return this.#close === "no" && this.#kept.covers(receivedByPeer)
  }

  /** A new stream; both sides have told in the handshake what they received. */
  rewind(receivedByPeer: number): void {
    this.#kept.rewind(receivedByPeer)
    this.#told = this.#received()
  }

  /** The next frame to put on the stream. */
  next(): Buffer | undefined {
    return this.#kept.next() ?? this.#make()
  }

  #make(): Buffer | undefined {
    const frame = this.#makeOwn() ?? this.#channels.nextControl() ?? this.#makeLast()
    if (frame === undefined) return undefined
    this.#kept.add(frame)
    return this.#kept.next()
  }

  /** Frames about the link that may overtake everything. */
  #makeOwn(): Buffer | undefined {
    if (this.#pong !== undefined) return this.#encodePulse("pong", this.#pong)
    if (this.#ping !== undefined) return this.#encodePulse("ping", this.#ping)
    if (this.#received() - this.#told < ACK_EVERY_BYTES) return undefined
    return encodeFrame({ type: "ack", received: this.#tell() })
  }

  #encodePulse(type: "ping" | "pong", token: number): Buffer {
    if (type === "pong") this.#pong = undefined
    else this.#ping = undefined
    return encodeFrame({ type, received: this.#tell(), token })
  }

  #tell(): number {
    this.#told = this.#received()
    return this.#told
  }

  /** Data, and what must come after everything else. */
  #makeLast(): Buffer | undefined {
    if (this.#goaway === "due") {
      this.#goaway = "sent"
      return encodeFrame({ type: "goaway" })
    }
    const roomy = this.#kept.byteCount < this.#keptBytesMax
    const data = roomy ? this.#channels.nextData() : undefined
    if (data !== undefined || this.#close !== "due") return data
    this.#close = "sent"
    return encodeFrame({ type: "close", code: CLOSE.done })
  }
}

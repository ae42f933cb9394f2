/**
 * What a link does with what arrives: count it, cut it into frames, hand each to whom it concerns.
 *
 * @module
 */
import type { ChannelFrame, Channels } from "./channels.ts"
import { type Frame, FrameParser } from "./frames.ts"
import type { Heartbeat } from "./heartbeat.ts"
import type { NuisanceBucket } from "./nuisance.ts"
import type { Transmitter } from "./transmitter.ts"

/** Those whom frames concern. */
export interface ReceiverOptions {
  readonly channels: Channels
  readonly transmitter: Transmitter
  readonly heartbeat: Heartbeat
  readonly nuisances: NuisanceBucket
  readonly monotonicMs: () => number
  /** The peer's last word; nothing after it is looked at. */
  readonly onClose: (code: number) => void
  /** The link may end while a chunk is taken apart. */
  readonly isOver: () => boolean
}

/** The receiving side of a link, without a stream. */
export class Receiver {
  readonly #options: ReceiverOptions
  readonly #parser = new FrameParser()

  constructor(options: ReceiverOptions) {
    this.#options = options
  }

  /**
   * @returns Whether somebody may still look at the chunk's bytes.
   * @throws {AlliumError} `LINK_PROTOCOL` for what the peer may not send.
   */
  take(chunk: Buffer): boolean {
    let isKept = false
    this.#options.heartbeat.hear()
    for (const frame of this.#parser.push(chunk)) {
      if (this.#hand(frame)) isKept = true
      if (this.#options.isOver()) return true
    }
    return isKept
  }

  #hand(frame: Frame): boolean {
    const { channels, heartbeat, transmitter, monotonicMs, onClose } = this.#options
    if ("received" in frame) transmitter.acknowledge(frame.received)
    if ("channel" in frame) return this.#handToChannel(frame)
    if (frame.type === "ping") this.#handPing(frame.token)
    else if (frame.type === "pong") heartbeat.pong(frame.token, monotonicMs())
    else if (frame.type === "goaway") channels.drain()
    else if (frame.type === "close") onClose(frame.code)
    return false
  }

  /** After our last word our channels are gone, and the peer may not know it yet. */
  #handToChannel(frame: ChannelFrame): boolean {
    return !this.#options.transmitter.closing && this.#options.channels.receive(frame)
  }

  #handPing(token: number): void {
    this.#options.nuisances.take()
    this.#options.transmitter.pong(token)
  }
}

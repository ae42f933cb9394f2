/**
 * A channel as a stream of frames.
 *
 * @module
 */
import { AlliumError, isAlliumError } from "../../base/errors.ts"
import type { Channel } from "../../link/link.ts"
import { FrameReader } from "./frames.ts"

/** Both directions of a channel, in whole frames. */
export class FrameStream {
  readonly #channel: Channel
  #room: Promise<void> | undefined

  constructor(channel: Channel) {
    this.#channel = channel
    channel.on("error", () => {}) // whoever reads learns of it
  }

  /** Frames as they come; ends when the other side ends. @throws {AlliumError} `BAD_RECORD`, `CHANNEL_RESET`, `LINK_LOST`. */
  async *read(): AsyncGenerator<Uint8Array, void> {
    const reader = new FrameReader()
    try {
      for await (const chunk of this.#channel.iterator({ destroyOnReturn: false }))
        yield* reader.push(chunk as Uint8Array)
    } catch (error) {
      throw isAlliumError(error) ? error : lost(error)
    }
    reader.finish()
  }

  /** Writes one frame; resolves when there is room for another. Never rejects: the reader learns what went wrong. */
  async write(frame: Uint8Array): Promise<void> {
    if (this.#channel.destroyed || this.#channel.writableEnded) return
    if (this.#channel.write(frame)) return
    this.#room ??= this.#untilRoom()
    await this.#room
  }

  /** Ends our direction; the other one stays open. */
  end(): void {
    this.#channel.end()
  }

  /** Gives the channel up, with what went wrong if anything did. */
  destroy(error?: Error): void {
    this.#channel.destroy(error)
  }

  #untilRoom(): Promise<void> {
    const channel = this.#channel
    return new Promise((resolve) => {
      const done = () => {
        channel.off("drain", done)
        channel.off("close", done)
        this.#room = undefined
        resolve()
      }
      channel.on("drain", done)
      channel.on("close", done)
    })
  }
}

/** The channel is over, and said nothing of its own. */
export function lost(cause?: unknown): AlliumError {
  return new AlliumError("CHANNEL_RESET", "Cannot use mailbox: its channel has ended", { cause })
}

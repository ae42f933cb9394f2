/**
 * What two Allium routers speak over one SAM stream: many channels, none of which loses its tail.
 *
 * @module
 */
import type { Duplex } from "node:stream"
import type { Destination } from "../sam/destination.ts"

/** Who is at the other end; proven by the handshake. */
export interface LinkPeer {
  /** Ed25519 public key of the identity, 32 bytes. */
  readonly identityKey: Uint8Array
  readonly destination: Destination
}

/**
 * One ordered byte stream inside a link, with a credit window. `end()` is an explicit end;
 * the other direction stays open. A reset shows as an `error` event (`CHANNEL_RESET`, `LINK_LOST`).
 */
export interface Channel extends Duplex {
  /** Such as `/messages/1`. */
  readonly protocol: string
  /**
   * Resolves when the peer's application has taken every byte written before `end()`; rejects when
   * the channel is lost before.
   */
  readonly delivered: Promise<void>
}

/** A live link. Closing it is graceful: channels that have ended are acknowledged first, up to a limit. */
export interface Link extends AsyncDisposable {
  readonly peer: LinkPeer
  /** 0 for the link between the two; 1 to {@linkcode LANES_MAX} for one beside it, which ends with its stream. */
  readonly lane: number
  /** Channels that are not over on both sides. */
  readonly channelCount: number
  /** Round trip as last measured by the heartbeat, in milliseconds; `undefined` before the first. */
  readonly roundTripMs: number | undefined
  /** It lost its stream and looks for a new one: what is written waits. */
  readonly adrift: boolean
  /**
   * Opens a channel; usable at once, before the peer has answered.
   * @throws {AlliumError} `LINK_LOST`, `CHANNEL_LIMIT`, `BAD_PROTOCOL`.
   */
  open(protocol: string, call: { signal: AbortSignal }): Channel
  /** Channels the peer opens; bounded: beyond, new ones are refused with a reset. Ends with the link. */
  readonly incoming: AsyncIterable<Channel>
  /** Resolves, never rejects, when the link is over: `undefined` for a clean close, else why. */
  readonly closed: Promise<Error | undefined>
}

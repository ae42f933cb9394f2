/**
 * What every command of the bridge works with.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts"
import type { Log } from "../base/log.ts"
import type { RandomBytes } from "../base/random.ts"
import type { Accounts } from "./accounts.ts"
import type { Knobs } from "./knobs.ts"
import type { Network } from "./network.ts"
import type { RouterTraits } from "./routers.ts"
import type { BridgeSession, Sessions } from "./session.ts"
import type { Ring } from "./stats.ts"
import type { StreamSocket } from "./stream.ts"

/** One SESSION CREATE that the bridge answered with OK. */
export interface SessionRecord {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly id: string
  readonly style: string
  readonly destinationB32: string
  /** Counts the bridge's connections from 1: two sessions on one connection would have the same. */
  readonly connection: number
}

/** Shared by all connections of one bridge. */
export interface BridgeContext {
  readonly network: Network
  readonly sessions: Sessions
  readonly accounts: Accounts
  readonly knobs: Knobs
  readonly traits: RouterTraits
  readonly clock: Clock
  readonly random: RandomBytes
  readonly log: Log
  readonly record: Ring<SessionRecord>
  /** Sends a UDP datagram to a client; best effort. */
  sendUdp(bytes: Uint8Array, to: { host: string; port: number }): void
  /** Where datagrams to send arrive. */
  udpPort(): number
}

/** What a command may do with the connection it came on. */
export interface Caller {
  /** Counts from 1. */
  readonly number: number
  /** Minor version agreed on: 1 for SAM 3.1. */
  readonly version: number
  readonly remoteHost: string
  /** The session whose control socket this is. */
  session: BridgeSession | undefined
  /** Its private key file in base64, for the answers to SESSION ADD. */
  keys: string
  /** Aborts when the socket closes. */
  readonly signal: AbortSignal
  /** Sends a line; resolves when it was handed to the socket. */
  reply(line: string): Promise<void>
  /** Sends a line and bytes behind it, unless the client is too slow for them. */
  deliver(line: string, payload: Uint8Array): void
  /** The next bytes after the line; `undefined` when the client left before. */
  take(byteCount: number): Promise<Uint8Array | undefined>
  /** The socket stops being a command socket and becomes the caller's. */
  release(): StreamSocket
  /** The client is not read any more; the socket stays open until it closes. */
  fallSilent(): void
  /** Ends the connection after what was written. */
  close(): void
}

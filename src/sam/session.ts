/**
 * What a SAM session gives, whoever opened it and whatever router stands behind it.
 *
 * @see https://geti2p.net/en/docs/api/samv3
 * @module
 */
import type { Duplex } from "node:stream"
import type { AlliumError } from "../base/errors.ts"
import type { Destination } from "./destination.ts"

/**
 * Where a session stands. `opening`: the router builds tunnels (20 to 40 s on i2pd 2.45.1). `up`: usable.
 * `down`: lost, being re-created. `closed`: ended by its owner, for good.
 */
export type SessionState =
  | { readonly name: "opening"; readonly sinceMs: number }
  | { readonly name: "up"; readonly sinceMs: number }
  | { readonly name: "down"; readonly sinceMs: number; readonly reason: AlliumError }
  | { readonly name: "closed"; readonly sinceMs: number }

/**
 * One stream over I2P. Back-pressure works in both directions. Ending or destroying one side ends
 * both: SAM knows no half-close, and what the router still queues is lost then (see `docs/limits.md`).
 */
export interface SamStream extends Duplex {
  /** Who is at the other end, as the router says. */
  readonly peer: Destination
  /** `out`: we connected. `in`: we accepted. */
  readonly direction: "out" | "in"
  /** The port of ours it was opened to, when the router says so; i2pd never does. */
  readonly toPort?: number
}

/** How to reach a peer. */
export interface ConnectCall {
  readonly signal: AbortSignal
  /** SAM 3.2 ports, 0 to 65535; i2pd ignores them. */
  readonly fromPort?: number
  readonly toPort?: number
}

/** One destination of ours, alive: the unit of unlinkability. Closing it ends its streams. */
export interface Session extends AsyncDisposable {
  /** Our own address; known before the session is up when keys were given. */
  readonly destination: Destination
  readonly state: SessionState
  /** Calls `listener` at every change of {@linkcode Session.state}; returns how to stop that. */
  watch(listener: (state: SessionState) => void): () => void
  /**
   * Resolves once the session is `up`.
   * @throws {AlliumError} `SESSION_CLOSED`, or the signal's reason as `ABORTED` or `TIMED_OUT`.
   */
  ready(call: { signal: AbortSignal }): Promise<void>
  /**
   * Opens a stream, after waiting for the session to be up. Resolving does not mean that the peer
   * answered: i2pd says OK as soon as it knows a LeaseSet.
   *
   * @param target - Destination in I2P base64, `.b32.i2p` name (b33 too) or a name the router knows.
   * @throws {AlliumError} `PEER_UNREACHABLE`, `BAD_DESTINATION`, `BRIDGE_UNREACHABLE`, `SESSION_CLOSED`, …
   */
  connect(target: string, call: ConnectCall): Promise<SamStream>
  /**
   * Streams from others, in order of arrival; survives re-creation of the session and ends when it
   * closes. One consumer; while nobody iterates, nothing is accepted.
   */
  readonly incoming: AsyncIterable<SamStream>
  /**
   * Asks the router for a destination.
   * @throws {AlliumError} `NAME_NOT_FOUND`, `BAD_NAME`, `BRIDGE_UNREACHABLE`.
   */
  lookup(name: string, call: { signal: AbortSignal }): Promise<Destination>
}

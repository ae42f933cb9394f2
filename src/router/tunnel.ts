/**
 * What a tunnel kind is and what it is given. Re-exported by the door `allium/tunnel`.
 *
 * @module
 */
import type { z } from "zod"
import type { Clock } from "../base/clock.ts"
import type { Log } from "../base/log.ts"
import type { SamStream, Session } from "../sam/session.ts"
import type { DatagramSession } from "../sam/supervised-datagrams.ts"
import type { NameRecord } from "./names.ts"

/**
 * Which session. Without a name it is the tunnel's own; `persistent` keeps its address over restarts of ours,
 * `transient` over those of the I2P router, and `renewed` has a new one whenever the router lost it. Each
 * name stands for another session, with keys of its own that end with the tunnel: visits of two names
 * cannot be tied together.
 */
export type SessionWish =
  | { readonly keys: "persistent" | "transient" | "renewed"; readonly name?: undefined }
  | {
      readonly keys: "transient" | "renewed"
      readonly name: string
      /** Reads encrypted LeaseSets with this key; each session has one at most. */
      readonly readerKey?: string | undefined
    }

/**
 * Which datagram session; a tunnel has one of each style and name at most. Names are those of
 * {@linkcode SessionWish}, and end with them; its address is never that of the tunnel's streams.
 */
export type DatagramWish = {
  /** `DATAGRAM` says who sent each, and proves it; `RAW` does not. */
  readonly style: "DATAGRAM" | "RAW"
} & (
  | { readonly keys: "persistent" | "transient" | "renewed"; readonly name?: undefined }
  | { readonly keys: "transient" | "renewed"; readonly name: string }
)

/** Where a name leads, and who said so. */
export interface FoundName {
  /** Destination in base64 or `.b32.i2p` name, ready for {@linkcode Session.connect}. */
  readonly address: string
  readonly source: NameRecord["source"]
  /** The site itself has signed this name for all to see, so saying it to the site tells nothing. */
  readonly isPublic: boolean
}

/** The door an instance of a tunnel kind is handed. What it opens here ends with the instance. */
export interface TunnelContext {
  /** Aborts when the tunnel is to end. */
  readonly signal: AbortSignal
  readonly log: Log
  readonly clock: Clock
  /** A folder of this tunnel's own, mode 0700, for spool files; emptied at start. */
  readonly folder: string
  /**
   * A session of the tunnel, shared with no identity and no other tunnel; opened at the first call, the
   * same one afterwards, until it is closed.
   * @throws {AlliumError} `SESSION_LIMIT` when tunnels and plugins together have as many as they may.
   */
  session(wish: SessionWish): Promise<Session>
  /**
   * A session of the tunnel for datagrams, on a destination of its own; opened at the first call, the same
   * one afterwards, until it is closed.
   * @throws {AlliumError} `SESSION_LIMIT`, `SESSION_CLOSED`; `DESTINATION_TAKEN` when keys were adopted for the
   * tunnel, and another session of it has them already.
   */
  datagrams(wish: DatagramWish): Promise<DatagramSession>
  /**
   * Ends a session with its streams, and those for datagrams of the same name; the next {@linkcode TunnelContext.session} of that name opens it
   * again, with the same keys when they are kept, else with new ones. Persistent keys are always kept.
   */
  closeSession(name: string | undefined, options: { keepKeys: boolean }): Promise<void>
  /**
   * Resolves a host name by petnames, contacts, pinned names, feeds, then the I2P router: a destination
   * in base64 or a `.b32.i2p` address, ready for {@linkcode Session.connect}.
   * @throws {AlliumError} `NAME_NOT_FOUND`, `BAD_NAME`.
   */
  resolve(host: string, call: { signal: AbortSignal }): Promise<string>
  /**
   * As {@linkcode TunnelContext.resolve}, and says who knows the name.
   * @throws {AlliumError} `NAME_NOT_FOUND`, `BAD_NAME`.
   */
  lookup(host: string, call: { signal: AbortSignal }): Promise<FoundName>
  /**
   * Keeps a name the user confirmed.
   * @throws {AlliumError} `ALREADY_EXISTS`, `BAD_NAME`, `BAD_DESTINATION`.
   */
  pin(name: string, address: string): Promise<void>
  /**
   * Resolves and connects, with a few tries while the LeaseSet is being found (up to `waitMs`,
   * default 60,000).
   * @throws {AlliumError} `NAME_NOT_FOUND`, `PEER_UNREACHABLE`, `BRIDGE_UNREACHABLE`.
   */
  dial(
    session: Session,
    host: string,
    call: { signal: AbortSignal; waitMs?: number; toPort?: number },
  ): Promise<SamStream>
}

/** A tunnel that stands; closing ends its connections and listeners. */
export interface OpenTunnel extends AsyncDisposable {
  /** `127.0.0.1:4444`, when programs of this machine connect to it. */
  readonly listens?: string
  /** Our own `.b32.i2p` name, when others connect to it. */
  readonly address?: string
  /** Numbers for `tunnel show`. */
  counters(): Readonly<Record<string, number>>
}

/** A kind of tunnel: the other end knows nothing of Allium. */
export interface TunnelKind<Options extends z.ZodObject = z.ZodObject> {
  /** Unique, lower-case with dashes: `http-proxy`. Becomes the command `tunnel add http-proxy`. */
  readonly kind: string
  readonly summary: string
  readonly options: Options
  readonly positional: readonly string[]
  readonly examples: readonly string[]
  /** Resolves when the listener stands, without waiting for the session to be up. */
  open(context: TunnelContext, options: z.output<Options>): Promise<OpenTunnel>
}

/** Declares a tunnel kind. */
export function defineTunnel<Options extends z.ZodObject>(kind: {
  kind: string
  summary: string
  options: Options
  positional?: readonly (keyof Options["shape"] & string)[]
  examples?: readonly string[]
  open(context: TunnelContext, options: z.output<Options>): Promise<OpenTunnel>
}): TunnelKind<Options> {
  return { positional: [], examples: [], ...kind }
}

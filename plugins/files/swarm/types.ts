/**
 * The words of one torrent alive: what its owner hands in, hears and sees.
 *
 * @module
 */
import type { Duplex } from "node:stream"
import type { Clock, Log } from "allium/plugin"
import type { PieceStore } from "../disk/piece-store.ts"
import type { Bitfield } from "../torrent/bitfield.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import type { Priority } from "../torrent/piece-order.ts"
import type { Progress } from "../torrent/resume.ts"
import type { Throttle } from "./throttle.ts"

/** What a swarm needs of the disk. */
export type SwarmStore = Pick<
  PieceStore,
  "geometry" | "read" | "write" | "check" | "sync" | "hasRoom"
>

/** Where the bytes of a torrent are, and what is there already. */
export interface SwarmContent {
  /** Stays the owner's: it is closed after the swarm, by the owner. */
  readonly store: SwarmStore
  /** Nothing, when left out. Owned by the swarm. */
  readonly progress?: Progress
}

/** When a seeder has given enough; whatever is reached first. */
export interface SeedingGoal {
  /** Bytes given for each byte of the torrent. */
  readonly ratio?: number
  /** Seconds as a seeder with the swarm not paused. */
  readonly seconds?: number
  /** Peers that had not everything when they came, and have now. */
  readonly downloads?: number
}

/** What a torrent is made alive with. */
export interface SwarmOptions {
  /** 20 bytes. */
  readonly infohash: Uint8Array
  /** Left out for a magnet: then it is fetched from peers. */
  readonly metainfo?: Metainfo
  /** Called once, as soon as the metainfo is known; at once when it was given. Check the room on the disk here. */
  open(metainfo: Metainfo): Promise<SwarmContent>
  /**
   * Keeps the progress; called at most once at a time, and often: after each piece's worth of bytes, as long as
   * saving takes less than a fifth of the time.
   *
   * @param isSynced - Whether the data is on the disk for good. What is not may be believed after the program was killed, but not
   * after the machine went down: keep the last one that was synced beside the last one.
   */
  save(progress: Progress, isSynced: boolean): Promise<void>
  /** Who may take part; asked before the handshake is answered, so that others learn nothing. Everybody, when left out. */
  admit?(name: string): boolean
  readonly clock: Clock
  /** 0 to 1; not for secrets. */
  readonly chance: () => number
  readonly log: Log
  /** Limits for this torrent and all together, `down` and `up`; shared ones may stand in several swarms. */
  readonly down?: readonly Throttle[]
  readonly up?: readonly Throttle[]
  /** Streams at once, all peers together; 50. */
  readonly peersMax?: number
  /** Streams of one peer at once; 1. A peer of its own each, one name for bans. */
  readonly lanes?: number
  /** Peers served at once; 6. */
  readonly slots?: number
  /** Whether pages of metadata are given and peers are told of each other; unless the torrent is private. */
  readonly tells?: { readonly metadata: boolean; readonly peers: boolean }
  readonly goal?: SeedingGoal
  /** What was given and taken before, so that ratios outlast a restart. */
  readonly before?: {
    readonly upBytes: number
    readonly downBytes: number
    readonly seedingMs: number
  }
  /** Our words about ourselves for peers that are not our own; left out towards all when empty. */
  readonly client?: string
}

/** The far end of a stream. */
export interface SwarmPeer {
  /** Stays the same when it comes again: its `.b32.i2p` name, or an identity key. For bans; never written to a log. */
  readonly name: string
  /** We dialled. */
  readonly outgoing: boolean
  /** Runs Allium: everything is said in the first write, 64 blocks are asked for at once, a silent stream is given up early. */
  readonly isOwn?: boolean
  /** SHA-256 of its destination, 32 bytes: others are told of it. */
  readonly hash?: Uint8Array
}

/** Why a stream ended. `stalled`: it was silent though blocks were asked for; open another one. `full`: later, perhaps. */
export type PeerEnd =
  | "ended"
  | "silent"
  | "stalled"
  | "slow"
  | "broken rules"
  | "banned"
  | "not admitted"
  | "replaced"
  | "full"
  | "done"
  | "paused"
  | "closed"

/** `stopped`: the disk is full or fails, `code` says which; a full disk is tried again by itself. `metadata`: what it is, is asked for. */
export type SwarmStage = "metadata" | "opening" | "downloading" | "seeding" | "paused" | "stopped"

/** One stream, for showing. */
export interface PeerState {
  readonly name: string
  readonly outgoing: boolean
  readonly isOwn: boolean
  /** Its own words, cleaned. */
  readonly client?: string
  /** Pieces it has. */
  readonly pieces: number
  readonly isChokingUs: boolean
  readonly isChoked: boolean
  readonly isInterested: boolean
  readonly areWeInterested: boolean
  readonly downBytes: number
  readonly upBytes: number
  /** Bytes a second, of the last seconds. */
  readonly downRate: number
  readonly upRate: number
  /** Blocks asked for and not here. */
  readonly out: number
  /** Shortest round trip of late, 0 while unknown. */
  readonly tripMs: number
}

/** Facts about one torrent. */
export interface SwarmState {
  readonly stage: SwarmStage
  /** Of the error that stopped it. */
  readonly code?: string
  /** 0 while the metainfo is not known. */
  readonly size: number
  readonly pieceCount: number
  /** Pieces that are verified. */
  readonly piecesHere: number
  /** Bytes of them. */
  readonly bytesHere: number
  /** Bytes that are wanted; less than `size` when files are skipped. */
  readonly bytesWanted: number
  /** Bytes of blocks that came and went, with what was before. */
  readonly downBytes: number
  readonly upBytes: number
  readonly downRate: number
  readonly upRate: number
  /** Bytes of blocks that were of no use. */
  readonly wastedBytes: number
  readonly seedingMs: number
  /** Peers that got everything while we were there. */
  readonly downloads: number
  readonly bans: number
  readonly peers: readonly PeerState[]
}

/** What the owner hears. */
export type SwarmEvent =
  /** The state is another one; at most about once a second. */
  | { readonly kind: "changed" }
  /** What the magnet stands for; before `open` is called. */
  | { readonly kind: "metadata"; readonly metainfo: Metainfo }
  /** One more piece is right. */
  | { readonly kind: "piece"; readonly piece: number }
  /** Everything that is wanted is here, verified and synced; again after more became wanted. */
  | { readonly kind: "finished" }
  /** The seeding goal is reached; the swarm goes on until it is paused or closed. */
  | { readonly kind: "goal" }
  | { readonly kind: "stopped"; readonly code: string }
  /** There are fewer peers than wanted, or none that serves us; at most once in 30 s. */
  | { readonly kind: "peers wanted" }
  /** Others told of these: SHA-256 of destinations, 32 bytes each. */
  | { readonly kind: "peers"; readonly hashes: readonly Uint8Array[] }
  /** It lied or broke the rules again and again; not let in for a while. */
  | { readonly kind: "banned"; readonly name: string }

/** One torrent alive; see `openSwarm`. Closing it closes all its streams, and saves. */
export interface Swarm extends AsyncDisposable {
  /** 20 bytes. */
  readonly infohash: Uint8Array
  /** `undefined` while it is not known. */
  readonly metainfo: Metainfo | undefined
  /** Whether a peer of that name is let in now. */
  admits(name: string): boolean
  /**
   * Speaks with a peer until either ends. Owns the stream from now on, and destroys it. Never rejects.
   *
   * @param stream - Nothing was read of it that was not put back.
   */
  join(stream: Duplex, peer: SwarmPeer): Promise<PeerEnd>
  state(): SwarmState
  /** Pieces that are right; not to be changed. `undefined` while the metainfo is not known. */
  readonly have: Bitfield | undefined
  /** @returns Ends listening. */
  on(listener: (event: SwarmEvent) => void): () => void
  /** Ends all streams and takes no others, until {@linkcode Swarm.resume}. Saves, synced. */
  pause(): Promise<void>
  resume(): void
  /** @throws {RangeError} When there is no such file. Before the metainfo is known it is kept until then. */
  setPriority(file: number, priority: Priority): void
  /** The bytes `[from, to)` of the torrent are looked at: they come first, in order. Move it on while they are read. */
  setWindow(from: number, to: number): void
  setGoal(goal: SeedingGoal): void
}

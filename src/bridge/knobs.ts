/**
 * What can be turned on the embedded network: its speed, its losses, and the faults of real routers.
 *
 * Knobs are read live: what is changed applies to the next byte, command or datagram, on streams that
 * are open already too. `docs/guide/embedded-network.md` has the same table for people; a test compares.
 *
 * @module
 */

/**
 * Every fault, with what it does while it is on. Those that were measured on real i2pd say on which
 * version: "2.45.1" is Debian 12's, "2.58" the newest source of December 2025.
 */
export const FAULTS = {
  refuse: "CONNECT answers CANT_REACH_PEER, by chance (`refuseChance`)",
  hang: "every connection is taken and nothing is ever said on it",
  endlessReply: "the answer to HELLO is a line that never ends (64 KiB a write, up to 64 MiB)",
  splitReplies: "replies arrive byte by byte, each in a segment of its own",
  wrongTopic: "STREAM commands are refused with a SESSION STATUS line (i2pd does that)",
  tailLoss:
    "what is still queued when a sender closes is dropped; the reader never sees the end (2.45.1, 2.58)",
  lateOk: "CONNECT says OK although the peer is away, then there is silence (2.45.1, 2.58)",
  noBackpressure:
    "a sender is never slowed down: the bridge queues up to `floodBytesMax` (2.45.1, 2.58)",
  zombie:
    "the same keys again within 10 s: OK, and 5 s later the session is silently dead (2.45.1, 2.58)",
  stolenDestination:
    "a second session with the same keys gets OK and takes the destination; closing either kills both (2.45.1, 2.58)",
  duplicateDestSilent: "a second session with the same keys gets OK and never hears anything",
  staleLeaseSet:
    "whoever knew a destination before it was restarted gets OK and silence, until it dials them (2.45.1, 2.58)",
  pingKillsSession:
    "PING closes the socket, and so the session (2.45.1 without an answer, 2.58 after it)",
  longLineHangs: "a line of more than 8191 bytes is never answered (2.45.1, 2.58)",
  acceptDeaf: "closing the first of several ACCEPTs leaves the others deaf for ever (2.45.1)",
  acceptYoungClosed:
    "a third ACCEPT within 3 s closes the second; an incoming stream closes those younger than 3 s (2.58)",
  pipelineDrop:
    "whatever follows the first line of a segment is thrown away; a split HELLO is closed (2.45.1, 2.58)",
  lostEarlyBytes: "bytes sent behind STREAM CONNECT before its answer are lost (2.45.1, 2.58)",
  quotesKept: "a quoted value is cut at its first space and keeps its quote (2.45.1, 2.58)",
  nameNotFoundInvalidKey: "an unknown name answers INVALID_KEY (2.45.1, 2.58)",
  unpaddedRefused: "base64 without its padding answers INVALID_KEY (2.45.1, 2.58)",
  firstDatagramLost: "the first datagram to a destination is lost (2.45.1, 2.58)",
  datagramCut:
    "a datagram of more than 32,768 bytes, header line included, is cut short (2.45.1, 2.58)",
  addWithoutPortHangs:
    "SESSION ADD without FROM_PORT is never answered, nor anything after it (2.45.1)",
} as const

/** Name of one fault. */
export type Fault = keyof typeof FAULTS

/** Speed, losses and faults; mutable, and read live. */
export interface Knobs {
  /** One way, in milliseconds. */
  latencyMs: number
  /** Each direction of each stream, and each destination's datagrams; 0 means without limit. */
  bandwidthBytesPerSecond: number
  /** 0 to 1: chance that a datagram is lost, or that a piece of a stream has to be sent again. */
  loss: number
  /** How long SESSION CREATE takes; 20,000 or 40,000 on i2pd 2.45.1. */
  sessionCreateMs: number
  /** 0 to 1: share of CONNECTs that the fault `refuse` refuses. */
  refuseChance: number
  /** Each stream is cut after about so many bytes (half to one and a half of it, by chance); 0: never. */
  cutAfterBytes: number
  /** What the fault `noBackpressure` queues for one direction of a stream before it is cut. */
  floodBytesMax: number
  /** `.b32.i2p` of destinations that nobody finds, as if their LeaseSet was not published; they dial, and their streams stay. */
  unpublished: Set<string>
  faults: Set<Fault>
}

/** A fast, faultless network. Each call gives knobs of its own. */
export function defaultKnobs(changes: Partial<Knobs> = {}): Knobs {
  return {
    latencyMs: 0,
    bandwidthBytesPerSecond: 0,
    loss: 0,
    sessionCreateMs: 0,
    refuseChance: 1,
    cutAfterBytes: 0,
    floodBytesMax: 64 * 1024 * 1024,
    ...changes,
    unpublished: new Set(changes.unpublished),
    faults: new Set(changes.faults),
  }
}

/** True when bytes cannot simply be passed on. */
export function isShaped(knobs: Knobs): boolean {
  return knobs.latencyMs > 0 || knobs.bandwidthBytesPerSecond > 0 || knobs.loss > 0
}

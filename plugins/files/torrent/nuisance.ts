/**
 * How many messages a peer may send that bring nothing: enough for a fast swarm, not for keeping us busy.
 *
 * @module
 */
import { AlliumError } from "allium/plugin"
import type { PeerWords } from "./peer-reader.ts"

/** At once: somebody who has fetched long tells all its new pieces. */
const NUISANCE_BURST = 4_096
/** And so many a second: pieces of 256 KiB at 50 MB/s. */
const NUISANCE_PER_SECOND = 200

/** What is paid for otherwise: blocks were asked for, and requests wait in a queue of their own. */
const FREE: ReadonlySet<PeerWords["kind"]> = new Set(["handshake", "piece", "request", "reject"])

/** Counts for one connection. */
export class Nuisance {
  #count = 0
  #at: number

  /** @param now - Milliseconds of a clock that does not jump. */
  constructor(now: number) {
    this.#at = now
  }

  /**
   * A message came.
   *
   * @throws {AlliumError} `PEER_PROTOCOL` when there were too many.
   */
  hear(kind: PeerWords["kind"], now: number): void {
    if (!FREE.has(kind)) this.add(now)
  }

  /** Something came that brings nothing: a request that we reject, a block that we throw away. */
  add(now: number): void {
    const faded = ((now - this.#at) * NUISANCE_PER_SECOND) / 1_000
    this.#count = Math.max(0, this.#count - faded) + 1
    this.#at = now
    if (this.#count > NUISANCE_BURST)
      throw new AlliumError("PEER_PROTOCOL", "Cannot listen to a peer: it sends too many messages")
  }
}

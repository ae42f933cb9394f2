/**
 * Gives places to peers by name: all streams of one peer are served, or none.
 *
 * @module
 */
import { type ChokePeer, Choker, ROUND_MS } from "../torrent/choker.ts"
import type { PeerSession } from "./session.ts"

/** For one torrent. */
export class Choking {
  readonly #choker: Choker
  #roundAt: number

  constructor(options: { chance: () => number; slots?: number | undefined; now: number }) {
    const { chance, slots, now } = options
    this.#choker = new Choker({ chance, ...(slots !== undefined && { slots }) })
    this.#roundAt = now
  }

  /** Call it about once a second, and whenever somebody begins or ends to want something. */
  decide(sessions: readonly PeerSession[], isSeeding: boolean, now: number): void {
    const isRound = now - this.#roundAt >= ROUND_MS
    const peers = [...gather(sessions).values()]
    const chosen = this.#choker[isRound ? "round" : "refill"](peers, isSeeding)
    // First those who lose a place: nobody may have one too many.
    for (const session of sessions) if (!chosen.has(session.peer.name)) session.serve(false)
    for (const session of sessions) if (chosen.has(session.peer.name)) session.serve(true)
    if (!isRound) return
    this.#roundAt = now
    for (const session of sessions) session.gave = 0
  }
}

function gather(sessions: readonly PeerSession[]): Map<string, ChokePeer> {
  const peers = new Map<string, ChokePeer>()
  for (const { peer, isInterested, gave, up } of sessions) {
    const before = peers.get(peer.name)
    peers.set(peer.name, {
      id: peer.name,
      isInterested: isInterested || before?.isInterested === true,
      gave: gave + (before?.gave ?? 0),
      got: up.bytes + (before?.got ?? 0),
    })
  }
  return peers
}

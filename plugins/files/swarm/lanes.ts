/**
 * Several streams of one peer, or the same stream dialled from both sides at once: which of them stay.
 *
 * @module
 */
import type { PeerSession } from "./session.ts"

/** Streams opened within this time were perhaps dialled by both at once. */
const SAME_TIME_MS = 90_000

/**
 * Which stream of a peer to end when there is one too many; both sides come to the same answer when both dialled.
 *
 * @param sessions - Of one name, shaken, the newest last.
 * @param ownId - Our peer id, 20 bytes.
 */
export function oneTooMany(
  sessions: readonly PeerSession[],
  ownId: Uint8Array,
  now: number,
): PeerSession | undefined {
  const newest = sessions.at(-1)
  if (newest === undefined) return undefined
  const isCrossed = sessions.some(
    ({ peer, vigil }) => peer.outgoing !== newest.peer.outgoing && vigil.ageMs(now) < SAME_TIME_MS,
  )
  // The dialler with the greater peer id keeps its streams.
  const oursStay = Buffer.compare(ownId, newest.peerId ?? ownId) > 0
  if (isCrossed) return sessions.findLast(({ peer }) => peer.outgoing !== oursStay)
  // Who comes again has lost the others: the one that is silent longest is most likely dead.
  const others = sessions.slice(0, -1)
  return others.sort((a, b) => b.vigil.silentMs(now) - a.vigil.silentMs(now))[0]
}

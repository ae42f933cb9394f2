/**
 * The facts of a swarm, put together.
 *
 * @module
 */
import type { Metainfo } from "../torrent/metainfo.ts"
import type { Content } from "./content.ts"
import type { PeerSession } from "./session.ts"
import type { SwarmStage, SwarmState } from "./types.ts"
import type { Wishes } from "./wishes.ts"

/** What it is made of. */
interface StateParts {
  readonly stage: SwarmStage
  readonly code: string | undefined
  readonly metainfo: Metainfo | undefined
  readonly content: Content | undefined
  readonly wanted: Wishes
  readonly sessions: readonly PeerSession[]
  readonly facts: Pick<
    SwarmState,
    "downBytes" | "upBytes" | "downRate" | "upRate" | "seedingMs" | "downloads" | "bans"
  >
}

/** A copy of everything. */
export function stateOf(parts: StateParts): SwarmState {
  const { stage, code, metainfo, content, wanted, sessions, facts } = parts
  const have = content?.download.have
  return {
    stage,
    ...(code !== undefined && { code }),
    size: metainfo?.geometry.size ?? 0,
    pieceCount: metainfo?.geometry.pieceCount ?? 0,
    piecesHere: have?.count ?? 0,
    bytesHere: content === undefined ? 0 : bytesHere(content),
    bytesWanted: metainfo === undefined ? 0 : wanted.bytesWanted(metainfo),
    wastedBytes: content?.wastedBytes ?? 0,
    ...facts,
    peers: sessions.filter(({ isShaken }) => isShaken).map((session) => session.state()),
  }
}

/** Only the last piece may be shorter. */
function bytesHere({ download: { have, geometry } }: Content): number {
  if (have.count === 0) return 0
  const last = geometry.pieceCount - 1
  const missing = have.has(last) ? geometry.pieceBytes - geometry.lengthOf(last) : 0
  return have.count * geometry.pieceBytes - missing
}

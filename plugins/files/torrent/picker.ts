/**
 * Which block to ask a peer for next.
 *
 * Every peer fetches pieces of its own while there are some: that way a wrong piece names its sender, and different peers get
 * different pieces soon. Pieces in the window of a preview come first and are shared. At the end, what others were asked for long
 * ago is asked of a second peer as well.
 *
 * @module
 */
import type { ActivePiece } from "./active-piece.ts"
import type { DownloadPeer } from "./download-peer.ts"
import type { DownloadState } from "./download-state.ts"

/** Pieces under way at once; beyond, those must be filled first. */
const ACTIVE_PIECES_MAX = 1_024
/** Pieces under way for each peer; beyond, those that lie about come before new ones. */
const ACTIVE_PER_PEER = 3
/** Peers asked for the same block at the end. */
const DUPLICATES_MAX = 2
/** A block is asked of a second peer when the first has had this long, and the second one's round trip. */
const DUPLICATE_AFTER_MS = 1_000

/** A block of a piece that is under way. */
export interface Picked {
  readonly active: ActivePiece
  /** The block's number in its piece. */
  readonly number: number
}

/** Chooses; the only thing it changes is which pieces are under way, and for whom. */
export class Picker {
  readonly #state: DownloadState

  constructor(state: DownloadState) {
    this.#state = state
  }

  /** The next block for the peer; `undefined` when there is none for it now. */
  pick(peer: DownloadPeer, now: number): Picked | undefined {
    if (peer.useful === 0) return undefined
    const active =
      this.#inWindow(peer) ??
      this.#open(peer, ({ owner }) => owner === peer.id) ??
      this.#orphanOrNew(peer) ??
      this.#open(peer, ({ isAlone }) => !isAlone)
    const number = active?.firstFree()
    if (active !== undefined && number !== undefined) return { active, number }
    return this.#duplicate(peer, now)
  }

  /** The first piece of the window that has something to ask for. */
  #inWindow(peer: DownloadPeer): ActivePiece | undefined {
    const { window, active, order } = this.#state
    for (let piece = window.from; piece < window.to; piece++) {
      const begun = active.get(piece)
      if (begun !== undefined && this.#mayFetch(peer, begun)) return begun
      if (order.has(piece) && peer.pieces.has(piece)) return this.#state.begin(peer, piece)
    }
    return undefined
  }

  /** A piece under way with free blocks. */
  #open(peer: DownloadPeer, fits: (active: ActivePiece) => boolean): ActivePiece | undefined {
    for (const active of this.#state.active.values())
      if (active.freeCount > 0 && fits(active) && this.#mayFetch(peer, active)) {
        if (this.#isOrphan(active)) active.owner = peer.id
        return active
      }
    return undefined
  }

  /** What nobody goes on with, or a new piece: the rarer of both; but what was begun is not left lying everywhere. */
  #orphanOrNew(peer: DownloadPeer): ActivePiece | undefined {
    const { active, peers, order } = this.#state
    const fresh = this.#fresh(peer)
    const isCrowded = active.size > ACTIVE_PER_PEER * peers.size
    const rank = fresh === undefined || isCrowded ? Number.POSITIVE_INFINITY : order.rank(fresh)
    return (
      this.#open(peer, (begun) => this.#isOrphan(begun) && order.rank(begun.piece) <= rank) ??
      (fresh === undefined ? undefined : this.#state.begin(peer, fresh))
    )
  }

  /** The piece that comes next of those the peer has. */
  #fresh(peer: DownloadPeer): number | undefined {
    if (peer.fresh === 0 || this.#state.active.size >= ACTIVE_PIECES_MAX) return undefined
    for (const piece of this.#state.order.pieces()) if (peer.pieces.has(piece)) return piece
    return undefined
  }

  #isOrphan({ owner }: ActivePiece): boolean {
    return owner === undefined || !this.#state.isServing(owner)
  }

  #mayFetch(peer: DownloadPeer, active: ActivePiece): boolean {
    if (active.freeCount === 0 || !peer.pieces.has(active.piece)) return false
    if (!active.isAlone) return true
    if (!this.#isOrphan(active)) return active.owner === peer.id
    const suspects = this.#state.blame.suspects(active.piece)
    return !suspects.has(peer.id) || !this.#hasOther(active.piece, suspects)
  }

  /** Somebody who serves us has the piece, and is not among `suspects`. */
  #hasOther(piece: number, suspects: ReadonlySet<string>): boolean {
    for (const { id, pieces } of this.#state.peers.values())
      if (!suspects.has(id) && pieces.has(piece) && this.#state.isServing(id)) return true
    return false
  }

  /** At the end: the block of another peer that waits longest, when we may well be faster. */
  #duplicate(peer: DownloadPeer, now: number): Picked | undefined {
    if (this.#state.order.count > 0) return undefined
    let best: Picked | undefined
    let bestAt = now - Math.max(DUPLICATE_AFTER_MS, peer.depth.tripMs)
    for (const other of this.#state.peers.values())
      for (const [index, { sentAt }] of other.requests) {
        if (sentAt >= bestAt) break
        const found = this.#state.find(index)
        if (peer.requests.has(index) || !this.#mayDuplicate(peer, found)) continue
        best = found
        bestAt = sentAt
        break
      }
    return best
  }

  #mayDuplicate(peer: DownloadPeer, found: ReturnType<DownloadState["find"]>): found is Picked {
    const { active, number } = found
    if (active === undefined || active.isAlone || !peer.pieces.has(active.piece)) return false
    return active.askedOf(number) < DUPLICATES_MAX
  }
}

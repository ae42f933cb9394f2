/**
 * What a download knows: pieces it has, wants and has under way, and the peers. Shared by the parts of one download, and by nobody else.
 *
 * @module
 */
import { ActivePiece } from "./active-piece.ts"
import { Bitfield } from "./bitfield.ts"
import { Blame } from "./blame.ts"
import type { DownloadPeer } from "./download-peer.ts"
import type { Block, Geometry } from "./geometry.ts"
import { PieceOrder } from "./piece-order.ts"
import type { Progress } from "./resume.ts"

/** One download. A block's index counts the blocks of the torrent, as if all pieces were as long as the first. */
export class DownloadState {
  readonly geometry: Geometry
  /** Pieces that are right. */
  readonly have: Bitfield
  /** Pieces that are to be had; those that are skipped are clear. */
  readonly wanted: Bitfield
  /** Pieces that are wanted, missing, and not under way. */
  readonly order: PieceOrder
  readonly active = new Map<number, ActivePiece>()
  readonly peers = new Map<string, DownloadPeer>()
  readonly blame = new Blame()
  /** Pieces somebody is looking at. */
  window = { from: 0, to: 0 }
  /** Wanted pieces that we have not. */
  #missing = 0
  readonly #chance: () => number

  /** Owns `progress`. */
  constructor(geometry: Geometry, chance: () => number, progress: Progress | undefined) {
    this.geometry = geometry
    this.#chance = chance
    this.have = progress?.have ?? new Bitfield(geometry.pieceCount)
    this.wanted = Bitfield.full(geometry.pieceCount)
    this.order = new PieceOrder(geometry.pieceCount)
    for (const [piece, here] of progress?.partial ?? [])
      if (!this.have.has(piece))
        this.active.set(piece, new ActivePiece(piece, geometry.blocksOf(piece), here))
    this.refill()
  }

  /** A copy. */
  progress(): Progress {
    const copy = (bits: Bitfield) => Bitfield.from(bits.toBytes(), bits.length)
    const begun = [...this.active.values()].filter(({ here }) => here.count > 0)
    return {
      have: copy(this.have),
      partial: new Map(begun.map(({ piece, here }) => [piece, copy(here)])),
    }
  }

  /** After what is wanted has changed. */
  refill(): void {
    const missing = [...this.wanted.indices()].filter((piece) => !this.have.has(piece))
    this.#missing = missing.length
    this.order.fill(
      missing.filter((piece) => !this.active.has(piece)),
      this.#chance,
    )
    for (const peer of this.peers.values()) this.count(peer)
  }

  /** Counts anew what the peer has for us. */
  count(peer: DownloadPeer): void {
    peer.useful = peer.isSeed ? this.#missing : 0
    peer.fresh = peer.isSeed ? this.order.count : 0
    if (peer.isSeed) return
    for (const piece of peer.pieces.indices()) {
      if (this.#isMissing(piece)) peer.useful++
      if (this.order.has(piece)) peer.fresh++
    }
  }

  /** The peer has one more piece. */
  gains(peer: DownloadPeer, piece: number): void {
    if (!peer.pieces.set(piece)) return
    this.order.more(piece)
    if (this.#isMissing(piece)) peer.useful++
    if (this.order.has(piece)) peer.fresh++
  }

  /** The peer has not what it said it has. */
  loses(peer: DownloadPeer, piece: number): void {
    if (peer.isSeed) {
      peer.isSeed = false
      for (const each of peer.pieces.indices()) this.order.more(each)
    }
    if (!peer.pieces.clear(piece)) return
    this.order.fewer(piece)
    if (this.#isMissing(piece)) peer.useful--
    if (this.order.has(piece)) peer.fresh--
  }

  /** A new piece is under way, for this peer. */
  begin(peer: DownloadPeer, piece: number): ActivePiece {
    const active = new ActivePiece(piece, this.geometry.blocksOf(piece))
    active.owner = peer.id
    this.active.set(piece, active)
    this.order.remove(piece)
    for (const other of this.peers.values()) if (other.pieces.has(piece)) other.fresh--
    return active
  }

  /** A piece is right. */
  finish(piece: number): void {
    this.active.delete(piece)
    if (!this.have.set(piece) || !this.wanted.has(piece)) return
    this.#missing--
    for (const peer of this.peers.values()) if (peer.pieces.has(piece)) peer.useful--
  }

  /** Nobody waits any more for a block from the peer. */
  release(peer: DownloadPeer, index: number): void {
    const { active, number } = this.find(index)
    active?.release(number)
    peer.drop(index)
  }

  releaseAll(peer: DownloadPeer): void {
    for (const index of [...peer.requests.keys()]) this.release(peer, index)
  }

  isServing(id: string): boolean {
    const peer = this.peers.get(id)
    return peer !== undefined && !peer.isChoking && !peer.isSnubbed
  }

  /** @returns `undefined` when there is no such block. */
  indexOf(block: Block): number | undefined {
    const number = this.geometry.numberOf(block)
    return number === undefined ? undefined : block.piece * this.geometry.blocksPerPiece + number
  }

  blockAt(index: number): Block {
    const { blocksPerPiece } = this.geometry
    return this.geometry.block(Math.floor(index / blocksPerPiece), index % blocksPerPiece)
  }

  /** The piece a block belongs to, when it is under way, and the block's number there. */
  find(index: number): { readonly active: ActivePiece | undefined; readonly number: number } {
    const { blocksPerPiece } = this.geometry
    const active = this.active.get(Math.floor(index / blocksPerPiece))
    return { active, number: index % blocksPerPiece }
  }

  #isMissing(piece: number): boolean {
    return this.wanted.has(piece) && !this.have.has(piece)
  }
}

/**
 * Fetching a torrent: what to ask whom, and what to make of what comes. Events and times in, requests and verdicts out.
 *
 * Every peer fetches pieces of its own while there are some: that way a wrong piece names its sender, and different peers get
 * different pieces soon. Pieces in the window of a preview come first and are shared. At the end, what others were asked for long
 * ago is asked of a second peer as well.
 *
 * Memory depends on the number of pieces (about 13 bytes each) and on the blocks of those under way, not on the torrent's size.
 *
 * @module
 */
import { AlliumError } from "allium/plugin"
import { ActivePiece } from "./active-piece.ts"
import { Bitfield } from "./bitfield.ts"
import { Blame } from "./blame.ts"
import { DownloadPeer } from "./download-peer.ts"
import type { Block, Geometry } from "./geometry.ts"
import { PieceOrder, type Priority } from "./piece-order.ts"
import type { Progress } from "./resume.ts"

/** Pieces under way at once; beyond, those must be filled first. */
const ACTIVE_PIECES_MAX = 1_024
/** Pieces under way for each peer; beyond, those that lie about come before new ones. */
const ACTIVE_PER_PEER = 3
/** Peers asked for the same block at the end. */
const DUPLICATES_MAX = 2
/** A block is asked of a second peer when the first has had this long, and the second one's round trip. */
const DUPLICATE_AFTER_MS = 1_000

/** A block that one peer is not to send any more. */
export interface Cancel {
  readonly peer: string
  readonly block: Block
}

/** What became of a block that came. */
export type Taken =
  /** To be thrown away: it is here already, or was never asked for. */
  | { readonly kind: "not wanted" }
  /** To be written. When it fills its piece, hash that and call {@linkcode Download.settle}. */
  | { readonly kind: "wanted"; readonly cancels: readonly Cancel[]; readonly filled?: number }

/** One torrent. Peers are named by whatever stays the same when they come again, for bans. */
export class Download {
  readonly geometry: Geometry
  readonly #have: Bitfield
  /** Pieces that are to be had; those that are skipped are clear. */
  readonly #wanted: Bitfield
  readonly #order: PieceOrder
  readonly #active = new Map<number, ActivePiece>()
  readonly #peers = new Map<string, DownloadPeer>()
  readonly #blame = new Blame()
  readonly #chance: () => number
  /** Wanted pieces that we have not. */
  #missing = 0
  #window = { from: 0, to: 0 }

  /** @param options.chance - 0 to 1. `options.progress` is owned by the download from now on. */
  constructor(
    geometry: Geometry,
    options: { readonly chance: () => number; readonly progress?: Progress | undefined },
  ) {
    this.geometry = geometry
    this.#chance = options.chance
    this.#have = options.progress?.have ?? new Bitfield(geometry.pieceCount)
    this.#wanted = Bitfield.full(geometry.pieceCount)
    this.#order = new PieceOrder(geometry.pieceCount)
    for (const [piece, here] of options.progress?.partial ?? [])
      if (!this.#have.has(piece))
        this.#active.set(piece, new ActivePiece(piece, geometry.blocksOf(piece), here))
    this.#refill()
  }

  /** Pieces that are right. Not to be changed. */
  get have(): Bitfield {
    return this.#have
  }

  /** Nothing that is wanted is missing. */
  get isComplete(): boolean {
    return this.#order.count === 0 && this.#active.size === 0
  }

  /** Pieces that were filled before a restart and are to be hashed, then settled. */
  get filled(): number[] {
    return [...this.#active.values()].filter(({ isFilled }) => isFilled).map(({ piece }) => piece)
  }

  /** What is there now; see `encodeProgress` for when to store it. */
  progress(): Progress {
    const begun = [...this.#active.values()].filter(({ here }) => here.count > 0)
    return {
      have: Bitfield.from(this.#have.toBytes(), this.#have.length),
      partial: new Map(
        begun.map(({ piece, here }) => [piece, Bitfield.from(here.toBytes(), here.length)]),
      ),
    }
  }

  /** How much the pieces `[from, to)` are wanted. What is under way already is finished. */
  setPriority(
    { from, to }: { readonly from: number; readonly to: number },
    priority: Priority,
  ): void {
    for (let piece = from; piece < to; piece++) {
      if (priority === "skip") this.#wanted.clear(piece)
      else {
        this.#wanted.set(piece)
        this.#order.setPriority(piece, priority)
      }
    }
    this.#refill()
    for (const peer of this.#peers.values()) this.#count(peer)
  }

  /** The pieces `[from, to)` come first, in order: those somebody is looking at. Keep it short, and move it on. */
  setWindow(window: { readonly from: number; readonly to: number }): void {
    this.#window = { from: window.from, to: Math.min(window.to, this.geometry.pieceCount) }
  }

  join(peer: string): void {
    if (this.#peers.has(peer)) throw new RangeError("A peer joins once")
    this.#peers.set(peer, new DownloadPeer(peer, this.geometry.pieceCount))
  }

  /** The peer is gone; what it was asked for is asked of others. */
  leave(id: string): void {
    const peer = this.#peers.get(id)
    if (peer === undefined) return
    this.#releaseAll(peer)
    this.#peers.delete(id)
    if (!peer.isSeed) for (const piece of peer.pieces.indices()) this.#order.fewer(piece)
  }

  /**
   * What the peer has, said once, before anything else: its bitfield, "have all" as a full one.
   *
   * @throws {AlliumError} `PEER_PROTOCOL` when it says it again.
   */
  say(id: string, pieces: Bitfield): void {
    const peer = this.#peer(id)
    if (peer.hasSaid) throw new AlliumError("PEER_PROTOCOL", "Cannot read bitfield: it came twice")
    peer.hasSaid = true
    peer.isSeed = pieces.isFull
    if (peer.isSeed) peer.pieces.fill()
    for (const piece of peer.isSeed ? [] : pieces.indices())
      if (peer.pieces.set(piece)) this.#order.more(piece)
    this.#count(peer)
  }

  /**
   * The peer has one more piece.
   *
   * @throws {AlliumError} `PEER_PROTOCOL` when there is no such piece.
   */
  has(id: string, piece: number): void {
    const peer = this.#peer(id)
    if (piece >= this.geometry.pieceCount)
      throw new AlliumError("PEER_PROTOCOL", "Cannot read have: there is no such piece")
    peer.hasSaid = true
    if (!peer.pieces.set(piece)) return
    this.#order.more(piece)
    if (this.#isMissing(piece)) peer.useful++
    if (this.#order.has(piece)) peer.fresh++
  }

  /** Whether the peer has what we want: whether we are interested. */
  isUseful(id: string): boolean {
    return this.#peer(id).useful > 0
  }

  /** How many requests the peer says it bears. */
  bears(id: string, requestsMax: number): void {
    this.#peer(id).requestsMax = requestsMax
  }

  /** @param isFast - It rejects each request itself, or still answers it (BEP 6). */
  choked(id: string, isFast: boolean): void {
    const peer = this.#peer(id)
    peer.isChoking = true
    if (!isFast) this.#releaseAll(peer)
  }

  unchoked(id: string): void {
    this.#peer(id).isChoking = false
  }

  /** The peer will not send the block. Unless it chokes us, it seems not to have the piece at all. */
  rejected(id: string, block: Block): void {
    const peer = this.#peer(id)
    const index = this.#indexOf(block)
    if (index === undefined || !peer.requests.has(index)) return
    this.#release(peer, index)
    if (!peer.isChoking) this.#lacks(peer, block.piece)
  }

  /**
   * What to ask the peer for now. Call it whenever something came from it, when it unchokes, and about once a second.
   *
   * @param now - Milliseconds of a clock that does not jump.
   */
  requests(id: string, now: number): Block[] {
    const peer = this.#peer(id)
    const blocks: Block[] = []
    for (let room = peer.room(now); room > 0; room--) {
      const next = this.#next(peer, now)
      if (next === undefined) break
      next.active.owner ??= id
      next.active.ask(next.block)
      peer.ask(next.active.piece * this.geometry.blocksPerPiece + next.block, now)
      blocks.push(this.geometry.block(next.active.piece, next.block))
    }
    return blocks
  }

  /**
   * A block came.
   *
   * @throws {AlliumError} `PEER_PROTOCOL` for one that does not exist, and when the peer sends many that nobody asked for.
   */
  take(id: string, block: Block, now: number): Taken {
    const peer = this.#peer(id)
    const index = this.#indexOf(block)
    if (index === undefined)
      throw new AlliumError("PEER_PROTOCOL", "Cannot take block: there is no such block")
    const number = index % this.geometry.blocksPerPiece
    const active = this.#active.get(block.piece)
    if (peer.requests.has(index)) active?.release(number)
    if (!peer.came(index, block.length, now)) return { kind: "not wanted" }
    if (active === undefined || active.here.has(number)) return { kind: "not wanted" }
    if (active.isAlone && active.owner !== id) return { kind: "not wanted" }
    active.put(number, id)
    const cancels = this.#cancelOthers(active, number, index)
    return { kind: "wanted", cancels, ...(active.isFilled && { filled: block.piece }) }
  }

  /** Whether {@linkcode settle} needs digests of the piece's blocks even if it is right: it was wrong before. */
  needsDigests(piece: number): boolean {
    return this.#blame.isOpen(piece)
  }

  /**
   * A filled piece was hashed.
   *
   * @param digests - SHA-1 of each block, 20 bytes each, one after the other: when the piece is wrong, or {@linkcode needsDigests}.
   * @returns Peers that lied: to be left, closed, and not let in again.
   */
  settle(piece: number, isRight: boolean, digests?: Uint8Array): string[] {
    const active = this.#active.get(piece)
    if (!active?.isFilled) throw new RangeError("Only a filled piece can be settled")
    if (!isRight) {
      const liars = this.#blame.wrong(piece, active.sources, digests)
      active.empty()
      active.isAlone = true
      return liars
    }
    this.#active.delete(piece)
    if (this.#have.set(piece) && this.#wanted.has(piece)) {
      this.#missing--
      for (const peer of this.#peers.values()) if (peer.pieces.has(piece)) peer.useful--
    }
    return this.#blame.right(piece, digests)
  }

  /** Gives up requests that take too long, so that others are asked. Call it every few seconds. */
  overdue(now: number): Cancel[] {
    return [...this.#peers.values()].flatMap((peer) =>
      peer.overdue(now).map((index) => {
        this.#release(peer, index)
        return { peer: peer.id, block: this.#blockAt(index) }
      }),
    )
  }

  /** For showing: best rate in bytes per second, and shortest round trip in milliseconds, of late. */
  pace(id: string): {
    readonly bytesPerSecond: number
    readonly tripMs: number
    readonly out: number
  } {
    const { depth, requests } = this.#peer(id)
    return { bytesPerSecond: depth.bytesPerSecond, tripMs: depth.tripMs, out: requests.size }
  }

  #next(peer: DownloadPeer, now: number): { active: ActivePiece; block: number } | undefined {
    if (peer.useful === 0) return undefined
    const active =
      this.#inWindow(peer) ??
      this.#open(peer, ({ owner }) => owner === peer.id) ??
      this.#orphanOrNew(peer) ??
      this.#open(peer, ({ isAlone }) => !isAlone)
    const block = active?.firstFree()
    if (active !== undefined && block !== undefined) return { active, block }
    return this.#duplicate(peer, now)
  }

  /** The first piece of the window that has something to ask for. */
  #inWindow(peer: DownloadPeer): ActivePiece | undefined {
    for (let piece = this.#window.from; piece < this.#window.to; piece++) {
      const active = this.#active.get(piece)
      if (active !== undefined && this.#mayFetch(peer, active)) return active
      if (active === undefined && this.#order.has(piece) && peer.pieces.has(piece))
        return this.#begin(peer, piece)
    }
    return undefined
  }

  /** A piece under way with free blocks. */
  #open(peer: DownloadPeer, fits: (active: ActivePiece) => boolean): ActivePiece | undefined {
    for (const active of this.#active.values())
      if (active.freeCount > 0 && fits(active) && this.#mayFetch(peer, active)) {
        if (active.owner === undefined || !this.#isServing(active.owner)) active.owner = peer.id
        return active
      }
    return undefined
  }

  /** What nobody goes on with, or a new piece: the rarer of both; but what was begun is not left lying everywhere. */
  #orphanOrNew(peer: DownloadPeer): ActivePiece | undefined {
    const fresh = this.#fresh(peer)
    const isCrowded = this.#active.size > ACTIVE_PER_PEER * this.#peers.size
    const rank =
      fresh === undefined || isCrowded ? Number.POSITIVE_INFINITY : this.#order.rank(fresh)
    const isOrphan = ({ owner, piece }: ActivePiece) =>
      (owner === undefined || !this.#isServing(owner)) && this.#order.rank(piece) <= rank
    return (
      this.#open(peer, isOrphan) ?? (fresh === undefined ? undefined : this.#begin(peer, fresh))
    )
  }

  #mayFetch(peer: DownloadPeer, active: ActivePiece): boolean {
    if (active.freeCount === 0 || !peer.pieces.has(active.piece)) return false
    if (!active.isAlone) return true
    if (active.owner !== undefined && this.#isServing(active.owner)) return active.owner === peer.id
    const suspects = this.#blame.suspects(active.piece)
    return !suspects.has(peer.id) || !this.#hasOther(active.piece, suspects)
  }

  /** Somebody who serves us has the piece, and is not among `suspects`. */
  #hasOther(piece: number, suspects: ReadonlySet<string>): boolean {
    for (const { id, pieces } of this.#peers.values())
      if (!suspects.has(id) && pieces.has(piece) && this.#isServing(id)) return true
    return false
  }

  #isServing(id: string): boolean {
    const peer = this.#peers.get(id)
    return peer !== undefined && !peer.isChoking && !peer.isSnubbed
  }

  /** The piece that comes next of those the peer has. */
  #fresh(peer: DownloadPeer): number | undefined {
    if (peer.fresh === 0 || this.#active.size >= ACTIVE_PIECES_MAX) return undefined
    for (const piece of this.#order.pieces()) if (peer.pieces.has(piece)) return piece
    return undefined
  }

  #begin(peer: DownloadPeer, piece: number): ActivePiece {
    const active = new ActivePiece(piece, this.geometry.blocksOf(piece))
    active.owner = peer.id
    this.#active.set(piece, active)
    this.#order.remove(piece)
    for (const other of this.#peers.values()) if (other.pieces.has(piece)) other.fresh--
    return active
  }

  /** At the end: the block of another peer that waits longest, when we may well be faster. */
  #duplicate(peer: DownloadPeer, now: number): { active: ActivePiece; block: number } | undefined {
    if (this.#order.count > 0) return undefined
    let best: { active: ActivePiece; block: number } | undefined
    let bestAt = now - Math.max(DUPLICATE_AFTER_MS, peer.depth.tripMs)
    for (const other of this.#peers.values())
      for (const [index, { sentAt }] of other.requests) {
        if (sentAt >= bestAt) break
        const active = this.#active.get(Math.floor(index / this.geometry.blocksPerPiece))
        const block = index % this.geometry.blocksPerPiece
        if (active === undefined || active.isAlone || !peer.pieces.has(active.piece)) continue
        if (peer.requests.has(index) || active.askedOf(block) >= DUPLICATES_MAX) continue
        best = { active, block }
        bestAt = sentAt
        break
      }
    return best
  }

  #cancelOthers(active: ActivePiece, number: number, index: number): Cancel[] {
    const cancels: Cancel[] = []
    if (active.askedOf(number) === 0) return cancels
    for (const other of this.#peers.values())
      if (other.requests.has(index)) {
        active.release(number)
        other.drop(index)
        cancels.push({ peer: other.id, block: this.#blockAt(index) })
      }
    return cancels
  }

  #releaseAll(peer: DownloadPeer): void {
    for (const index of [...peer.requests.keys()]) this.#release(peer, index)
  }

  #release(peer: DownloadPeer, index: number): void {
    const active = this.#active.get(Math.floor(index / this.geometry.blocksPerPiece))
    active?.release(index % this.geometry.blocksPerPiece)
    peer.drop(index)
  }

  /** The peer has not what it said it has. */
  #lacks(peer: DownloadPeer, piece: number): void {
    if (peer.isSeed) {
      peer.isSeed = false
      for (const each of peer.pieces.indices()) this.#order.more(each)
    }
    if (!peer.pieces.clear(piece)) return
    this.#order.fewer(piece)
    if (this.#isMissing(piece)) peer.useful--
    if (this.#order.has(piece)) peer.fresh--
  }

  #isMissing(piece: number): boolean {
    return this.#wanted.has(piece) && !this.#have.has(piece)
  }

  #count(peer: DownloadPeer): void {
    peer.useful = peer.isSeed ? this.#missing : 0
    peer.fresh = peer.isSeed ? this.#order.count : 0
    if (peer.isSeed) return
    for (const piece of peer.pieces.indices()) {
      if (this.#isMissing(piece)) peer.useful++
      if (this.#order.has(piece)) peer.fresh++
    }
  }

  #refill(): void {
    const missing = [...this.#wanted.indices()].filter((piece) => !this.#have.has(piece))
    const left = missing.filter((piece) => !this.#active.has(piece))
    this.#missing = missing.length
    this.#order.fill(left, this.#chance)
  }

  #indexOf(block: Block): number | undefined {
    const number = this.geometry.numberOf(block)
    return number === undefined ? undefined : block.piece * this.geometry.blocksPerPiece + number
  }

  #blockAt(index: number): Block {
    const perPiece = this.geometry.blocksPerPiece
    return this.geometry.block(Math.floor(index / perPiece), index % perPiece)
  }

  #peer(id: string): DownloadPeer {
    const peer = this.#peers.get(id)
    if (peer === undefined) throw new RangeError("The peer has not joined")
    return peer
  }
}

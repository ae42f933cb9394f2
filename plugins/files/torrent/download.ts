/**
 * Fetching a torrent: what to ask whom, and what to make of what comes. Events and times in, requests and verdicts out.
 *
 * Memory depends on the number of pieces (about 13 bytes each) and on the blocks of those under way, not on the torrent's size.
 *
 * @module
 */
import { AlliumError } from "allium/plugin"
import type { ActivePiece } from "./active-piece.ts"
import type { Bitfield } from "./bitfield.ts"
import { DownloadPeer } from "./download-peer.ts"
import { DownloadState } from "./download-state.ts"
import type { Block, Geometry } from "./geometry.ts"
import { Picker } from "./picker.ts"
import type { Priority } from "./piece-order.ts"
import type { Progress } from "./resume.ts"

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
  readonly #state: DownloadState
  readonly #picker: Picker

  /** @param options.chance - 0 to 1. `options.progress` is owned by the download from now on. */
  constructor(
    geometry: Geometry,
    options: { readonly chance: () => number; readonly progress?: Progress | undefined },
  ) {
    this.geometry = geometry
    this.#state = new DownloadState(geometry, options.chance, options.progress)
    this.#picker = new Picker(this.#state)
  }

  /** Pieces that are right. Not to be changed. */
  get have(): Bitfield {
    return this.#state.have
  }

  /** Nothing that is wanted is missing. */
  get isComplete(): boolean {
    return this.#state.order.count === 0 && this.#state.active.size === 0
  }

  /** Pieces that were filled before a restart and are to be hashed, then settled. */
  get filled(): number[] {
    const active = [...this.#state.active.values()]
    return active.filter(({ isFilled }) => isFilled).map(({ piece }) => piece)
  }

  /** What is there now, a copy; see `encodeProgress` for when to store it. */
  progress(): Progress {
    return this.#state.progress()
  }

  /** How much the pieces `[from, to)` are wanted. What is under way already is finished. */
  setPriority(
    { from, to }: { readonly from: number; readonly to: number },
    priority: Priority,
  ): void {
    const { wanted, order } = this.#state
    for (let piece = from; piece < to; piece++) {
      if (priority === "skip") wanted.clear(piece)
      else {
        wanted.set(piece)
        order.setPriority(piece, priority)
      }
    }
    this.#state.refill()
  }

  /** The pieces `[from, to)` come first, in order: those somebody is looking at. Keep it short, and move it on. */
  setWindow({ from, to }: { readonly from: number; readonly to: number }): void {
    this.#state.window = { from, to: Math.min(to, this.geometry.pieceCount) }
  }

  /** @param first - Blocks it is asked for at once, before anything is known of the way; see {@linkcode RequestDepth}. */
  join(peer: string, first?: number): void {
    if (this.#state.peers.has(peer)) throw new RangeError("A peer joins once")
    this.#state.peers.set(peer, new DownloadPeer(peer, this.geometry.pieceCount, first))
  }

  /** The peer is gone; what it was asked for is asked of others. */
  leave(id: string): void {
    const peer = this.#state.peers.get(id)
    if (peer === undefined) return
    this.#state.releaseAll(peer)
    this.#state.peers.delete(id)
    if (!peer.isSeed) for (const piece of peer.pieces.indices()) this.#state.order.fewer(piece)
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
      if (peer.pieces.set(piece)) this.#state.order.more(piece)
    this.#state.count(peer)
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
    this.#state.gains(peer, piece)
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
    if (!isFast) this.#state.releaseAll(peer)
  }

  unchoked(id: string): void {
    this.#peer(id).isChoking = false
  }

  /** The peer will not send the block. Unless it chokes us, it seems not to have the piece at all. */
  rejected(id: string, block: Block): void {
    const peer = this.#peer(id)
    const index = this.#state.indexOf(block)
    if (index === undefined || !peer.requests.has(index)) return
    this.#state.release(peer, index)
    if (!peer.isChoking) this.#state.loses(peer, block.piece)
  }

  /**
   * What to ask the peer for now. Call it whenever something came from it, when it unchokes, and about once a second.
   *
   * @param now - Milliseconds of a clock that does not jump.
   * @param most - Blocks at most, this time.
   */
  requests(id: string, now: number, most = Number.POSITIVE_INFINITY): Block[] {
    const peer = this.#peer(id)
    const blocks: Block[] = []
    for (let room = Math.min(most, peer.room(now)); room > 0; room--) {
      const picked = this.#picker.pick(peer, now)
      if (picked === undefined) break
      const { active, number } = picked
      active.ask(number)
      peer.ask(active.piece * this.geometry.blocksPerPiece + number, now)
      blocks.push(this.geometry.block(active.piece, number))
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
    const index = this.#state.indexOf(block)
    if (index === undefined)
      throw new AlliumError("PEER_PROTOCOL", "Cannot take block: there is no such block")
    const { active, number } = this.#state.find(index)
    if (peer.requests.has(index)) active?.release(number)
    if (!peer.came(index, block.length, now)) return { kind: "not wanted" }
    if (active === undefined || active.here.has(number)) return { kind: "not wanted" }
    if (active.isAlone && active.owner !== id) return { kind: "not wanted" }
    active.put(number, id)
    const cancels = this.#cancelOthers(active, number, index)
    return { kind: "wanted", cancels, ...(active.isFilled && { filled: block.piece }) }
  }

  /** A block that was taken could not be written: it is to be asked for again. */
  lose(block: Block): void {
    const index = this.#state.indexOf(block)
    if (index === undefined) return
    const { active, number } = this.#state.find(index)
    active?.lose(number)
  }

  /** Whether all blocks of the piece have come, and it is to be hashed and settled. */
  isFilled(piece: number): boolean {
    return this.#state.active.get(piece)?.isFilled ?? false
  }

  /** How many pieces the peer has. */
  countOf(id: string): number {
    return this.#peer(id).pieces.count
  }

  /** Whether {@linkcode settle} needs digests of the piece's blocks even if it is right: it was wrong before. */
  needsDigests(piece: number): boolean {
    return this.#state.blame.isOpen(piece)
  }

  /**
   * A filled piece was hashed.
   *
   * @param digests - SHA-1 of each block, 20 bytes each, one after the other: when the piece is wrong, or {@linkcode needsDigests}.
   * @returns Peers that lied: to be left, closed, and not let in again.
   */
  settle(piece: number, isRight: boolean, digests?: Uint8Array): string[] {
    const { active: pieces, blame } = this.#state
    const active = pieces.get(piece)
    if (!active?.isFilled) throw new RangeError("Only a filled piece can be settled")
    if (isRight) {
      this.#state.finish(piece)
      return blame.right(piece, digests)
    }
    const liars = blame.wrong(piece, active.sources, digests)
    active.empty()
    active.isAlone = true
    return liars
  }

  /** Gives up requests that take too long, so that others are asked. Call it every few seconds. */
  overdue(now: number): Cancel[] {
    return [...this.#state.peers.values()].flatMap((peer) =>
      peer.overdue(now).map((index) => {
        this.#state.release(peer, index)
        return { peer: peer.id, block: this.#state.blockAt(index) }
      }),
    )
  }

  /** For showing: best rate in bytes per second and shortest round trip of late, and blocks on the way. */
  pace(id: string): {
    readonly bytesPerSecond: number
    readonly tripMs: number
    readonly out: number
  } {
    const { depth, requests } = this.#peer(id)
    return { bytesPerSecond: depth.bytesPerSecond, tripMs: depth.tripMs, out: requests.size }
  }

  #cancelOthers(active: ActivePiece, number: number, index: number): Cancel[] {
    const cancels: Cancel[] = []
    if (active.askedOf(number) === 0) return cancels
    for (const other of this.#state.peers.values())
      if (other.requests.has(index)) {
        this.#state.release(other, index)
        cancels.push({ peer: other.id, block: this.#state.blockAt(index) })
      }
    return cancels
  }

  #peer(id: string): DownloadPeer {
    const peer = this.#state.peers.get(id)
    if (peer === undefined) throw new RangeError("The peer has not joined")
    return peer
  }
}

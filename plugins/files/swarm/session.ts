/**
 * One stream to one peer, from the first byte to the last: what it says is understood here, and answered.
 *
 * Reading stops while too much waits for the disk, and nothing is written that the stream does not take.
 *
 * @module
 */
import type { Duplex } from "node:stream"
import { AlliumError, forget, isAlliumError, isReturning } from "allium/plugin"
import { BLOCK_BYTES, type Block } from "../torrent/geometry.ts"
import { encodeHandshake, type Handshake } from "../torrent/handshake.ts"
import { encodeMessage, type PeerMessage } from "../torrent/message.ts"
import { Nuisance } from "../torrent/nuisance.ts"
import { PeerReader, type PeerWords } from "../torrent/peer-reader.ts"
import type { Content } from "./content.ts"
import { Extensions, type ExtensionsHost } from "./extensions.ts"
import { Flow } from "./flow.ts"
import { extendedGreeting, piecesGreeting } from "./greeting.ts"
import { Outbox } from "./outbox.ts"
import { encodeRequests } from "./requests.ts"
import { TheirPieces } from "./their-pieces.ts"
import type { Gate } from "./throttle.ts"
import type { PeerEnd, PeerState, SwarmPeer } from "./types.ts"
import { Uploads } from "./uploads.ts"
import { type StreamFacts, Vigil } from "./vigil.ts"

/** Blocks a node of our own is asked for before anything is known of the way: they fill any stream of i2pd. */
const REQUESTS_FIRST_OWN = 64
/** Words whose bytes somebody may keep. */
const KEPT: ReadonlySet<PeerWords["kind"]> = new Set(["extended", "bitfield"])
/** Pieces told one by one to a peer that came before we knew what the pieces are. */
const LATE_HAVE_MAX = 1_024

/** What a session needs of its swarm. */
export interface SessionHost extends ExtensionsHost {
  readonly infohash: Uint8Array
  readonly peerId: Uint8Array
  readonly content: Content | undefined
  readonly up: Gate
  readonly down: Gate
  /** Whether blocks are asked for now. */
  readonly isAsking: boolean
  /** The handshake is done; may end this session or another one. */
  shaken(session: PeerSession): void
  /** Somebody wants something now, or wants nothing any more. */
  interestChanged(): void
  ended(session: PeerSession, why: PeerEnd): void
  /** So many bytes of blocks came or went. */
  moved(direction: "down" | "up", byteCount: number): void
  /** The peer got something. */
  gave(session: PeerSession): void
  failed(error: unknown): void
}

/** Owns its stream. */
export class PeerSession {
  readonly id: string
  readonly peer: SwarmPeer
  readonly down: Flow
  readonly up: Flow
  /** It wants what we have; a node of our own until it says otherwise. */
  isInterested: boolean
  /** We serve it. */
  isServed = false
  /** Bytes it gave since the last round of choking. */
  gave = 0
  readonly vigil: Vigil
  readonly extensions: Extensions
  readonly #host: SessionHost
  readonly #stream: Duplex
  readonly #outbox: Outbox
  readonly #reader = new PeerReader()
  readonly #theirPieces: TheirPieces
  readonly #nuisance: Nuisance
  #uploads: Uploads | undefined
  #theirs: Handshake | undefined
  #hasGreeted = false
  #hasToldPieces = false
  #isChokingUs = true
  #areWeInterested = false
  #ended: PeerEnd | undefined
  #hadAll: boolean | undefined
  #leaveLine: (() => void) | undefined
  #isPaused = false
  #willAsk = false

  constructor(id: string, stream: Duplex, peer: SwarmPeer, host: SessionHost) {
    const now = host.clock.monotonicMs()
    this.id = id
    this.peer = peer
    this.isInterested = peer.isOwn === true
    this.down = new Flow(now)
    this.up = new Flow(now)
    this.vigil = new Vigil(now)
    this.#host = host
    this.#theirPieces = new TheirPieces(id)
    this.#stream = stream
    this.#nuisance = new Nuisance(now)
    this.#outbox = new Outbox(stream, () => this.end("slow"))
    this.extensions = new Extensions(this, host)
  }

  /** Begins. Call it when the swarm knows the session. */
  start(): void {
    const stream = this.#stream
    if (this.#host.content !== undefined) this.attach(this.#host.content)
    for (const event of ["end", "close", "error"]) stream.on(event, () => this.end("ended"))
    if (stream.destroyed) this.end("ended")
    if (this.isEnded) return
    // As plain bytes: what is sliced of a Buffer is no copy, and would keep all of it in memory.
    const isOurs = isReturning(stream)
    stream.on("data", ({ buffer, byteOffset, length }: Uint8Array) => {
      const chunk = new Uint8Array(buffer, byteOffset, length)
      if (!this.#onData(chunk) && isOurs) forget(chunk)
    })
    if (this.peer.outgoing) this.#shake(this.#host.content !== undefined)
    if (this.peer.outgoing && this.peer.isOwn) this.#greet(true, this.#host.content !== undefined)
    stream.resume()
  }

  get isShaken(): boolean {
    return this.#theirs !== undefined
  }

  get isEnded(): boolean {
    return this.#ended !== undefined
  }

  /** 20 bytes; known after the handshake. */
  get peerId(): Uint8Array | undefined {
    return this.#theirs?.peerId
  }

  /** Pieces are known from now on: what was said before counts. */
  attach(content: Content): void {
    const { download } = content
    download.join(this.id, this.peer.isOwn ? REQUESTS_FIRST_OWN : undefined)
    if (this.peer.isOwn) download.bears(this.id, REQUESTS_FIRST_OWN)
    this.extensions.attach(download)
    const host = this.#host
    this.#uploads = new Uploads({
      store: content.store,
      geometry: download.geometry,
      outbox: this.#outbox,
      gate: host.up,
      has: (piece) => download.have.has(piece),
      isEnded: () => this.isEnded,
      sent: (byteCount) => {
        this.up.bytes += byteCount
        host.moved("up", byteCount)
        host.gave(this)
        this.vigil.said(host.clock.monotonicMs())
      },
      failed: (error) => host.failed(error),
    })
    if (!this.isShaken) return
    this.#guard(() => this.#catchUp(content))
  }

  /** One more piece is right. */
  tell(piece: number): void {
    if (this.#hasToldPieces) this.say({ kind: "have", piece })
  }

  say(message: PeerMessage): void {
    if (this.isEnded) return
    this.vigil.said(this.#host.clock.monotonicMs())
    this.#outbox.send(encodeMessage(message))
  }

  /** Says anew what we are: the metainfo is known, or everything is here. */
  introduce(): void {
    if (this.#theirs?.isExtended) this.#sayExtended()
  }

  /** From now on it is served, or not. */
  serve(isServed: boolean): void {
    if (this.isServed === isServed) return
    this.isServed = isServed
    if (!this.#hasGreeted) return
    this.say({ kind: isServed ? "unchoke" : "choke" })
    if (!isServed) for (const block of this.#uploads?.clear() ?? []) this.#reject(block)
  }

  /** Nobody waits for the block any more. */
  cancel(block: Block): void {
    this.say({ kind: "cancel", ...block })
  }

  /** Asks for what is wanted now, as far as limits allow. */
  ask(): void {
    const { content, down } = this.#host
    if (content === undefined || !this.isShaken || this.isEnded) return
    const isUseful = content.download.isUseful(this.id)
    if (isUseful !== this.#areWeInterested) {
      this.#areWeInterested = isUseful
      this.say({ kind: isUseful ? "interested" : "not interested" })
    }
    if (!isUseful || this.#isChokingUs || !this.#host.isAsking) return
    if (!down.isOpen) {
      this.#leaveLine ??= down.wait(() => {
        this.#leaveLine = undefined
        this.ask()
      })
      return
    }
    const most = Math.max(1, Math.floor(down.turnBytes / BLOCK_BYTES))
    const now = this.#host.clock.monotonicMs()
    const blocks = content.download.requests(this.id, now, most)
    if (blocks.length === 0) return
    down.spend(blocks.reduce((sum, { length }) => sum + length, 0))
    this.vigil.said(now)
    this.#outbox.send(encodeRequests(blocks))
    if (most !== Number.POSITIVE_INFINITY) this.ask()
  }

  /** Call it about once a second. */
  tick(now: number): void {
    this.down.tick(now)
    this.up.tick(now)
    const facts = this.#facts()
    const verdict = this.vigil.verdict(facts, now)
    if (verdict !== undefined) this.end(verdict)
    if (!this.isShaken || this.isEnded) return
    this.extensions.tick(now)
    this.ask()
    if (this.vigil.needsWord(facts, now) && !this.#outbox.isBlocked)
      this.say({ kind: "keep-alive" })
  }

  /** Ends the stream; the first reason counts. */
  end(why: PeerEnd): void {
    if (this.isEnded) return
    this.#hadAll = this.#hasAllNow
    this.#ended = why
    this.#leaveLine?.()
    this.#uploads?.end()
    this.#host.content?.download.leave(this.id)
    if (why === "done") this.#stream.end(() => this.#stream.destroy())
    else this.#stream.destroy()
    this.#host.ended(this, why)
  }

  state(): PeerState {
    const { content } = this.#host
    const pace = this.isEnded ? undefined : content?.download.pace(this.id)
    const { client } = this.extensions
    return {
      name: this.peer.name,
      outgoing: this.peer.outgoing,
      isOwn: this.peer.isOwn === true,
      ...(client && { client }),
      pieces: this.pieceCount,
      isChokingUs: this.#isChokingUs,
      isChoked: !this.isServed,
      isInterested: this.isInterested,
      areWeInterested: this.#areWeInterested,
      downBytes: this.down.bytes,
      upBytes: this.up.bytes,
      downRate: this.down.rate,
      upRate: this.up.rate,
      out: pace?.out ?? 0,
      tripMs: pace?.tripMs ?? 0,
    }
  }

  /** Pieces it has. */
  get pieceCount(): number {
    return (!this.isEnded && this.#host.content?.download.countOf(this.id)) || 0
  }

  /** It has everything, or had when it ended. */
  get hasAll(): boolean {
    return this.#hadAll ?? this.#hasAllNow
  }

  get #hasAllNow(): boolean {
    const { content } = this.#host
    return content !== undefined && this.pieceCount === content.download.geometry.pieceCount
  }

  #facts(): StreamFacts {
    const { content } = this.#host
    const out = content === undefined || this.#isChokingUs ? 0 : content.download.pace(this.id).out
    const owed = this.#uploads?.count ?? 0
    const isComplete = content?.isComplete === true
    const isIdle = owed === 0 && this.#outbox.isEmpty
    return {
      isShaken: this.isShaken,
      isOwn: this.peer.isOwn === true,
      out,
      owed,
      isBlocked: this.#outbox.isBlocked,
      isDone: isComplete && content.download.have.isFull && this.hasAll && isIdle,
      isUnwanted: isComplete && !this.isInterested && isIdle,
    }
  }

  /** @returns Whether somebody may still look at the bytes. */
  #onData(chunk: Uint8Array): boolean {
    if (this.isEnded) return false
    const now = this.#host.clock.monotonicMs()
    let isKept = false
    this.vigil.heard(now)
    this.#guard(() => {
      for (const words of this.#reader.push(chunk)) {
        isKept ||= KEPT.has(words.kind)
        this.#nuisance.hear(words.kind, now)
        this.#hear(words, now)
        if (this.isEnded) return
      }
    })
    this.#askSoon()
    this.#regulate()
    return isKept
  }

  /** Once for all that comes in this turn of the event loop: each write costs more than what it says. */
  #askSoon(): void {
    if (this.#willAsk) return
    this.#willAsk = true
    setImmediate(() => {
      this.#willAsk = false
      this.ask()
    })
  }

  #regulate(): void {
    const { content } = this.#host
    if (content === undefined || !content.isFull || this.#isPaused || this.isEnded) return
    this.#isPaused = true
    this.#stream.pause()
    content.whenRoom(() => {
      this.#isPaused = false
      if (!this.isEnded) this.#stream.resume()
    })
  }

  /** Whoever breaks the rules is left. */
  #guard(deed: () => void): void {
    try {
      deed()
    } catch (error) {
      if (!isAlliumError(error) || error.code !== "PEER_PROTOCOL") this.#host.failed(error)
      this.end("broken rules")
    }
  }

  #shake(isFast: boolean): void {
    const { infohash, peerId } = this.#host
    this.#outbox.send(encodeHandshake({ infohash, peerId, isExtended: true, isFast }))
  }

  /** Everything after the handshake that need not be asked for. */
  #greet(isExtended: boolean, isFast: boolean): void {
    this.#hasGreeted = true
    const { content } = this.#host
    if (isExtended) this.#sayExtended()
    if (content !== undefined) this.#tellPieces(content, isFast)
    if (this.isServed) this.say({ kind: "unchoke" })
    if (!this.peer.isOwn || content === undefined || content.isComplete) return
    this.#areWeInterested = true
    this.say({ kind: "interested" })
  }

  #sayExtended(): void {
    const { metainfo, tells, content, client } = this.#host
    const isUploadOnly = content?.isComplete === true
    this.#outbox.send(extendedGreeting({ metainfo, tells, isUploadOnly, client }))
  }

  #tellPieces({ download }: Content, isFast: boolean): void {
    this.#hasToldPieces = true
    const bytes = piecesGreeting(download, isFast)
    if (bytes !== undefined) this.#outbox.send(bytes)
  }

  /** The metainfo became known while we spoke. */
  #catchUp(content: Content): void {
    const { download } = content
    if (!this.#hasToldPieces) {
      this.#hasToldPieces = true
      // So many would be taken for a flood; the next stream begins with all of them.
      if (download.have.count > LATE_HAVE_MAX) this.end("closed")
      for (const piece of download.have.indices()) this.say({ kind: "have", piece })
    }
    if (this.isEnded) return
    if (!this.#isChokingUs) download.unchoked(this.id)
    this.#theirPieces.catchUp(download)
    this.ask()
  }

  #hear(words: PeerWords, now: number): void {
    const { content } = this.#host
    switch (words.kind) {
      case "handshake":
        this.#hearHandshake(words.handshake)
        break
      case "piece":
        this.#hearPiece(words, now)
        break
      case "request":
      case "cancel":
      case "reject":
        this.#hearOfBlock(words.kind, words, now)
        break
      case "extended":
        if (this.#theirs?.isExtended) this.extensions.hear(words.id, words.payload, now)
        break
      case "interested":
      case "not interested":
        this.isInterested = words.kind === "interested"
        this.#host.interestChanged()
        break
      case "choke":
        this.#isChokingUs = true
        content?.download.choked(this.id, this.#isFast)
        break
      case "unchoke":
        this.#isChokingUs = false
        content?.download.unchoked(this.id)
        break
      default:
        this.#theirPieces.hear(words, content?.download)
    }
  }

  #hearOfBlock(kind: "request" | "cancel" | "reject", block: Block, now: number): void {
    if (kind === "request") this.#hearRequest(block, now)
    else if (kind === "reject") this.#host.content?.download.rejected(this.id, block)
    else if (this.#uploads?.cancel(block)) this.#reject(block)
  }

  get #isFast(): boolean {
    return this.#theirs?.isFast === true && this.#host.content !== undefined
  }

  #hearHandshake(theirs: Handshake): void {
    const { infohash, peerId, content } = this.#host
    if (!Buffer.from(theirs.infohash).equals(infohash))
      throw new AlliumError("PEER_PROTOCOL", "Cannot read handshake: it is for another torrent")
    if (Buffer.from(theirs.peerId).equals(peerId)) {
      // Ourselves.
      this.end("ended")
      return
    }
    this.#theirs = theirs
    if (!this.peer.outgoing) this.#shake(content !== undefined)
    if (!this.#hasGreeted) this.#greet(theirs.isExtended, theirs.isFast && content !== undefined)
    this.#host.shaken(this)
  }

  #hearPiece(words: PeerMessage & { kind: "piece" }, now: number): void {
    const { content } = this.#host
    if (content === undefined)
      throw new AlliumError("PEER_PROTOCOL", "Cannot take block: nobody asked for it")
    const { piece, begin, bytes } = words
    this.down.bytes += bytes.length
    this.#host.moved("down", bytes.length)
    const block = { piece, begin, length: bytes.length }
    if (content.take(this.id, block, bytes, now)) this.gave += bytes.length
    else this.#nuisance.add(now)
  }

  #hearRequest(block: Block, now: number): void {
    if (this.isServed && this.#uploads?.add(block)) return
    this.#nuisance.add(now)
    this.#reject(block)
  }

  #reject({ piece, begin, length }: Block): void {
    if (this.#isFast) this.say({ kind: "reject", piece, begin, length })
  }
}

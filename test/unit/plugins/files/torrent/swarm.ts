/**
 * A swarm in memory: nodes made of the plugin's own parts, messages as bytes, and a network with delays and rates. Time is simulated.
 */
import { createHash } from "node:crypto"
import { Bitfield } from "../../../../../plugins/files/torrent/bitfield.ts"
import { Choker, ROUND_MS } from "../../../../../plugins/files/torrent/choker.ts"
import { Download } from "../../../../../plugins/files/torrent/download.ts"
import {
  BLOCK_BYTES,
  type Block,
  type Geometry,
} from "../../../../../plugins/files/torrent/geometry.ts"
import { encodeHandshake } from "../../../../../plugins/files/torrent/handshake.ts"
import { encodeMessage, type PeerMessage } from "../../../../../plugins/files/torrent/message.ts"
import { PeerReader, type PeerWords } from "../../../../../plugins/files/torrent/peer-reader.ts"
import { UploadQueue } from "../../../../../plugins/files/torrent/upload-queue.ts"

/** Events in order of time, and in order of coming at the same time. */
export class Timeline {
  now = 0
  readonly #events = new Map<number, (() => void)[]>()
  readonly #times: number[] = []

  at(time: number, event: () => void): void {
    time = Math.max(this.now, Math.ceil(time))
    const together = this.#events.get(time)
    if (together !== undefined) together.push(event)
    else {
      this.#events.set(time, [event])
      const after = this.#times.findLastIndex((other) => other > time)
      this.#times.splice(after + 1, 0, time)
    }
  }

  /** Runs until `isOver`, or until `untilMs`. */
  run(untilMs: number, isOver: () => boolean): void {
    while (!isOver() && this.now < untilMs) {
      const time = this.#times.pop()
      if (time === undefined) return
      this.now = time
      // Events may add events at the same time.
      const events = this.#events.get(time)!
      for (let next = 0; next < events.length; next++) events[next]!()
      this.#events.delete(time)
      if (this.#times.at(-1) === time) this.#times.pop()
    }
  }
}

export interface SwarmOptions {
  readonly geometry: Geometry
  readonly content: Uint8Array
  readonly hashes: Uint8Array
  /** One way, in milliseconds. */
  readonly delayMs: number
  readonly chance: () => number
}

/** What a node sends instead of a block. */
export type Lie = (block: Uint8Array) => Uint8Array

interface Conn {
  readonly other: SwarmNode
  readonly reader: PeerReader
  readonly queue: UploadQueue
  isOpen: boolean
  serves: boolean
  asked: boolean
  isInterested: boolean
  gave: number
  got: number
}

export class SwarmNode {
  readonly id: string
  readonly download: Download
  readonly data: Uint8Array
  readonly banned = new Set<string>()
  wrongPieces = 0
  sentBytes = 0
  finishedAt: number | undefined
  isGone = false
  readonly conns = new Map<string, Conn>()
  readonly #time: Timeline
  readonly #swarm: SwarmOptions
  readonly #choker: Choker
  readonly #lie: Lie | undefined
  readonly #bytesPerSecond: number
  #isSending = false

  constructor(
    id: string,
    time: Timeline,
    swarm: SwarmOptions,
    role: { readonly isSeed?: boolean; readonly lie?: Lie; readonly bytesPerSecond: number },
  ) {
    this.id = id
    this.#time = time
    this.#swarm = swarm
    this.#lie = role.lie
    this.#bytesPerSecond = role.bytesPerSecond
    this.#choker = new Choker({ chance: swarm.chance })
    const hasAll = role.isSeed || role.lie !== undefined
    const { pieceCount } = swarm.geometry
    const have = hasAll ? Bitfield.full(pieceCount) : new Bitfield(pieceCount)
    this.download = new Download(swarm.geometry, {
      chance: swarm.chance,
      progress: { have, partial: new Map() },
    })
    this.data = hasAll ? swarm.content.slice() : new Uint8Array(swarm.content.length)
    if (hasAll) this.finishedAt = 0
    this.#every(1_000, () => this.#tick())
    this.#every(ROUND_MS, () => this.#serve("round"))
  }

  /** Both ends. */
  connect(other: SwarmNode): void {
    if (other === this || this.conns.has(other.id) || this.isGone || other.isGone) return
    if (this.banned.has(other.id) || other.banned.has(this.id)) return
    for (const [a, b] of [
      [this, other],
      [other, this],
    ] as const)
      a.#open(b)
  }

  disconnect(id: string): void {
    const conn = this.conns.get(id)
    if (conn === undefined) return
    this.#close(id)
    conn.other.#close(this.id)
  }

  leave(): void {
    for (const id of [...this.conns.keys()]) this.disconnect(id)
    this.isGone = true
  }

  #open(other: SwarmNode): void {
    const queue = new UploadQueue(this.#swarm.geometry)
    const flags = {
      isOpen: true,
      serves: false,
      asked: false,
      isInterested: false,
      gave: 0,
      got: 0,
    }
    this.conns.set(other.id, { other, reader: new PeerReader(), queue, ...flags })
    this.download.join(other.id)
    this.download.bears(other.id, 256)
    const peerId = Buffer.from(this.id.padEnd(20).slice(0, 20))
    const hello = { infohash: new Uint8Array(20), peerId, isExtended: true, isFast: true }
    this.#sendBytes(this.conns.get(other.id)!, encodeHandshake(hello))
    const { have } = this.download
    if (have.isFull) this.#send(other.id, { kind: "have all" })
    else if (have.count === 0) this.#send(other.id, { kind: "have none" })
    else this.#send(other.id, { kind: "bitfield", bits: have.toBytes() })
  }

  #close(id: string): void {
    const conn = this.conns.get(id)
    if (conn === undefined) return
    conn.isOpen = false
    this.conns.delete(id)
    this.download.leave(id)
  }

  #send(id: string, message: PeerMessage): void {
    const conn = this.conns.get(id)
    if (conn !== undefined) this.#sendBytes(conn, encodeMessage(message))
  }

  #sendBytes(conn: Conn, bytes: Uint8Array): void {
    this.#time.at(this.#time.now + this.#swarm.delayMs, () => {
      if (conn.isOpen) conn.other.#receive(this.id, bytes)
    })
  }

  #receive(id: string, bytes: Uint8Array): void {
    const conn = this.conns.get(id)
    if (conn === undefined) return
    for (const word of conn.reader.push(bytes)) this.#hear(id, conn, word)
    if (conn.isOpen) this.#ask(id)
  }

  #hear(id: string, conn: Conn, word: PeerWords): void {
    const { download } = this
    const { pieceCount } = download.geometry
    switch (word.kind) {
      case "have all":
        download.say(id, Bitfield.full(pieceCount))
        return
      case "have none":
        download.say(id, new Bitfield(pieceCount))
        return
      case "bitfield":
        download.say(id, Bitfield.from(word.bits, pieceCount))
        return
      case "have":
        download.has(id, word.piece)
        return
      case "choke":
        download.choked(id, true)
        return
      case "unchoke":
        download.unchoked(id)
        return
      case "interested":
        conn.isInterested = true
        return
      case "not interested":
        conn.isInterested = false
        return
      case "request":
        if (!conn.serves || !conn.queue.add(word, (piece) => download.have.has(piece)))
          this.#send(id, { ...word, kind: "reject" })
        this.#upload()
        return
      case "cancel":
        if (conn.queue.cancel(word)) this.#send(id, { ...word, kind: "reject" })
        return
      case "reject":
        download.rejected(id, word)
        return
      case "piece":
        this.#take(id, conn, word)
        return
    }
  }

  #take(id: string, conn: Conn, { piece, begin, bytes }: PeerMessage & { kind: "piece" }): void {
    conn.gave += bytes.length
    const block = { piece, begin, length: bytes.length }
    const taken = this.download.take(id, block, this.#time.now)
    if (taken.kind !== "wanted") return
    const { pieceBytes } = this.#swarm.geometry
    this.data.set(bytes, piece * pieceBytes + begin)
    for (const cancel of taken.cancels) this.#send(cancel.peer, { kind: "cancel", ...cancel.block })
    if (taken.filled !== undefined) this.#settle(taken.filled)
  }

  #settle(piece: number): void {
    const { geometry, hashes } = this.#swarm
    const start = piece * geometry.pieceBytes
    const bytes = this.data.subarray(start, start + geometry.lengthOf(piece))
    const hash = createHash("sha1").update(bytes).digest()
    const isRight = hash.equals(hashes.subarray(piece * 20, piece * 20 + 20))
    const digests = isRight && !this.download.needsDigests(piece) ? undefined : digestBlocks(bytes)
    for (const liar of this.download.settle(piece, isRight, digests)) {
      this.banned.add(liar)
      this.disconnect(liar)
    }
    if (!isRight) {
      this.wrongPieces++
      return
    }
    for (const id of this.conns.keys()) this.#send(id, { kind: "have", piece })
    if (this.download.isComplete) this.finishedAt ??= this.#time.now
  }

  #ask(id: string): void {
    const conn = this.conns.get(id)
    if (conn === undefined || this.#lie !== undefined) return
    const isUseful = this.download.isUseful(id)
    if (isUseful !== conn.asked)
      this.#send(id, { kind: isUseful ? "interested" : "not interested" })
    conn.asked = isUseful
    for (const block of this.download.requests(id, this.#time.now))
      this.#send(id, { kind: "request", ...block })
  }

  #tick(): void {
    for (const { peer, block } of this.download.overdue(this.#time.now))
      this.#send(peer, { kind: "cancel", ...block })
    for (const id of this.conns.keys()) this.#ask(id)
    this.#serve("refill")
  }

  #serve(when: "round" | "refill"): void {
    const peers = [...this.conns].map(([id, { isInterested, gave, got }]) => ({
      id,
      isInterested,
      gave,
      got,
    }))
    const served =
      this.#lie === undefined
        ? this.#choker[when](peers, this.download.isComplete)
        : new Set(peers.map(({ id }) => id))
    for (const [id, conn] of this.conns) {
      if (when === "round") conn.gave = 0
      if (served.has(id) === conn.serves) continue
      conn.serves = served.has(id)
      this.#send(id, { kind: conn.serves ? "unchoke" : "choke" })
      if (!conn.serves)
        for (const block of conn.queue.clear()) this.#send(id, { kind: "reject", ...block })
    }
  }

  /** One block after the other goes out, of each peer in turn. */
  #upload(): void {
    if (this.#isSending) return
    for (const [id, conn] of this.conns) {
      const block = conn.queue.next()
      if (block === undefined) continue
      this.#isSending = true
      conn.got += block.length
      this.sentBytes += block.length
      const sentAt = this.#time.now + (block.length / this.#bytesPerSecond) * 1_000
      this.#time.at(sentAt, () => {
        this.#send(id, { kind: "piece", ...block, bytes: this.#read(block) })
        this.#isSending = false
        this.#upload()
      })
      // To the end of the turn.
      this.conns.delete(id)
      this.conns.set(id, conn)
      return
    }
  }

  #read({ piece, begin, length }: Block): Uint8Array {
    const start = piece * this.#swarm.geometry.pieceBytes + begin
    const bytes = this.data.subarray(start, start + length)
    return this.#lie?.(bytes) ?? bytes
  }

  #every(ms: number, deed: () => void): void {
    // Not all at the same moment.
    const again = (delay: number): void =>
      this.#time.at(this.#time.now + delay, () => {
        if (this.isGone) return
        deed()
        again(ms)
      })
    again(ms * (0.5 + this.#swarm.chance() / 2))
  }
}

function digestBlocks(piece: Uint8Array): Uint8Array {
  const digests: Buffer[] = []
  for (let at = 0; at < piece.length; at += BLOCK_BYTES)
    digests.push(
      createHash("sha1")
        .update(piece.subarray(at, at + BLOCK_BYTES))
        .digest(),
    )
  return new Uint8Array(Buffer.concat(digests))
}

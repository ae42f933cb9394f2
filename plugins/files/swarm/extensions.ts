/**
 * What is said in extended messages on one stream: what a peer bears and is, pages of metadata, and other peers.
 *
 * @module
 */
import type { Clock } from "allium/plugin"
import type { Download } from "../torrent/download.ts"
import {
  decodeExtendedHandshake,
  EXTENDED_HANDSHAKE,
  EXTENSION_IDS,
  type ExtendedHandshake,
} from "../torrent/extended.ts"
import type { PeerMessage } from "../torrent/message.ts"
import {
  answerMetadata,
  decodeMetadata,
  encodeMetadata,
  METADATA_PAGE_BYTES,
} from "../torrent/metadata.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import {
  decodePeerExchange,
  EXCHANGE_EVERY_MS,
  EXCHANGED_MAX,
  encodePeerExchange,
} from "../torrent/peer-exchange.ts"
import type { MetadataFetch } from "./metadata-fetch.ts"

/** Peer exchanges that come sooner after another are passed over. */
const EXCHANGE_TAKEN_MS = 30_000
/** How often a peer may ask for all of the metadata. */
const METADATA_TIMES_MAX = 3

/** What extensions need of the swarm. */
export interface ExtensionsHost {
  readonly clock: Clock
  readonly metainfo: Metainfo | undefined
  readonly client: string | undefined
  readonly tells: { readonly metadata: boolean; readonly peers: boolean }
  /** While the metainfo is not known. */
  readonly fetch: MetadataFetch | undefined
  /** SHA-256 of the destinations of those we speak with, as hex. */
  peers(): ReadonlySet<string>
  /** Others told of these. */
  learned(hashes: readonly Uint8Array[]): void
  /** Pages of metadata came. */
  pageCame(peer: string, page: number, bytes: Uint8Array): void
}

/** The stream they are said on. */
export interface ExtensionsStream {
  readonly id: string
  readonly peer: { readonly hash?: Uint8Array }
  say(message: PeerMessage): void
}

/** For one stream. */
export class Extensions {
  readonly #stream: ExtensionsStream
  readonly #host: ExtensionsHost
  #theirs: ExtendedHandshake | undefined
  #download: Download | undefined
  #exchangedAt: number
  #takenAt = Number.NEGATIVE_INFINITY
  /** Of whom it was told. */
  readonly #told = new Set<string>()
  #pagesGiven = 0

  constructor(stream: ExtensionsStream, host: ExtensionsHost) {
    this.#stream = stream
    this.#host = host
    // The first one goes out soon.
    this.#exchangedAt = host.clock.monotonicMs() - EXCHANGE_EVERY_MS
  }

  /** Its own words, cleaned. */
  get client(): string | undefined {
    return this.#theirs?.client
  }

  /** The pieces are known. */
  attach(download: Download): void {
    this.#download = download
    if (this.#theirs !== undefined) download.bears(this.#stream.id, this.#theirs.requestsMax)
  }

  /** @throws {AlliumError} `PEER_PROTOCOL` for what is malformed. */
  hear(id: number, payload: Uint8Array, now: number): void {
    const { tells } = this.#host
    if (id === EXTENDED_HANDSHAKE) this.#hearHandshake(payload)
    else if (id === EXTENSION_IDS.ut_metadata && tells.metadata) this.#hearMetadata(payload)
    else if (id === EXTENSION_IDS.i2p_pex && tells.peers) this.#hearExchange(payload, now)
  }

  /** Call it about once a second. */
  tick(now: number): void {
    this.askMetadata(now)
    if (now - this.#exchangedAt >= EXCHANGE_EVERY_MS) this.#exchange(now)
  }

  /** Asks for pages of metadata, when there are any to ask for. */
  askMetadata(now: number): void {
    for (const page of this.#host.fetch?.requests(this.#stream.id, now) ?? [])
      this.#send("ut_metadata", encodeMetadata({ kind: "request", page }))
  }

  #hearHandshake(payload: Uint8Array): void {
    const theirs = decodeExtendedHandshake(payload)
    this.#theirs = theirs
    this.#download?.bears(this.#stream.id, theirs.requestsMax)
    const { fetch, clock } = this.#host
    if (theirs.metadataBytes === undefined || theirs.ids.ut_metadata === undefined) return
    fetch?.offered(this.#stream.id, theirs.metadataBytes)
    this.askMetadata(clock.monotonicMs())
  }

  #hearMetadata(payload: Uint8Array): void {
    const message = decodeMetadata(payload)
    const { id } = this.#stream
    if (message.kind === "request") this.#givePage(message.page)
    if (message.kind === "reject") this.#host.fetch?.rejected(id, message.page)
    if (message.kind === "data") this.#host.pageCame(id, message.page, message.bytes)
  }

  #givePage(page: number): void {
    const info = this.#host.metainfo?.info
    const pages = Math.ceil((info?.length ?? 0) / METADATA_PAGE_BYTES)
    const isTooOften = this.#pagesGiven++ >= pages * METADATA_TIMES_MAX
    this.#send("ut_metadata", answerMetadata(isTooOften ? undefined : info, page))
  }

  #hearExchange(payload: Uint8Array, now: number): void {
    const { added } = decodePeerExchange(payload)
    if (now - this.#takenAt < EXCHANGE_TAKEN_MS) return
    this.#takenAt = now
    if (added.length > 0) this.#host.learned(added)
  }

  #exchange(now: number): void {
    if (!this.#host.tells.peers || this.#theirs?.ids.i2p_pex === undefined) return
    const own = hexOf(this.#stream.peer.hash)
    const peers = new Set([...this.#host.peers()].filter((hash) => hash !== own))
    const added = [...peers].filter((hash) => !this.#told.has(hash)).slice(0, EXCHANGED_MAX)
    const dropped = [...this.#told].filter((hash) => !peers.has(hash)).slice(0, EXCHANGED_MAX)
    if (added.length + dropped.length === 0) return
    this.#exchangedAt = now
    for (const hash of dropped) this.#told.delete(hash)
    for (const hash of added) this.#told.add(hash)
    const bytes = (hashes: string[]) =>
      hashes.map((hash) => new Uint8Array(Buffer.from(hash, "hex")))
    this.#send("i2p_pex", encodePeerExchange({ added: bytes(added), dropped: bytes(dropped) }))
  }

  #send(extension: keyof typeof EXTENSION_IDS, payload: Uint8Array): void {
    const id = this.#theirs?.ids[extension]
    if (id !== undefined) this.#stream.say({ kind: "extended", id, payload })
  }
}

/** A name for the hash of a destination, where there is one. */
export function hexOf(hash: Uint8Array | undefined): string | undefined {
  return hash && Buffer.from(hash).toString("hex")
}

/**
 * Metadata exchange (BEP 9, `ut_metadata`): the info dictionary of a magnet link, fetched from peers.
 *
 * @see https://www.bittorrent.org/beps/bep_0009.html
 * @module
 */
import { createHash } from "node:crypto"
import { AlliumError } from "allium/plugin"
import { type BencodeReading, decodeBencodeHead } from "./bencode.ts"
import { encodeBencode } from "./bencode-write.ts"
import { asMap, integerOf } from "./members.ts"
import { METAINFO_BYTES_MAX } from "./metainfo.ts"

/** A page of metadata; the last one is shorter. */
export const METADATA_PAGE_BYTES = 16_384
const PAGES_MAX = METAINFO_BYTES_MAX / METADATA_PAGE_BYTES
/** `msg_type`. */
const KINDS = ["request", "data", "reject"] as const

const READING: BencodeReading = {
  code: "PEER_PROTOCOL",
  what: "metadata message",
  order: "any",
  valuesMax: 32,
}

/** What is said about one page. */
export type MetadataMessage =
  | { readonly kind: "request" | "reject"; readonly page: number }
  | {
      readonly kind: "data"
      readonly page: number
      /** Of the whole metadata. Old I2PSnarks said the page's; nothing depends on it. */
      readonly totalBytes: number
      /** A view of what was read. */
      readonly bytes: Uint8Array
    }
  /** Of later versions; to be passed over. */
  | { readonly kind: "unknown" }

/** The payload of an extended message. */
export function encodeMetadata(message: Exclude<MetadataMessage, { kind: "unknown" }>): Uint8Array {
  const isData = message.kind === "data"
  const head = encodeBencode({
    msg_type: KINDS.indexOf(message.kind),
    piece: message.page,
    total_size: isData ? message.totalBytes : undefined,
  })
  return isData ? new Uint8Array(Buffer.concat([head, message.bytes])) : head
}

/** @throws {AlliumError} `PEER_PROTOCOL` when it is malformed, or a page is longer than a page. */
export function decodeMetadata(payload: Uint8Array): MetadataMessage {
  const { value, end } = decodeBencodeHead(payload, READING)
  const map = asMap(value) ?? new Map()
  const type = integerOf(map, "msg_type")
  const page = integerOf(map, "piece", [0, PAGES_MAX - 1])
  const kind = KINDS[type ?? -1]
  if (type !== undefined && kind === undefined) return { kind: "unknown" }
  const bytes = payload.subarray(end)
  const isPage = kind === "data" ? isPageLength(bytes.length) : bytes.length === 0
  if (kind === undefined || page === undefined || !isPage)
    throw new AlliumError("PEER_PROTOCOL", "Cannot read metadata message: its page is malformed")
  if (kind !== "data") return { kind, page }
  return { kind, page, bytes, totalBytes: integerOf(map, "total_size") ?? 0 }
}

const isPageLength = (length: number): boolean => length > 0 && length <= METADATA_PAGE_BYTES

/**
 * The answer to a request for a page of our metadata.
 *
 * @param info - `undefined` when we have none, or give none.
 */
export function answerMetadata(info: Uint8Array | undefined, page: number): Uint8Array {
  const start = page * METADATA_PAGE_BYTES
  if (info === undefined || start >= info.length) return encodeMetadata({ kind: "reject", page })
  const bytes = info.subarray(start, start + METADATA_PAGE_BYTES)
  return encodeMetadata({ kind: "data", page, totalBytes: info.length, bytes })
}

/**
 * The metadata of one torrent while it is fetched. One peer at a time is believed about its length, and when the whole turns
 * out wrong, all of it is forgotten: ask a single peer then, so that it is known who lied.
 */
export class MetadataDraft {
  readonly #infohash: Uint8Array
  #bytes = new Uint8Array()
  #missing = new Set<number>()
  readonly #sources = new Set<string>()

  constructor(infohash: Uint8Array) {
    this.#infohash = infohash
  }

  /** Pages to be asked for, in order; empty before {@linkcode begin}. */
  get missing(): readonly number[] {
    return [...this.#missing]
  }

  get totalBytes(): number {
    return this.#bytes.length
  }

  /** Forgets everything, and expects `totalBytes`: what a peer's extended handshake said. */
  begin(totalBytes: number): void {
    if (totalBytes < 1 || totalBytes > METAINFO_BYTES_MAX)
      throw new RangeError("Metadata has a length within the limits")
    this.#bytes = new Uint8Array(totalBytes)
    this.#missing = new Set(Array(Math.ceil(totalBytes / METADATA_PAGE_BYTES)).keys())
    this.#sources.clear()
  }

  /**
   * Takes a page that was asked for.
   *
   * @returns `wrong` names who sent the pages, when all are there and they are not what the infohash says.
   */
  take(
    peer: string,
    page: number,
    bytes: Uint8Array,
  ):
    | { readonly kind: "more" | "not wanted" }
    | { readonly kind: "whole"; readonly info: Uint8Array }
    | { readonly kind: "wrong"; readonly sources: readonly string[] } {
    const start = page * METADATA_PAGE_BYTES
    const expected = Math.min(METADATA_PAGE_BYTES, this.#bytes.length - start)
    if (!this.#missing.has(page) || bytes.length !== expected) return { kind: "not wanted" }
    this.#missing.delete(page)
    this.#sources.add(peer)
    this.#bytes.set(bytes, start)
    if (this.#missing.size > 0) return { kind: "more" }
    const hash = createHash("sha1").update(this.#bytes).digest()
    if (hash.equals(this.#infohash)) return { kind: "whole", info: this.#bytes }
    const sources = [...this.#sources]
    this.begin(this.#bytes.length)
    return { kind: "wrong", sources }
  }
}

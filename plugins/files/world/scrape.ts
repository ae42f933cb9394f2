/**
 * Scrape: how many have a torrent, without joining them.
 *
 * @see https://www.bittorrent.org/beps/bep_0048.html
 * @module
 */
import { type BencodeReading, decodeBencode } from "../torrent/bencode.ts"
import { type Bencodable, encodeBencode } from "../torrent/bencode-write.ts"
import { asMap, integerOf, mapOf } from "../torrent/members.ts"

/** Torrents one question may name. */
export const SCRAPED_MAX = 64
const QUERY_CHARACTERS_MAX = 8_192
const READING: BencodeReading = { code: "BAD_TRACKER", what: "answer of a tracker", order: "any" }

/** What is counted of one torrent. */
export interface SwarmCounts {
  /** Peers that have everything, and peers that do not. */
  readonly complete: number
  readonly incomplete: number
  /** How often it was fetched whole, as far as the tracker was told. */
  readonly downloaded: number
}

/**
 * Where to ask, and what: the last `announce` of the path becomes `scrape`.
 *
 * @param path - Of the announce URL, with its query.
 * @returns `undefined` when the tracker's path does not allow it, as with I2P's open trackers, whose path is `/a`.
 */
export function scrapeTarget(path: string, infohash: Uint8Array): string | undefined {
  const [way = "", query] = path.split("?", 2)
  const at = way.lastIndexOf("/") + 1
  if (!way.slice(at).startsWith("announce")) return undefined
  const scrape = `${way.slice(0, at)}scrape${way.slice(at + "announce".length)}`
  const escaped = Buffer.from(infohash)
    .toString("hex")
    .replace(/../g, (hex) => `%${hex}`)
  return `${scrape}?${query === undefined ? "" : `${query}&`}info_hash=${escaped}`
}

/**
 * Reads what a tracker counts.
 *
 * @returns `undefined` when it does not know the torrent.
 * @throws {AlliumError} `BAD_TRACKER` for what is no dictionary.
 */
export function decodeScrape(bytes: Uint8Array, infohash: Uint8Array): SwarmCounts | undefined {
  const files = mapOf(asMap(decodeBencode(bytes, READING)) ?? new Map(), "files")
  const found = files && mapOf(files, Buffer.from(infohash).toString("latin1"))
  if (found === undefined) return undefined
  const count = (key: string) => integerOf(found, key) ?? 0
  return {
    complete: count("complete"),
    incomplete: count("incomplete"),
    downloaded: count("downloaded"),
  }
}

/** The torrents a scrape asks for: 20 bytes each, at most 64, each once. */
export function decodeScrapeQuery(query: string): Uint8Array[] {
  const hashes = new Map<string, Uint8Array>()
  for (const field of query.slice(0, QUERY_CHARACTERS_MAX).split("&")) {
    if (!field.startsWith("info_hash=") || hashes.size === SCRAPED_MAX) continue
    const latin1 = unescapeField(field.slice("info_hash=".length))
    if (latin1.length === 20) hashes.set(latin1, new Uint8Array(Buffer.from(latin1, "latin1")))
  }
  return [...hashes.values()]
}

function unescapeField(text: string): string {
  return text
    .replaceAll("+", " ")
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** Writes what our own tracker counts. */
export function encodeScrape(counts: readonly (readonly [Uint8Array, SwarmCounts])[]): Uint8Array {
  const files = counts.map(
    ([infohash, count]) => [Buffer.from(infohash).toString("latin1"), { ...count }] as const,
  )
  return encodeBencode({ files: new Map(files) as never as Bencodable })
}

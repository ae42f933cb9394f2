/**
 * Scrape, as our own tracker answers it: how many have a torrent, for those who do not join them.
 *
 * @see https://www.bittorrent.org/beps/bep_0048.html
 * @module
 */
import { type Bencodable, encodeBencode } from "../torrent/bencode-write.ts"

/** Torrents one question may name. */
export const SCRAPED_MAX = 64
const QUERY_CHARACTERS_MAX = 8_192

/** What is counted of one torrent. */
export interface SwarmCounts {
  /** Peers that have everything, and peers that do not. */
  readonly complete: number
  readonly incomplete: number
  /** How often it was fetched whole, as far as the tracker was told. */
  readonly downloaded: number
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

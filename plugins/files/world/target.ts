/**
 * What `file get` is given: a magnet link, an infohash, a torrent file here, or the address of one inside I2P.
 *
 * @module
 */
import { open } from "node:fs/promises"
import { AlliumError } from "allium/plugin"
import { type Magnet, parseMagnet } from "../torrent/magnet.ts"
import { METAINFO_BYTES_MAX, readTorrent, type Torrent } from "../torrent/metainfo.ts"
import { parseTrackerUrl } from "../torrent/tracker-url.ts"
import { isSecretLink, parseSecretLink, type SecretLink } from "./secret-link.ts"

/** What was meant. */
export type Target =
  | { readonly kind: "secret"; readonly link: SecretLink }
  | { readonly kind: "magnet"; readonly magnet: Magnet }
  /** A path on this machine. */
  | { readonly kind: "file"; readonly path: string }
  /** Inside I2P. */
  | { readonly kind: "url"; readonly url: string }

/**
 * Tells them apart. `maggot://` is what I2PSnark writes: an infohash, and maybe `:` and another hash.
 *
 * @throws {AlliumError} `BAD_MAGNET`; `BAD_INPUT` for an address outside I2P.
 */
export function readTarget(text: string): Target {
  const target = text.trim()
  const [, hash] =
    /^(?:maggot:\/\/)?([0-9a-f]{40}|[a-z2-7]{32})(?::[0-9a-f]{40})?$/i.exec(target) ?? []
  if (hash !== undefined)
    return { kind: "magnet", magnet: parseMagnet(`magnet:?xt=urn:btih:${hash}`) }
  if (isSecretLink(target)) return { kind: "secret", link: parseSecretLink(target) }
  if (/^magnet:/i.test(target)) return { kind: "magnet", magnet: parseMagnet(target) }
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(target)) return { kind: "file", path: target }
  const url = parseTrackerUrl(target)
  if (url !== undefined) return { kind: "url", url: url.url }
  throw new AlliumError("BAD_INPUT", "Cannot get that: its address is not inside I2P")
}

/** @throws {AlliumError} `NOT_FOUND`, `BAD_TORRENT`. */
export async function readTorrentFile(path: string): Promise<Torrent> {
  const file = await open(path, "r").catch(() => {
    throw new AlliumError("NOT_FOUND", "Cannot read torrent: there is no such file")
  })
  try {
    const found = await file.stat()
    if (!found.isFile() || found.size > METAINFO_BYTES_MAX)
      throw new AlliumError("BAD_TORRENT", "Cannot read torrent: it is no file, or too large")
    return readTorrent(new Uint8Array(await file.readFile()))
  } finally {
    await file.close()
  }
}

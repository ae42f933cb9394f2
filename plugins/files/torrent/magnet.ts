/**
 * Magnet links: the infohash of a torrent, its name and its trackers in one line.
 *
 * @see https://www.bittorrent.org/beps/bep_0009.html
 * @module
 */
import { AlliumError, decodeBase32, encodeBase32 } from "allium/plugin"
import { parseTrackerUrl, trackerUrls } from "./tracker-url.ts"

/** Longest link: a name and some trackers need a few hundred characters. */
const MAGNET_CHARACTERS_MAX = 16_384
/** Trackers one link may name; more are left out. */
const TRACKERS_MAX = 32
/** Peers one link may name; more are left out. */
const PEERS_MAX = 16
const PEER = /^[a-z2-7]{52}\.b32\.i2p(?::\d{1,5})?$/i
/** Characters of the name that are kept. */
const NAME_CHARACTERS_MAX = 200

/** What a magnet link says. */
export interface Magnet {
  /** 20 bytes. */
  readonly infohash: Uint8Array
  /** Somebody's words: for showing, not for a file. */
  readonly name?: string
  /** Announce URLs inside I2P; others are left out. */
  readonly trackers: readonly string[]
  /** Who has it: SHA-256 of destinations, 32 bytes each. */
  readonly peers?: readonly Uint8Array[]
}

/**
 * Reads `magnet:?xt=urn:btih:…` with 40 characters of hex or 32 of base32, and `dn` and `tr`.
 *
 * `ws` and `xs` name addresses on the clearnet: a link that needs them is read without them. So does `x.pe` elsewhere; here it
 * is `….b32.i2p`, and other programs pass it over.
 *
 * @throws {AlliumError} `BAD_MAGNET`; also for links to v2 torrents alone.
 */
export function parseMagnet(text: string): Magnet {
  const trimmed = text.trim()
  if (trimmed.length > MAGNET_CHARACTERS_MAX) throw bad("it is too long")
  if (!/^magnet:\?/i.test(trimmed)) throw bad("it does not begin with magnet:?")
  const fields = trimmed.slice("magnet:?".length).split("&").map(readField)
  const valuesOf = (wanted: RegExp) =>
    fields.filter(({ key }) => wanted.test(key)).map(({ value }) => value)
  const name = valuesOf(/^dn$/i)[0]
    ?.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, " ")
    .trim()
  return {
    infohash: readTopics(valuesOf(/^xt(\.\d+)?$/i)),
    ...(name && { name: [...name].slice(0, NAME_CHARACTERS_MAX).join("") }),
    trackers: trackerUrls(valuesOf(/^tr(\.\d+)?$/i)).slice(0, TRACKERS_MAX),
    ...readPeers(valuesOf(/^x\.pe$/i)),
  }
}

function readPeers(values: readonly string[]): Pick<Magnet, "peers"> {
  const names = values.filter((value) => PEER.test(value)).slice(0, PEERS_MAX)
  const peers = names.flatMap((name) => decodeBase32(name.slice(0, 52)) ?? [])
  return peers.length > 0 ? { peers } : {}
}

/**
 * Writes a link that every client reads: hex, then the name, the trackers, and the peers for those who know what that is.
 *
 * @throws {RangeError} When the infohash has not 20 bytes, or a tracker is no URL inside I2P.
 */
export function formatMagnet({ infohash, name, trackers, peers = [] }: Magnet): string {
  if (infohash.length !== 20) throw new RangeError("An infohash has 20 bytes")
  const fields = [`xt=urn:btih:${Buffer.from(infohash).toString("hex")}`]
  if (name !== undefined) fields.push(`dn=${encodeURIComponent(Buffer.from(name).toString())}`)
  for (const tracker of trackers) {
    if (parseTrackerUrl(tracker) === undefined) throw new RangeError("A tracker is a URL in I2P")
    fields.push(`tr=${encodeURIComponent(tracker)}`)
  }
  fields.push(...peers.map((hash) => `x.pe=${encodeBase32(hash)}.b32.i2p`))
  return `magnet:?${fields.join("&")}`
}

function readField(field: string): { key: string; value: string } {
  const equals = field.indexOf("=")
  if (equals < 0) return { key: field, value: "" }
  return { key: field.slice(0, equals), value: decode(field.slice(equals + 1)) }
}

/** `%xx` and `+` as in forms, which is how links are written; what is no UTF-8 stays as it stands. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "))
  } catch {
    return text
  }
}

/** The one v1 infohash among the exact topics. */
function readTopics(topics: readonly string[]): Uint8Array {
  const hashes = topics.flatMap((topic) => /^urn:btih:(.*)$/i.exec(topic)?.slice(1) ?? [])
  const [first, ...others] = hashes.map(readInfohash)
  if (first === undefined)
    throw bad(topics.length > 0 ? "it names no BitTorrent v1 infohash" : "it has no xt field")
  if (others.some((other) => Buffer.compare(first, other) !== 0))
    throw bad("it names several infohashes")
  return first
}

function readInfohash(text: string): Uint8Array {
  if (/^[0-9a-f]{40}$/i.test(text)) return new Uint8Array(Buffer.from(text, "hex"))
  const bytes = text.length === 32 ? decodeBase32(text) : undefined
  if (bytes === undefined)
    throw bad("its infohash is neither 40 characters of hex nor 32 of base32")
  return bytes
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_MAGNET", `Cannot read magnet link: ${found}`)
}

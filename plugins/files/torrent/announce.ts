/**
 * What is said to trackers inside I2P, and what they answer.
 *
 * @see https://geti2p.net/en/docs/applications/bittorrent
 * @module
 */
import { AlliumError } from "allium/plugin"
import {
  type BencodeMap,
  type BencodeReading,
  type BencodeValue,
  decodeBencode,
} from "./bencode.ts"
import { asMap, integerOf, textFrom, wordsOf } from "./members.ts"
import { type PeerAddress, parsePeerAddress, splitHashes } from "./peer-hash.ts"

/** Longest answer that is read: 1,000 hashes take 32 KiB, 200 whole destinations 120 KiB. */
export const TRACKER_ANSWER_BYTES_MAX = 256 * 1_024
/** Peers taken from one answer. */
export const ANNOUNCED_PEERS_MAX = 1_000
/** Bencoded values in an answer: a peer has up to 7. */
const VALUES_MAX = 8_192
/** Seconds between two announces, whatever the tracker says: not more often… */
const INTERVAL_MIN_S = 300
/** …when it says nothing… */
const INTERVAL_USUAL_S = 1_800
/** …and not more rarely, or one tracker could silence us. */
const INTERVAL_MAX_S = 21_600
/** The port I2PSnark announces. It means nothing, but trackers refuse 0. */
const PORT = 6_881

const READING: BencodeReading = {
  code: "BAD_TRACKER",
  what: "answer of a tracker",
  order: "any",
  valuesMax: VALUES_MAX,
}

/** What a tracker is told. */
export interface Announce {
  /** 20 bytes. */
  readonly infohash: Uint8Array
  /** 20 bytes. */
  readonly peerId: Uint8Array
  /** Our destination in I2P's base64, as SAM writes it. */
  readonly destination: string
  /** Bytes since this torrent was started. */
  readonly uploaded: number
  readonly downloaded: number
  /** Bytes that are missing; `undefined` while the metadata is, then 1 is announced. */
  readonly left: number | undefined
  readonly event?: "started" | "stopped" | "completed"
  /** Peers we would like to hear of; 0 with `stopped` and when there are enough. */
  readonly wanted: number
}

/** The URL to GET, byte for byte as I2PSnark 2.8 writes it. */
export function announceUrl(tracker: string, announce: Announce): string {
  const fields = [
    `info_hash=${escapeBytes(announce.infohash)}`,
    `peer_id=${escapeBytes(announce.peerId)}`,
    `port=${PORT}`,
    `ip=${announce.destination}.i2p`,
    `uploaded=${announce.uploaded}`,
    `downloaded=${announce.downloaded}`,
    `left=${announce.left ?? 1}`,
    "compact=1",
    ...(announce.event === undefined ? [] : [`event=${announce.event}`]),
    `numwant=${announce.wanted}`,
  ]
  return `${tracker}${tracker.includes("?") ? "&" : "?"}${fields.join("&")}`
}

/** Letters and digits stay; every other byte becomes `%xx`, in lower case. */
function escapeBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString("latin1")
    .replace(/[^0-9A-Za-z]/g, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, "0")}`)
}

/** What a tracker answers. */
export type TrackerAnswer =
  | { readonly kind: "refused"; readonly reason: string; readonly intervalS: number }
  | {
      readonly kind: "peers"
      /** Each once; maybe ourselves. Addresses outside I2P are left out. */
      readonly peers: readonly PeerAddress[]
      /** Seconds until the next announce: 5 minutes to 6 hours. */
      readonly intervalS: number
      /** How many have everything, and how many do not, if it says so. */
      readonly complete?: number
      readonly incomplete?: number
      /** The tracker's words, cleaned for showing. */
      readonly warning?: string
    }

/** @throws {AlliumError} `BAD_TRACKER` for what is no bencoded dictionary, such as a page in HTML. */
export function decodeTrackerAnswer(bytes: Uint8Array): TrackerAnswer {
  if (bytes.length > TRACKER_ANSWER_BYTES_MAX) throw bad(`it has ${bytes.length} bytes`)
  if (bytes[0] === "<".charCodeAt(0)) throw bad("it is a page")
  const map = asMap(decodeBencode(bytes, READING))
  if (map === undefined) throw bad("it is no dictionary")
  const intervalS = Math.min(INTERVAL_MAX_S, Math.max(INTERVAL_MIN_S, statedInterval(map)))
  const reason = wordsOf(map, "failure reason")
  if (reason !== undefined) return { kind: "refused", reason, intervalS }
  const warning = wordsOf(map, "warning message")
  const complete = integerOf(map, "complete")
  const incomplete = integerOf(map, "incomplete")
  return {
    kind: "peers",
    peers: readPeers(map.get("peers")),
    intervalS,
    ...(complete !== undefined && { complete }),
    ...(incomplete !== undefined && { incomplete }),
    ...(warning && { warning }),
  }
}

function statedInterval(map: BencodeMap): number {
  const interval = integerOf(map, "interval") ?? INTERVAL_USUAL_S
  return Math.max(interval, integerOf(map, "min interval") ?? 0)
}

/** One string of hashes; or a list of hashes; or a list of dictionaries with destinations. */
function readPeers(value: BencodeValue | undefined): PeerAddress[] {
  if (value instanceof Uint8Array)
    return splitHashes(value, ANNOUNCED_PEERS_MAX).map((hash) => ({ hash }))
  if (!Array.isArray(value)) return []
  const peers = new Map<string, PeerAddress>()
  for (const item of value as readonly BencodeValue[]) {
    const peer = readPeer(item)
    if (peer !== undefined) peers.set(Buffer.from(peer.hash).toString("latin1"), peer)
    if (peers.size === ANNOUNCED_PEERS_MAX) break
  }
  return [...peers.values()]
}

function readPeer(item: BencodeValue): PeerAddress | undefined {
  if (item instanceof Uint8Array) return item.length === 32 ? { hash: item.slice() } : undefined
  const ip = asMap(item)?.get("ip")
  return ip instanceof Uint8Array ? parsePeerAddress(textFrom(ip)) : undefined
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_TRACKER", `Cannot read answer of a tracker: ${found}`)
}

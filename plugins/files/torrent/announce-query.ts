/**
 * The other side of an announce: what a tracker of our own is asked, and what it answers.
 *
 * @see https://geti2p.net/en/docs/applications/bittorrent
 * @module
 */
import { AlliumError } from "allium/plugin"
import { ANNOUNCED_PEERS_MAX, type TrackerAnswer } from "./announce.ts"
import { encodeBencode } from "./bencode-write.ts"
import { type PeerAddress, parsePeerAddress } from "./peer-hash.ts"

/** Longest query that is read. */
const QUERY_CHARACTERS_MAX = 4_096
/** Peers a client gets that does not say how many. */
const WANTED_USUAL = 50

/** What our own tracker is asked: the query of an announce, of any client. */
export interface AnnounceQuery {
  readonly infohash: Uint8Array
  readonly peerId: Uint8Array
  /** What it says its destination is; believe the stream's instead. */
  readonly address?: PeerAddress
  /** `undefined` when it does not say. */
  readonly left?: number
  readonly event?: "started" | "stopped" | "completed"
  /** 50 when it does not say; at most 1,000. */
  readonly wanted: number
}

/**
 * Reads the query of an announce; order and further fields do not matter.
 *
 * @param query - Behind the `?`.
 * @throws {AlliumError} `BAD_TRACKER` when infohash or peer id have not 20 bytes.
 */
export function decodeAnnounceQuery(query: string): AnnounceQuery {
  const fields = new Map(
    query
      .slice(0, QUERY_CHARACTERS_MAX)
      .split("&")
      .map((field) => {
        const at = field.indexOf("=")
        return at < 0 ? [field, ""] : [field.slice(0, at), field.slice(at + 1)]
      }),
  )
  const infohash = unescapeBytes(fields.get("info_hash") ?? "")
  const peerId = unescapeBytes(fields.get("peer_id") ?? "")
  if (infohash.length !== 20 || peerId.length !== 20)
    throw new AlliumError("BAD_TRACKER", "Cannot read announce: no infohash or no peer id")
  const address = parsePeerAddress(unescapeBytes(fields.get("ip") ?? "").toString("latin1"))
  const left = wholeNumber(fields.get("left"))
  const event = fields.get("event")
  const isEvent = event === "started" || event === "stopped" || event === "completed"
  return {
    infohash: new Uint8Array(infohash),
    peerId: new Uint8Array(peerId),
    ...(address && { address }),
    ...(left !== undefined && { left }),
    ...(isEvent && { event }),
    wanted: Math.min(ANNOUNCED_PEERS_MAX, wholeNumber(fields.get("numwant")) ?? WANTED_USUAL),
  }
}

/** `%xx`, and `+` as in forms; bytes. */
function unescapeBytes(text: string): Buffer {
  const latin1 = text
    .replaceAll("+", " ")
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(latin1, "latin1")
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** What our own tracker answers, compact: what I2PSnark, libtorrent and XD read. */
export function encodeTrackerAnswer(answer: TrackerAnswer): Uint8Array {
  if (answer.kind === "refused")
    return encodeBencode({ "failure reason": answer.reason, interval: answer.intervalS })
  return encodeBencode({
    complete: answer.complete,
    incomplete: answer.incomplete,
    interval: answer.intervalS,
    peers: Buffer.concat(answer.peers.map(({ hash }) => hash)),
    "warning message": answer.warning,
  })
}

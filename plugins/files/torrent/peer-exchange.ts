/**
 * Peer exchange inside I2P, `i2p_pex`: peers named by the hashes of their destinations.
 *
 * Like `ut_pex` (BEP 11), with 32 bytes for each peer. I2PSnark and XD write no flags, libtorrent one byte for each peer, zero.
 * `ut_pex` itself names IP addresses and is neither written nor read.
 *
 * @see https://geti2p.net/en/docs/applications/bittorrent
 * @module
 */
import { AlliumError } from "allium/plugin"
import { type BencodeReading, decodeBencode } from "./bencode.ts"
import { encodeBencode } from "./bencode-write.ts"
import { asMap, bytesOf } from "./members.ts"
import { splitHashes } from "./peer-hash.ts"

/** Peers one message of ours names; libtorrent sends as many. */
export const EXCHANGED_MAX = 50
/** Peers that are taken from one message. */
const TAKEN_MAX = 200
/** Between two messages to one peer. libtorrent closes when six come within a minute. */
export const EXCHANGE_EVERY_MS = 120_000

const READING: BencodeReading = {
  code: "PEER_PROTOCOL",
  what: "peer exchange",
  order: "any",
  valuesMax: 64,
}

/** Who came and who went; SHA-256 of destinations, 32 bytes each. */
export interface PeerExchange {
  readonly added: readonly Uint8Array[]
  readonly dropped: readonly Uint8Array[]
}

/** The payload of an extended message; at most 50 of each are written. */
export function encodePeerExchange({ added, dropped }: PeerExchange): Uint8Array {
  const listed = added.slice(0, EXCHANGED_MAX)
  return encodeBencode({
    added: Buffer.concat(listed),
    "added.f": new Uint8Array(listed.length),
    dropped: Buffer.concat(dropped.slice(0, EXCHANGED_MAX)),
  })
}

/**
 * Reads what any client over I2P writes; beyond 200 of each, peers are left out.
 *
 * @throws {AlliumError} `PEER_PROTOCOL` when it is no dictionary.
 */
export function decodePeerExchange(payload: Uint8Array): PeerExchange {
  const map = asMap(decodeBencode(payload, READING))
  if (map === undefined)
    throw new AlliumError("PEER_PROTOCOL", "Cannot read peer exchange: it is no dictionary")
  const read = (key: string) => splitHashes(bytesOf(map, key) ?? new Uint8Array(), TAKEN_MAX)
  return { added: read("added"), dropped: read("dropped") }
}

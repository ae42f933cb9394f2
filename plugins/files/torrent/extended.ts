/**
 * The extension protocol (BEP 10): which extensions a peer speaks, under which numbers, and what it can bear.
 *
 * @see https://www.bittorrent.org/beps/bep_0010.html
 * @module
 */
import { AlliumError } from "allium/plugin"
import { type BencodeReading, decodeBencode } from "./bencode.ts"
import { encodeBencode } from "./bencode-write.ts"
import { asMap, integerOf, mapOf, wordsOf } from "./members.ts"
import { METAINFO_BYTES_MAX } from "./metainfo.ts"

/** The number of the extended handshake itself. */
export const EXTENDED_HANDSHAKE = 0
/** Requests a peer holds for us while it has not said how many. I2PSnark holds 8, and drops more. */
export const REQUESTS_UNKNOWN = 8
/** Requests a peer holds that says nothing about it: libtorrent's number. */
const REQUESTS_SILENT = 250
/** More is as good as no limit. */
const REQUESTS_MAX = 100_000
/** The port everybody names; it means nothing over I2P. */
const PORT = 6_881

const READING: BencodeReading = {
  code: "PEER_PROTOCOL",
  what: "extended handshake",
  order: "any",
  valuesMax: 512,
}

/** Our own extensions, and the numbers under which we want to be told of them. Those of I2PSnark. */
export const EXTENSION_IDS = { ut_metadata: 1, i2p_pex: 2 } as const
/** An extension we speak. */
export type Extension = keyof typeof EXTENSION_IDS

/** What a peer says about itself. */
export interface ExtendedHandshake {
  /** The number under which the peer wants to be told, 1 to 255; extensions that are off are left out. */
  readonly ids: { readonly [extension in Extension]?: number }
  /** Length of the info dictionary, when the peer has it and would give it. */
  readonly metadataBytes?: number
  /** How many requests it holds; it drops more. */
  readonly requestsMax: number
  /** It wants nothing (BEP 21). */
  readonly isUploadOnly: boolean
  /** "I2PSnark"; its own words. */
  readonly client?: string
}

/** The payload of an extended message with the number {@linkcode EXTENDED_HANDSHAKE}, with the members I2PSnark sends. */
export function encodeExtendedHandshake(handshake: ExtendedHandshake): Uint8Array {
  return encodeBencode({
    m: handshake.ids,
    metadata_size: handshake.metadataBytes,
    p: PORT,
    reqq: handshake.requestsMax,
    upload_only: handshake.isUploadOnly ? 1 : undefined,
    v: handshake.client,
  })
}

/**
 * Members that make no sense are passed over, as if they were not there.
 *
 * @throws {AlliumError} `PEER_PROTOCOL` when it is no dictionary.
 */
export function decodeExtendedHandshake(payload: Uint8Array): ExtendedHandshake {
  const map = asMap(decodeBencode(payload, READING))
  if (map === undefined)
    throw new AlliumError("PEER_PROTOCOL", "Cannot read extended handshake: it is no dictionary")
  const numbers = mapOf(map, "m") ?? new Map()
  const known = Object.keys(EXTENSION_IDS).map((name) => [name, integerOf(numbers, name, [1, 255])])
  const metadataBytes = integerOf(map, "metadata_size", [1, METAINFO_BYTES_MAX])
  const client = wordsOf(map, "v")
  return {
    ids: Object.fromEntries(known.filter(([, id]) => id !== undefined)),
    ...(metadataBytes !== undefined && { metadataBytes }),
    requestsMax: integerOf(map, "reqq", [1, REQUESTS_MAX]) ?? REQUESTS_SILENT,
    isUploadOnly: integerOf(map, "upload_only", [1, 1]) === 1,
    ...(client && { client }),
  }
}

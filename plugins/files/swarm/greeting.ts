/**
 * The first things we say to a peer: who we are, what we speak, and what we have.
 *
 * @module
 */
import type { Download } from "../torrent/download.ts"
import { EXTENDED_HANDSHAKE, EXTENSION_IDS, encodeExtendedHandshake } from "../torrent/extended.ts"
import { encodeMessage } from "../torrent/message.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import { REQUESTS_HELD_MAX } from "../torrent/upload-queue.ts"

/** What is said about ourselves in an extended message. */
export function extendedGreeting(own: {
  readonly metainfo: Metainfo | undefined
  readonly tells: { readonly metadata: boolean; readonly peers: boolean }
  readonly isUploadOnly: boolean
  readonly client: string | undefined
}): Uint8Array {
  const { metainfo, tells } = own
  const givesMetadata = tells.metadata && metainfo !== undefined
  const payload = encodeExtendedHandshake({
    ids: {
      ...(tells.metadata && { ut_metadata: EXTENSION_IDS.ut_metadata }),
      ...(tells.peers && { i2p_pex: EXTENSION_IDS.i2p_pex }),
    },
    ...(givesMetadata && { metadataBytes: metainfo.info.length }),
    requestsMax: REQUESTS_HELD_MAX,
    isUploadOnly: own.isUploadOnly,
    ...(own.client && { client: own.client }),
  })
  return encodeMessage({ kind: "extended", id: EXTENDED_HANDSHAKE, payload })
}

/** What we have; nothing when there is nothing to say. */
export function piecesGreeting({ have }: Download, isFast: boolean): Uint8Array | undefined {
  if (isFast && have.isFull) return encodeMessage({ kind: "have all" })
  if (isFast && have.count === 0) return encodeMessage({ kind: "have none" })
  if (have.count === 0) return undefined
  return encodeMessage({ kind: "bitfield", bits: have.toBytes() })
}

/**
 * A transfer as a tower holds it: the info dictionary and all bytes of its files in a row, cut into sealed chunks. Pure.
 *
 * @see docs/protocol/transfer.md#at-a-tower
 * @module
 */
import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto"
import { AlliumError } from "allium/plugin"

/** Content of a chunk; a tower takes blobs of 16 MiB. */
export const CHUNK_CONTENT_BYTES = 4_194_304
/** Random bytes of one deposit. */
export const CHUNK_SALT_BYTES = 16
/** Before the info dictionary: its length. */
export const CHUNK_HEAD_BYTES = 4
const TAG_BYTES = 16
const ALGORITHM = "chacha20-poly1305"

/** Where a chunk is, and what opens it. */
export interface ChunkKeys {
  /** Of the blob, 32 bytes. */
  readonly id: Uint8Array
  /** Of the blob, 32 bytes. */
  readonly writeKey: Uint8Array
  /** 32 bytes, of this chunk alone. */
  readonly key: Uint8Array
}

/** HKDF-SHA-256 of the offer's key: nothing of it has to do with who sends. */
export function chunkKeys(offerKey: Uint8Array, salt: Uint8Array, number: number): ChunkKeys {
  const info = Buffer.alloc(4 + LABEL.length)
  LABEL.copy(info)
  info.writeUInt32BE(number, LABEL.length)
  const all = new Uint8Array(hkdfSync("sha256", offerKey, salt, info, 96))
  return { id: all.slice(0, 32), writeKey: all.slice(32, 64), key: all.slice(64) }
}
const LABEL = Buffer.from("allium/transfer/1/chunk\0", "latin1")

/** @param content - At most {@linkcode CHUNK_CONTENT_BYTES}. */
export function sealChunk(key: Uint8Array, content: Uint8Array): Uint8Array {
  const cipher = createCipheriv(ALGORITHM, key, NONCE, { authTagLength: TAG_BYTES })
  return Buffer.concat([cipher.update(content), cipher.final(), cipher.getAuthTag()])
}
/** Each key seals one chunk. */
const NONCE = new Uint8Array(12)

/** @throws {AlliumError} `BAD_SEAL`. */
export function openChunk(key: Uint8Array, sealed: Uint8Array): Uint8Array {
  const end = sealed.length - TAG_BYTES
  if (end < 0) throw badChunk()
  const decipher = createDecipheriv(ALGORITHM, key, NONCE, { authTagLength: TAG_BYTES })
  decipher.setAuthTag(sealed.subarray(end))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()])
  } catch {
    throw badChunk()
  }
}

/** How many chunks a transfer takes. */
export function countChunks(infoBytes: number, size: number): number {
  return Math.ceil((CHUNK_HEAD_BYTES + infoBytes + size) / CHUNK_CONTENT_BYTES)
}

function badChunk(): AlliumError {
  return new AlliumError("BAD_SEAL", "Cannot read chunk of a tower: it does not open")
}

/**
 * Requests for blocks, all in one write: there are many.
 *
 * @module
 */
import type { Block } from "../torrent/geometry.ts"

const REQUEST_BYTES = 17
const REQUEST_TYPE = 6

/** As many `request` messages, one after the other. */
export function encodeRequests(blocks: readonly Block[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(blocks.length * REQUEST_BYTES)
  for (const [index, { piece, begin, length }] of blocks.entries()) {
    const at = index * REQUEST_BYTES
    bytes.writeUInt32BE(REQUEST_BYTES - 4, at)
    bytes[at + 4] = REQUEST_TYPE
    bytes.writeUInt32BE(piece, at + 5)
    bytes.writeUInt32BE(begin, at + 9)
    bytes.writeUInt32BE(length, at + 13)
  }
  return bytes
}

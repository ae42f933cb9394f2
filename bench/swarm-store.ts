/**
 * A whole file as a seeder has it.
 *
 * @module
 */
import type { FileHandle } from "node:fs/promises"
import type { SwarmStore } from "../plugins/files/swarm/index.ts"
import type { Metainfo } from "../plugins/files/torrent/metainfo.ts"

/** Only read. */
export function fileStore(file: FileHandle, { geometry }: Metainfo): SwarmStore {
  const refuse = () => Promise.reject(new Error("A seeder writes nothing"))
  return {
    geometry,
    async read({ piece, begin, length }, into) {
      await file.read(into, 0, length, piece * geometry.pieceBytes + begin)
    },
    write: refuse,
    check: refuse,
    sync: async () => {},
    hasRoom: async () => true,
  }
}

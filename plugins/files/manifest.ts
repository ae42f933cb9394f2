/**
 * The chunk hashes of a file, in blocks of {@linkcode BLOCK_HASHES}, so that memory stays flat whatever the file's size.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { AlliumError, type StoreRoom } from "allium/plugin"
import { BLOCK_HASHES, bytesShape, countBlocks, countChunks, HASH_BYTES } from "./wire.ts"

/** The manifests of all transfers. */
export class Manifests {
  readonly #table

  constructor(store: StoreRoom) {
    this.#table = store.table(
      "manifest",
      bytesShape((length) => length > 0),
    )
  }

  /** The change that keeps a block; commit it. */
  put(id: string, block: number, hashes: Uint8Array) {
    return this.#table.put(`${id}/${block}`, hashes)
  }

  /** The changes that forget all blocks of a file of `size` bytes. */
  remove(id: string, size: number) {
    return Array.from({ length: countBlocks(size) }, (_, block) =>
      this.#table.remove(`${id}/${block}`),
    )
  }

  /** @throws {AlliumError} `STORE_DAMAGED` when it is not there. */
  async block(id: string, block: number): Promise<Uint8Array> {
    const hashes = await this.#table.get(`${id}/${block}`)
    if (hashes !== undefined) return hashes
    throw new AlliumError("STORE_DAMAGED", "Cannot read chunk hashes: some are missing")
  }

  /** SHA-256 over all chunk hashes of a file of `size` bytes. */
  async root(id: string, size: number): Promise<Uint8Array> {
    const hash = createHash("sha256")
    for (let block = 0; block < countBlocks(size); block++) hash.update(await this.block(id, block))
    return new Uint8Array(hash.digest())
  }

  /** Looks hashes up; for one file, with one block in memory. */
  lookup(id: string): (chunk: number) => Promise<Uint8Array> {
    let held: { block: number; hashes: Uint8Array } | undefined
    return async (chunk) => {
      const block = Math.floor(chunk / BLOCK_HASHES)
      if (held?.block !== block) held = { block, hashes: await this.block(id, block) }
      const at = (chunk % BLOCK_HASHES) * HASH_BYTES
      return held.hashes.subarray(at, at + HASH_BYTES)
    }
  }
}

/** How many bytes block `block` has in the manifest of a file of `size` bytes. */
export function blockBytes(size: number, block: number): number {
  return Math.min(BLOCK_HASHES, countChunks(size) - block * BLOCK_HASHES) * HASH_BYTES
}

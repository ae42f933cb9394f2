/**
 * What of each incoming transfer is here, block by block; believed as far as it can be after whatever ended the program.
 *
 * @module
 */
import { type Change, type StoreRoom, z } from "allium/plugin"
import type { Geometry } from "../torrent/geometry.ts"
import { type Metainfo, readInfo } from "../torrent/metainfo.ts"
import { decodeProgress, encodeProgress, type Progress } from "../torrent/resume.ts"

/** A value of the store has at most 1 MiB. */
const PAGE_BYTES = 524_288

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
const progressShape = z.object({
  progress: bytes,
  /** Run of the machine in which it was written; absent when the data was on the disk for good. */
  boot: z.string().optional(),
})

/** See the module. */
export class ProgressBook {
  readonly #store: StoreRoom
  readonly #progress
  readonly #pages
  readonly #boot: string

  /** @param boot - Names this run of the machine. */
  constructor(store: StoreRoom, boot: string) {
    this.#store = store
    this.#boot = boot
    this.#progress = store.table("contact-progress", progressShape)
    this.#pages = store.table("contact-info", bytes)
  }

  /** Keeps the progress: the last one, and beside it the last one whose data was on the disk for good. */
  async save(id: string, infohash: Uint8Array, progress: Progress, isSynced: boolean) {
    const value = { progress: encodeProgress(infohash, progress) }
    const last = { ...value, ...(!isSynced && { boot: this.#boot }) }
    const changes = [this.#progress.put(`${id}/last`, last)]
    if (isSynced) changes.push(this.#progress.put(`${id}/synced`, value))
    await this.#store.commit(changes)
  }

  /** What to believe now; `undefined` for nothing. */
  async load(id: string, infohash: Uint8Array, geometry: Geometry): Promise<Progress | undefined> {
    const last = await this.#progress.get(`${id}/last`)
    const isSure = last !== undefined && (last.boot === undefined || last.boot === this.#boot)
    const found = isSure ? last : await this.#progress.get(`${id}/synced`)
    return found && decodeProgress(infohash, geometry, found.progress)
  }

  /** The changes that keep an info dictionary; commit them. */
  keepInfo(id: string, info: Uint8Array): Change[] {
    const pages: Change[] = []
    for (let page = 0; page * PAGE_BYTES < info.length; page++) {
      const part = info.slice(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
      pages.push(this.#pages.put(`${id}/${page}`, part))
    }
    return pages
  }

  /** What was kept with {@linkcode keepInfo}; `undefined` when it is not there, or not whole. */
  async info(id: string, infohash: Uint8Array): Promise<Metainfo | undefined> {
    const parts: Uint8Array[] = []
    for (let page = 0; ; page++) {
      const part = await this.#pages.get(`${id}/${page}`)
      if (part !== undefined) parts.push(part)
      if (part === undefined || part.length < PAGE_BYTES) break
    }
    if (parts.length === 0) return undefined
    const metainfo = readInfo(Buffer.concat(parts))
    return Buffer.compare(metainfo.infohash, infohash) === 0 ? metainfo : undefined
  }

  /** The changes that forget how far a transfer is. */
  forgetProgress(id: string): Change[] {
    return [this.#progress.remove(`${id}/last`), this.#progress.remove(`${id}/synced`)]
  }

  /** The changes that forget all of a transfer. */
  async forget(id: string): Promise<Change[]> {
    const changes = this.forgetProgress(id)
    for (let page = 0; (await this.#pages.get(`${id}/${page}`)) !== undefined; page++)
      changes.push(this.#pages.remove(`${id}/${page}`))
    return changes
  }
}

/**
 * Where the files of what we send are, and what they looked like when they were hashed.
 *
 * @module
 */
import { type Change, type StoreRoom, z } from "allium/plugin"
import type { DiskRoom } from "../disk/disk-room.ts"
import { ShareStore } from "../disk/share-store.ts"
import { takeStamps } from "../disk/stamps.ts"
import type { Metainfo } from "../torrent/metainfo.ts"
import type { ProgressBook } from "./progress-book.ts"

/** Files of one row of the table; a value of the store has at most 1 MiB. */
const FILES_PER_PAGE = 128

const pageShape = z.object({
  paths: z.array(z.string()),
  stamps: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
})

/** What is known of the files of a transfer. */
export interface Source {
  readonly metainfo: Metainfo
  /** Real path of each file, in the torrent's order. */
  readonly paths: readonly string[]
  /** See `takeStamps`. */
  readonly stamps: Uint8Array
}

/** See the module. */
export class Sources {
  readonly #room: DiskRoom
  readonly #progress: ProgressBook
  readonly #pages

  constructor(store: StoreRoom, room: DiskRoom, progress: ProgressBook) {
    this.#room = room
    this.#progress = progress
    this.#pages = store.table("contact-sources", pageShape)
  }

  /** The changes that keep it; commit them. */
  async keep(id: string, metainfo: Metainfo, paths: readonly string[]): Promise<Change[]> {
    const share = new ShareStore({ room: this.#room, metainfo, paths })
    const spotOf = (file: number) => share.spotOf(file)
    const stamps = await takeStamps({ disk: this.#room.disk, metainfo, spotOf })
    const stampBytes = stamps.length / Math.max(1, paths.length)
    const pages: Change[] = []
    for (let from = 0; from < paths.length; from += FILES_PER_PAGE) {
      const to = Math.min(paths.length, from + FILES_PER_PAGE)
      const part = stamps.slice(from * stampBytes, to * stampBytes)
      const key = `${id}/${from / FILES_PER_PAGE}`
      pages.push(this.#pages.put(key, { paths: paths.slice(from, to), stamps: part }))
    }
    return [...pages, ...this.#progress.keepInfo(id, metainfo.info)]
  }

  /** `undefined` when it is not there. */
  async load(id: string, infohash: Uint8Array): Promise<Source | undefined> {
    const metainfo = await this.#progress.info(id, infohash)
    if (metainfo === undefined) return undefined
    const [paths, stamps]: [string[], Uint8Array[]] = [[], []]
    for (let page = 0; paths.length < metainfo.files.length; page++) {
      const found = await this.#pages.get(`${id}/${page}`)
      if (found === undefined) return undefined
      paths.push(...found.paths)
      stamps.push(found.stamps)
    }
    return { metainfo, paths, stamps: Buffer.concat(stamps) }
  }

  /** The changes that forget it. */
  async forget(id: string): Promise<Change[]> {
    const changes = await this.#progress.forget(id)
    for (let page = 0; (await this.#pages.get(`${id}/${page}`)) !== undefined; page++)
      changes.push(this.#pages.remove(`${id}/${page}`))
    return changes
  }
}

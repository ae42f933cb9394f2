/**
 * What is kept of a torrent between two starts: what it is, where its files are, what was given, and how far it has come.
 *
 * @module
 */
import { type Change, type StoreRoom, type Table, z } from "allium/plugin"
import { METAINFO_BYTES_MAX, type Metainfo, readInfo } from "../torrent/metainfo.ts"

/** The store takes values up to 1 MiB. */
const PART_BYTES = 512 * 1_024
const PARTS_MAX = Math.ceil(METAINFO_BYTES_MAX / PART_BYTES)

const goalShape = z.object({
  ratio: z.number().optional(),
  seconds: z.number().optional(),
  downloads: z.number().optional(),
  /** Milliseconds since 1970. */
  until: z.number().optional(),
})

/** See the module. */
export const shareShape = z.object({
  /** The infohash, 40 hexadecimal digits. */
  id: z.string(),
  /** `share`: files of ours, where they are. `get`: fetched from others. */
  kind: z.enum(["share", "get"]),
  /** The torrent's, safe; of a magnet link until the metadata is here. */
  name: z.string(),
  /** Names the session; `public`, or one of its own. */
  address: z.string(),
  /** Of a secret share: the key in its link, 32 bytes. */
  secret: z.custom<Uint8Array>((value) => value instanceof Uint8Array).optional(),
  tiers: z.array(z.array(z.string())),
  /** Told of in a magnet link: names in `.b32.i2p`. */
  peers: z.array(z.string()),
  /** Where the files are to be, or the folder they are in. */
  folder: z.string(),
  /** Final names of complete files. For shares, where each file is, in the torrent's order. */
  paths: z.array(z.string()),
  /** Bytes; unknown until the metadata is here. */
  size: z.int().optional(),
  isPaused: z.boolean(),
  /** Everything that is wanted is here. */
  isDone: z.boolean(),
  /** Enough was given; goes on only when resumed. */
  isSated: z.boolean(),
  /** The user wants wrong pieces of files that were whole fetched again, over what is there. */
  isMending: z.boolean().optional(),
  /** Why it cannot go on. */
  reason: z.string().optional(),
  isSequential: z.boolean(),
  /** Parts of paths of the files that are wanted; all of them when there are none. */
  only: z.array(z.string()),
  /** Wrote a file for others: where. */
  torrentFile: z.string().optional(),
  goal: goalShape,
  /** Milliseconds since 1970. */
  createdAt: z.int(),
  uploaded: z.int(),
  downloaded: z.int(),
  seedingMs: z.number(),
})

/** See the module. */
export type ShareRecord = z.output<typeof shareShape>

const bytesShape: z.ZodType<Uint8Array> = z.instanceof(Uint8Array)

/** What is known of the pieces. */
const progressShape = z.object({
  /** As `encodeProgress` writes it: the last one, and the last one of which all data was on the disk for good. */
  last: bytesShape,
  synced: bytesShape.optional(),
  /** Run of the machine in which it was written: in another one, only `synced` is believed. */
  boot: z.string().optional(),
  /** Files as they were then, as `takeStamps` writes it: changed ones are hashed again. */
  stamps: bytesShape.optional(),
})

/** See the shape. */
export type KeptProgress = z.output<typeof progressShape>

/** All torrents on disk. */
export class ShareTables {
  readonly store: StoreRoom
  readonly #shares: Table<ShareRecord>
  readonly #progress: Table<KeptProgress>
  readonly #info: Table<Uint8Array>

  constructor(store: StoreRoom) {
    this.store = store
    this.#shares = store.table("shares", shareShape)
    this.#progress = store.table("share-progress", progressShape)
    this.#info = store.table("share-info", bytesShape)
  }

  /** Oldest first. */
  async list(): Promise<ShareRecord[]> {
    const found: ShareRecord[] = []
    for await (const [, record] of this.#shares.entries()) found.push(record)
    return found.sort((one, other) => one.createdAt - other.createdAt)
  }

  put(record: ShareRecord): Change {
    return this.#shares.put(record.id, record)
  }

  progress(id: string): Promise<KeptProgress | undefined> {
    return this.#progress.get(id)
  }

  putProgress(id: string, progress: KeptProgress): Change {
    return this.#progress.put(id, progress)
  }

  /** `undefined` while it is not known. @throws {AlliumError} `BAD_TORRENT` when it is damaged. */
  async metainfo(id: string): Promise<Metainfo | undefined> {
    const parts: Uint8Array[] = []
    for (let number = 0; number < PARTS_MAX; number++) {
      const part = await this.#info.get(`${id}/${number}`)
      if (part === undefined) break
      parts.push(part)
      if (part.length < PART_BYTES) break
    }
    return parts.length === 0 ? undefined : readInfo(Buffer.concat(parts))
  }

  /** The info dictionary, cut so that the store takes it; the last part is shorter than the others. */
  putInfo(id: string, info: Uint8Array): Change[] {
    const changes: Change[] = []
    for (let number = 0; number * PART_BYTES <= info.length; number++) {
      const start = number * PART_BYTES
      changes.push(this.#info.put(`${id}/${number}`, info.slice(start, start + PART_BYTES)))
    }
    return changes
  }

  /** Everything about a torrent. */
  remove(id: string): Change[] {
    const parts = Array.from({ length: PARTS_MAX + 1 }, (_, number) =>
      this.#info.remove(`${id}/${number}`),
    )
    return [this.#shares.remove(id), this.#progress.remove(id), ...parts]
  }
}

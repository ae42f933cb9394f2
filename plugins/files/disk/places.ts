/**
 * Final names of a download's files: chosen once, kept on disk before anything is made, never over anything.
 *
 * A folder torrent gets a folder of its own; its files keep their safe paths inside. Whatever a crash leaves is put in order
 * when the download is opened again.
 *
 * @module
 */
import { join, relative, sep } from "node:path"
import { AlliumError, freeName, z } from "allium/plugin"
import type { Metainfo } from "../torrent/metainfo.ts"
import { type Disk, diskCode, look, removeFile, syncFolder } from "./disk.ts"
import { isSameFile, makeFolders, moveTo } from "./move-file.ts"
import { type PartFolder, PLACES_NAMES } from "./part-folder.ts"
import { quarantine } from "./quarantine.ts"
import { pathOf, type Spot } from "./spot.ts"

/** Somebody else took the free name so often: something is wrong. */
const TRIES_MAX = 100
const PRIVATE = 0o600
/** The record: 20,000 files with paths of up to 2 KiB. */
const RECORD_BYTES_MAX = 64 * 1_048_576

/** Safe names from the download's folder on, by file. */
const RECORD = z.object({
  root: z.string().min(1).optional(),
  files: z.record(z.string().regex(/^\d{1,6}$/), z.array(z.string().min(1))),
})

/** What the places of a download are made of. */
export interface PlacesOptions {
  readonly disk: Disk
  /** Real path of the folder the files go to. */
  readonly folder: string
  readonly parts: PartFolder
  readonly metainfo: Metainfo
  /** Paths its files have already, in order; of all of them, or nothing is believed. */
  readonly placed?: readonly string[]
}

/** Opens them, and ends what a crash had interrupted. */
export async function openPlaces(options: PlacesOptions): Promise<Places> {
  const places = new Places(options, await readRecord(options))
  await places.resume()
  return places
}

/** See the module. */
export class Places {
  readonly #o: PlacesOptions
  /** Name of the torrent's folder, when it has one. */
  #root: string | undefined
  /** Chosen places by file. */
  readonly #chosen: Map<number, readonly string[]>
  /** Files that are there. */
  readonly #placed = new Set<number>()

  /** For {@linkcode openPlaces} only. */
  constructor(options: PlacesOptions, record: z.infer<typeof RECORD>) {
    this.#o = options
    this.#root = record.root
    this.#chosen = new Map(Object.entries(record.files).map(([file, names]) => [+file, names]))
  }

  /** Where a file is; `undefined` when it has no final name yet. */
  spotOf(file: number): Spot | undefined {
    if (!this.#placed.has(file)) return undefined
    return { root: this.#o.folder, names: this.#chosen.get(file)!, isPart: false }
  }

  /** Paths of files that have their final names, in order. */
  paths(): string[] {
    const placed = [...this.#placed].sort((left, right) => left - right)
    return placed.map((file) => pathOf(this.spotOf(file)!))
  }

  /**
   * Gives complete files their names; they bear the system's mark by then, if it has one.
   *
   * @param files - Their bytes are synced.
   * @param moved - Told the path of each part file that is no longer used.
   */
  async place(files: readonly number[], moved: (path: string) => Promise<void>): Promise<void> {
    const { parts } = this.#o
    const fresh = files.filter((file) => !this.#placed.has(file))
    if (fresh.length === 0) return
    if (this.#o.metainfo.isFolder) await this.#claimRoot()
    for (const file of fresh)
      if (!this.#chosen.has(file)) this.#chosen.set(file, await this.#wish(file))
    await this.#keep()
    await quarantine(
      fresh.filter((file) => parts.made.has(file)).map((file) => pathOf(parts.spot(file))),
    )
    const folders = new Set<string>()
    for (const file of fresh) {
      await this.#placeOne(file, folders)
      await moved(pathOf(parts.spot(file)))
    }
    await this.#settle(fresh, folders)
  }

  /** Files whose part is gone, or has a second name, have been moved before. */
  async resume(): Promise<void> {
    for (const file of this.#chosen.keys()) {
      if (!(await this.#isMoved(file))) continue
      this.#placed.add(file)
      await removeFile(this.#o.disk, pathOf(this.#o.parts.spot(file)))
    }
  }

  async #isMoved(file: number): Promise<boolean> {
    const { disk, folder, parts, metainfo } = this.#o
    const part = pathOf(parts.spot(file))
    const place = join(folder, ...this.#chosen.get(file)!)
    if ((await look(disk, part)) !== undefined) return isSameFile(disk, part, place)
    // An empty file has no part before it is moved; of any other one it is gone because it was.
    return metainfo.files[file]!.size > 0 || (await look(disk, place)) !== undefined
  }

  /** Files that have their names and are there; folders that are missing are made again. */
  async found(): Promise<number[]> {
    const { disk, folder } = this.#o
    const [there, folders] = [[] as number[], new Set<string>()]
    for (const file of this.#placed) {
      await makeFolders(disk, folder, this.#chosen.get(file)!.slice(0, -1), folders)
      if ((await look(disk, pathOf(this.spotOf(file)!))) !== undefined) there.push(file)
    }
    return there
  }

  /** Makes the torrent's folder under a free name. */
  async #claimRoot(): Promise<void> {
    const { disk, folder, metainfo } = this.#o
    if (this.#root !== undefined) return makeFolders(disk, folder, [this.#root], new Set())
    for (let time = 0; time < TRIES_MAX; time++) {
      this.#root = freeName(metainfo.name, await disk.readdir(folder))
      await this.#keep()
      try {
        await disk.mkdir(join(folder, this.#root), { mode: 0o700 })
        return await syncFolder(disk, folder)
      } catch (error) {
        if (diskCode(error) !== "EEXIST") throw error
      }
    }
    throw allTaken()
  }

  /** The name a file should have. */
  async #wish(file: number): Promise<string[]> {
    const { disk, folder, metainfo } = this.#o
    const { path } = metainfo.files[file]!
    if (this.#root !== undefined) return [this.#root, ...path.slice(1)]
    return [freeName(metainfo.name, await disk.readdir(folder))]
  }

  async #placeOne(file: number, folders: Set<string>): Promise<void> {
    const { disk, folder, parts } = this.#o
    for (let time = 0; time < TRIES_MAX; time++) {
      const names = this.#chosen.get(file)!
      const above = names.slice(0, -1)
      await makeFolders(disk, folder, above, folders)
      await this.#makeEmpty(file)
      if (await moveTo(disk, pathOf(parts.spot(file)), join(folder, ...names))) {
        this.#placed.add(file)
        return
      }
      const taken = await disk.readdir(join(folder, ...above))
      this.#chosen.set(file, [...above, freeName(names.at(-1)!, taken)])
      await this.#keep()
    }
    throw allTaken()
  }

  /** A file without bytes has no part until now. */
  async #makeEmpty(file: number): Promise<void> {
    const { disk, parts, metainfo } = this.#o
    if (metainfo.files[file]!.size > 0 || parts.made.has(file)) return
    await (await disk.open(pathOf(parts.spot(file)), "a", PRIVATE)).close()
    parts.made.add(file)
  }

  /** New names are on disk for good, then the part files go. */
  async #settle(files: readonly number[], folders: ReadonlySet<string>): Promise<void> {
    const { disk, folder, parts } = this.#o
    for (const one of new Set([folder, ...folders])) await syncFolder(disk, one)
    for (const file of files) await removeFile(disk, pathOf(parts.spot(file)))
    await syncFolder(disk, parts.path)
  }

  async #keep(): Promise<void> {
    const { disk, parts } = this.#o
    const [path, fresh] = PLACES_NAMES.map((name) => join(parts.path, name)) as [string, string]
    const record = { root: this.#root, files: Object.fromEntries(this.#chosen) }
    await removeFile(disk, fresh)
    const file = await disk.open(fresh, "wx", PRIVATE)
    try {
      await file.writeFile(JSON.stringify(record))
      await file.sync()
    } finally {
      await file.close()
    }
    await disk.rename(fresh, path)
    await syncFolder(disk, parts.path)
  }
}

async function readRecord(options: PlacesOptions): Promise<z.infer<typeof RECORD>> {
  const { disk, parts } = options
  const path = join(parts.path, PLACES_NAMES[0])
  if ((await look(disk, path)) === undefined) return recordOf(options)
  const file = await disk.open(path, "r")
  try {
    if ((await file.stat()).size > RECORD_BYTES_MAX) throw damaged()
    return RECORD.parse(JSON.parse(await file.readFile("utf8")))
  } catch (error) {
    throw damaged(error)
  } finally {
    await file.close()
  }
}

/** Of files whose names are known from elsewhere. */
function recordOf({ folder, metainfo, placed = [] }: PlacesOptions): z.infer<typeof RECORD> {
  const real = [...metainfo.files.keys()].filter((file) => metainfo.files[file]!.kind === "file")
  if (placed.length !== real.length) return { files: {} }
  const names = placed.map((path) => relative(folder, path).split(sep))
  if (names.some(([first]) => first === "..")) throw damaged()
  const files = Object.fromEntries(real.map((file, index) => [file, names[index]!]))
  return { files, ...(metainfo.isFolder && names[0] && { root: names[0][0] }) }
}

function damaged(cause?: unknown): AlliumError {
  const message = "Cannot read the places of a download: somebody changed them"
  return new AlliumError("FILE_CHANGED", message, { cause })
}

function allTaken(): AlliumError {
  return new AlliumError("ALREADY_EXISTS", "Cannot place file: every name is taken at once")
}

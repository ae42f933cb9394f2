/**
 * The folder where a torrent grows: hidden and private, beside its final place, one part file for each file.
 *
 * Part files are named by number, so no received name is used before a file is complete.
 *
 * @module
 */
import { join } from "node:path"
import { AlliumError } from "allium/plugin"
import { type Disk, diskCode, diskError, look, removeFile, syncFolder } from "./disk.ts"
import type { Spot } from "./spot.ts"

const PRIVATE = 0o700
/** What names a download among others in its folder. */
const ID = /^[0-9a-z]{1,64}$/

/** See the module. */
export class PartFolder {
  readonly #disk: Disk
  /** Real path. */
  readonly path: string
  /** Part files that were there at first. */
  readonly made: Set<number>

  /** For {@linkcode openPartFolder} only. */
  constructor(disk: Disk, path: string, made: Set<number>) {
    this.#disk = disk
    this.path = path
    this.made = made
  }

  /** Where the part of a file is. */
  spot(file: number): Spot {
    return { root: this.path, names: [String(file)], isPart: true }
  }

  /** Removes the part files, whatever is in them, and the folder if nothing else is there. */
  async remove(): Promise<void> {
    for (const name of await this.#disk.readdir(this.path))
      if (isOurs(name)) await removeFile(this.#disk, join(this.path, name))
    await this.#disk.rmdir(this.path).catch((error: unknown) => {
      if (diskCode(error) !== "ENOTEMPTY" && diskCode(error) !== "ENOENT") throw error
    })
  }
}

/** Name of the record of final names, and of the one that takes its place. */
export const PLACES_NAMES = ["places", "places.new"] as const

function isOurs(name: string): boolean {
  return /^\d{1,6}$/.test(name) || PLACES_NAMES.some((own) => own === name)
}

/**
 * Opens or makes it.
 *
 * @param folder - Real path of where it is to be.
 * @param id - Lower-case letters and digits.
 * @throws {AlliumError} `FILE_CHANGED` when something else stands there; `DISK_FULL`, `DISK_REFUSED`, `DISK_FAILED`.
 */
export async function openPartFolder(disk: Disk, folder: string, id: string): Promise<PartFolder> {
  if (!ID.test(id)) throw new RangeError("A download's id has letters and digits")
  const path = join(folder, `.allium-${id}.part`)
  try {
    if ((await look(disk, path)) === undefined) await make(disk, folder, path)
    if (!(await look(disk, path))?.isDirectory()) throw notOurs()
    const names = (await disk.readdir(path)).filter((name) => /^\d{1,6}$/.test(name))
    return new PartFolder(disk, path, new Set(names.map(Number)))
  } catch (error) {
    throw diskError("open part folder", error)
  }
}

async function make(disk: Disk, folder: string, path: string): Promise<void> {
  await disk.mkdir(path, { mode: PRIVATE })
  await syncFolder(disk, folder)
}

function notOurs(): AlliumError {
  const message = "Cannot open part folder: a link or a file stands there, expected a folder"
  return new AlliumError("FILE_CHANGED", message)
}

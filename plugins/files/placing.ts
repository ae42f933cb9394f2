/**
 * From part file to whole file: under a free name, never over another file, and once, wherever a crash comes.
 *
 * @module
 */
import { join } from "node:path"
import { AlliumError } from "allium/plugin"
import { type Disk, diskCode, look, removeFile, syncFolder } from "./disk/disk.ts"
import { freeName } from "./disk/safe-name.ts"

/** Somebody else took the free name so often: something is wrong. */
const TRIES_MAX = 100
/** What file systems without hard links (FAT, some network ones) answer. */
const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV"])

/** A file to be placed. */
export interface Placing {
  readonly folder: string
  /** The part file; synced. */
  readonly part: string
  /** Safe. */
  readonly name: string
  /** The place chosen in an earlier try. */
  readonly chosen: string | undefined
  /** Keeps the chosen place on disk, before anything is made there. */
  readonly choose: (path: string) => Promise<void>
}

/**
 * Moves the part file to its place.
 *
 * @returns Where the file is now; the part file is gone and both are on disk for good.
 * @throws What the file system says; it can then be tried again.
 */
export async function placeFile(disk: Disk, placing: Placing): Promise<string> {
  if (placing.chosen !== undefined && (await isSame(disk, placing.part, placing.chosen)))
    return settle(disk, placing, placing.chosen)
  for (let time = 0; time < TRIES_MAX; time++) {
    const path = join(placing.folder, freeName(placing.name, await disk.readdir(placing.folder)))
    await placing.choose(path)
    if (await make(disk, placing.part, path)) return settle(disk, placing, path)
  }
  throw new AlliumError("ALREADY_EXISTS", "Cannot place file: every name is taken at once")
}

/** Gives the part file a second name; `false` when that name is taken. */
async function make(disk: Disk, part: string, path: string): Promise<boolean> {
  try {
    await disk.link(part, path)
    return true
  } catch (error) {
    const code = diskCode(error) ?? ""
    if (code === "EEXIST") return false
    if (!NO_LINKS.has(code)) throw error
    return makeWithoutLinks(disk, part, path)
  }
}

/** Reserves the name with an empty file of ours, then moves over it. */
async function makeWithoutLinks(disk: Disk, part: string, path: string): Promise<boolean> {
  try {
    await (await disk.open(path, "wx", 0o600)).close()
  } catch (error) {
    if (diskCode(error) === "EEXIST") return false
    throw error
  }
  await disk.rename(part, path)
  return true
}

async function settle(disk: Disk, { folder, part }: Placing, path: string): Promise<string> {
  await syncFolder(disk, folder)
  await removeFile(disk, part)
  await syncFolder(disk, folder)
  return path
}

async function isSame(disk: Disk, left: string, right: string): Promise<boolean> {
  const [one, other] = await Promise.all([look(disk, left), look(disk, right)])
  return one !== undefined && other !== undefined && one.ino === other.ino && one.dev === other.dev
}

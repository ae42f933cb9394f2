/**
 * Giving a file another name: never over another file, and over file systems too.
 *
 * @module
 */
import { join } from "node:path"
import { AlliumError } from "allium/plugin"
import { type Disk, diskCode, look, removeFile } from "./disk.ts"

/** What file systems without hard links (FAT, some network ones) answer. */
const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"])
const PRIVATE_FILE = 0o600
const PRIVATE_FOLDER = 0o700

/**
 * Gives a file a second name, or moves it there where it cannot have two.
 *
 * @returns False when another file has the name.
 */
export async function moveTo(disk: Disk, from: string, to: string): Promise<boolean> {
  try {
    await disk.link(from, to)
    return true
  } catch (error) {
    const code = diskCode(error) ?? ""
    if (code === "EEXIST") return isSameFile(disk, from, to)
    if (!NO_LINKS.has(code)) throw error
    return moveWithoutLinks(disk, from, to)
  }
}

/** Reserves the name with an empty file of ours, then moves over it. */
async function moveWithoutLinks(disk: Disk, from: string, to: string): Promise<boolean> {
  try {
    await (await disk.open(to, "wx", PRIVATE_FILE)).close()
  } catch (error) {
    if (diskCode(error) === "EEXIST") return false
    throw error
  }
  try {
    await disk.rename(from, to)
    return true
  } catch (error) {
    await removeFile(disk, to)
    throw error
  }
}

/** Whether both names are one file. */
export async function isSameFile(disk: Disk, left: string, right: string): Promise<boolean> {
  const [one, other] = await Promise.all([look(disk, left), look(disk, right)])
  return one !== undefined && other !== undefined && one.ino === other.ino && one.dev === other.dev
}

/**
 * Makes folders inside each other; those that are there stay.
 *
 * @param root - Real path.
 * @param known - Folders that were made or seen before; those of this path are added.
 * @throws {AlliumError} `FILE_CHANGED` when a link or a file stands there.
 */
export async function makeFolders(
  disk: Disk,
  root: string,
  names: readonly string[],
  known: Set<string>,
): Promise<void> {
  for (let depth = 1; depth <= names.length; depth++) {
    const path = join(root, ...names.slice(0, depth))
    if (!known.has(path)) await makeFolder(disk, path)
    known.add(path)
  }
}

async function makeFolder(disk: Disk, path: string): Promise<void> {
  try {
    await disk.mkdir(path, { mode: PRIVATE_FOLDER })
  } catch (error) {
    if (diskCode(error) !== "EEXIST") throw error
    if ((await look(disk, path))?.isDirectory()) return
    const message = "Cannot make folder: a link or a file stands there, expected a folder"
    throw new AlliumError("FILE_CHANGED", message, { cause: error })
  }
}

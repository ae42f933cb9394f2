/**
 * The disk as the files plugin uses it, and what its refusals mean.
 *
 * @module
 */
import * as nodeDisk from "node:fs/promises"
import { AlliumError } from "allium/plugin"

/** Everything the plugin asks of a file system; a parameter, so that tests can fill it, break it and pull its plug. */
export type Disk = Pick<
  typeof nodeDisk,
  "open" | "link" | "rename" | "unlink" | "statfs" | "readdir" | "mkdir" | "lstat" | "realpath"
>

/** The machine's own. */
export const machineDisk: Disk = nodeDisk

/** Left free for everybody else, in bytes. */
const RESERVE_BYTES = 16 * 1024 * 1024
const FULL_CODES = new Set(["ENOSPC", "EDQUOT"])

/** The system's code, such as `ENOENT`, when the file system refused something. */
export function diskCode(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined
  return typeof code === "string" ? code : undefined
}

/** Brings "no space left" into our words; everything else stays as it is. */
export function namedDiskError(error: unknown): unknown {
  if (!FULL_CODES.has(diskCode(error) ?? "")) return error
  return new AlliumError("DISK_FULL", "Cannot write file: the disk is full", { cause: error })
}

/** @throws {AlliumError} `DISK_FULL` when the folder's disk has not `byteCount` bytes to spare. */
export async function requireSpace(disk: Disk, folder: string, byteCount: number): Promise<void> {
  const { bavail, bsize } = await disk.statfs(folder)
  const free = bavail * bsize - RESERVE_BYTES
  if (free >= byteCount) return
  throw new AlliumError(
    "DISK_FULL",
    `Cannot write file: ${Math.max(0, free)} bytes are free, expected ${byteCount}`,
  )
}

/** Makes what happened in a folder last. */
export async function syncFolder(disk: Disk, folder: string): Promise<void> {
  if (process.platform === "win32") return // folders cannot be opened there
  const handle = await disk.open(folder, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Removes a file that may be gone already. */
export async function removeFile(disk: Disk, path: string): Promise<void> {
  try {
    await disk.unlink(path)
  } catch (error) {
    if (diskCode(error) !== "ENOENT") throw error
  }
}

/** What stands at a path, symbolic links not followed; `undefined` for nothing. */
export async function look(disk: Disk, path: string) {
  try {
    return await disk.lstat(path)
  } catch (error) {
    if (diskCode(error) === "ENOENT") return undefined
    throw error
  }
}

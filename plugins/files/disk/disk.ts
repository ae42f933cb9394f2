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
  | "open"
  | "link"
  | "rename"
  | "unlink"
  | "rmdir"
  | "statfs"
  | "readdir"
  | "mkdir"
  | "lstat"
  | "realpath"
>

type ErrorCode = ConstructorParameters<typeof AlliumError>[0]

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

const REFUSED_CODES = new Set(["EACCES", "EPERM", "EROFS"])
const GONE_CODES = new Set(["ENOENT"])
/** A link, a folder, a pipe or a device stands where a file was. */
const CHANGED_CODES = new Set(["ELOOP", "EMLINK", "EISDIR", "ENOTDIR", "ENXIO", "EOF"])

/**
 * Brings what the system says into our words.
 *
 * @param deed - What was tried, such as "read file"; no path stands in it.
 */
export function diskError(deed: string, error: unknown): AlliumError {
  if (error instanceof AlliumError) return error
  const code = (typeof error === "string" ? error : diskCode(error)) ?? ""
  const fault = (name: ErrorCode, found: string) =>
    new AlliumError(name, `Cannot ${deed}: ${found}`, { cause: error })
  if (FULL_CODES.has(code)) return fault("DISK_FULL", "the disk is full")
  if (REFUSED_CODES.has(code)) return fault("DISK_REFUSED", "the system does not allow it")
  if (GONE_CODES.has(code)) return fault("FILE_GONE", "somebody took it away")
  if (CHANGED_CODES.has(code)) return fault("FILE_CHANGED", "somebody put something else there")
  return fault("DISK_FAILED", `the system says ${code || "nothing"}`)
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

/** Whether the folder's disk has `byteCount` bytes to spare. */
export async function hasSpace(disk: Disk, folder: string, byteCount: number): Promise<boolean> {
  const { bavail, bsize } = await disk.statfs(folder)
  return bavail * bsize - RESERVE_BYTES >= byteCount
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

/**
 * Where the bytes of one file are, and opening it: never through a link, never outside its folder.
 *
 * @module
 */
import { constants } from "node:fs"
import type { FileHandle } from "node:fs/promises"
import { dirname, join } from "node:path"
import { AlliumError } from "allium/plugin"
import type { Disk } from "./disk.ts"

/** A file below a folder. */
export interface Spot {
  /** Real path of the folder, without links in it. */
  readonly root: string
  /** From there on; safe names, or as they are on this disk. */
  readonly names: readonly string[]
  /** Ours alone: may be written. */
  readonly isPart: boolean
}

/** The whole path. */
export function pathOf({ root, names }: Spot): string {
  return join(root, ...names)
}

const { O_RDONLY, O_RDWR, O_CREAT } = constants
/** Links are not followed, and a pipe does not keep us waiting. Windows knows neither. */
const SAFELY = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
/** For this user alone. */
const PRIVATE = 0o600

/**
 * Opens a regular file.
 *
 * @param way - `make` makes it when it is missing.
 * @throws {AlliumError} `FILE_CHANGED` when something else stands there; what the system says.
 */
export async function openSpot(
  disk: Disk,
  spot: Spot,
  way: "read" | "write" | "make",
): Promise<FileHandle> {
  const path = pathOf(spot)
  if (way === "make") await requireReal(disk, dirname(path))
  const flags = way === "read" ? O_RDONLY : way === "write" ? O_RDWR : O_RDWR | O_CREAT
  const handle = await disk.open(path, flags | SAFELY, PRIVATE)
  try {
    await requireReal(disk, path)
    await requireSame(disk, handle, path)
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** No part of the path is a link now. */
async function requireReal(disk: Disk, path: string): Promise<void> {
  const real = await disk.realpath(path)
  if (real.normalize() !== path.normalize()) throw somethingElse()
}

/** What is open is the regular file that stands there. */
async function requireSame(disk: Disk, handle: FileHandle, path: string): Promise<void> {
  const [open, there] = await Promise.all([
    handle.stat({ bigint: true }),
    disk.lstat(path, { bigint: true }),
  ])
  if (!open.isFile() || open.ino !== there.ino || open.dev !== there.dev) throw somethingElse()
}

function somethingElse(): AlliumError {
  return new AlliumError(
    "FILE_CHANGED",
    "Cannot open file: a link or something else stands there, expected a regular file",
  )
}

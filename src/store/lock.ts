/**
 * One process at a time: a lock that the system itself gives back when a process dies.
 *
 * Node cannot lock files, LevelDB does. We look at the real database's files before LevelDB may touch
 * them, so the lock is taken on a second, empty database beside it.
 *
 * @module
 */
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { isAlliumError } from "../base/errors.ts"
import { levelDisk } from "./database.ts"

/**
 * @returns How to give the lock back.
 * @throws {AlliumError} `STORE_LOCKED` when another process, or this one, holds it.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const place = join(folder, "lock")
  try {
    return closing(await levelDisk.open(place))
  } catch (error) {
    if (!isAlliumError(error, "STORE_DAMAGED")) throw error
    // The lock was ours before the damage was seen, and nothing is in there.
    await rm(place, { recursive: true })
    return closing(await levelDisk.open(place))
  }
}

function closing(database: { close(): Promise<void> }): () => Promise<void> {
  return () => database.close()
}

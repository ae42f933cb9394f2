/**
 * What all stores of the plugin share: the disk, the hashing threads and the open files.
 *
 * @module
 */
import { type Disk, machineDisk } from "./disk.ts"
import { Hashing } from "./hashing.ts"
import { OpenFiles } from "./open-files.ts"

/** See the module; whoever opened it closes it after all stores. */
export interface DiskRoom extends AsyncDisposable {
  readonly disk: Disk
  readonly hashing: Hashing
  readonly files: OpenFiles
}

/** Threads begin when there is something to hash. */
export function openDiskRoom(
  options: { disk?: Disk; threads?: number; openFiles?: number } = {},
): DiskRoom {
  const hashing = new Hashing(options.threads === undefined ? {} : { threads: options.threads })
  const files = new OpenFiles(options.openFiles)
  return {
    disk: options.disk ?? machineDisk,
    hashing,
    files,
    async [Symbol.asyncDispose]() {
      await hashing[Symbol.asyncDispose]()
      await files[Symbol.asyncDispose]()
    },
  }
}

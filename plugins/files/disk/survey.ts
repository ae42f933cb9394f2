/**
 * What a file or folder of the user's would be as a torrent: its files, in order, and what is left out.
 *
 * Links, pipes, devices and hidden files are left out: a link may lead anywhere, and hidden things are seldom meant.
 * Names become what a receiver would make of them, so that both ends see the same.
 *
 * @module
 */
import { basename, join } from "node:path"
import { AlliumError, safeName } from "allium/plugin"
import { TORRENT_BYTES_MAX, TORRENT_FILES_MAX } from "../torrent/metainfo-files.ts"
import { type Disk, diskError } from "./disk.ts"
import { PATH_DEPTH_MAX, Paths } from "./safe-paths.ts"

/** A file that is there. */
export interface FoundFile {
  /** Real. */
  readonly path: string
  /** Safe names as they go into the torrent, from its folder on. */
  readonly names: readonly string[]
  /** In bytes. */
  readonly size: number
  /** Time of the last change, milliseconds since 1970. */
  readonly modifiedMs: number
}

/** What was found. */
export interface Survey {
  /** Safe. */
  readonly name: string
  readonly isFolder: boolean
  /** Ordered by the bytes of their paths, as other programs do. */
  readonly files: readonly FoundFile[]
  /** How many links, hidden files and the like were left out. */
  readonly leftOut: number
}

interface Listing {
  readonly disk: Disk
  readonly signal: AbortSignal
  readonly found: { readonly path: string; readonly parts: readonly string[] }[]
  leftOut: number
}

/**
 * Looks at a file or folder; a link to one is followed when it is the path itself.
 *
 * @throws {AlliumError} `FILE_GONE`, `DISK_REFUSED`; `BAD_INPUT` for what is neither, and for more than a torrent may hold.
 */
export async function surveyShare(
  disk: Disk,
  path: string,
  { signal }: { signal: AbortSignal },
): Promise<Survey> {
  try {
    const real = await disk.realpath(path)
    const name = safeName(basename(real))
    const found = await disk.lstat(real)
    if (found.isFile())
      return { name, isFolder: false, files: [await measure(disk, real, [name])], leftOut: 0 }
    if (!found.isDirectory()) throw bad("it is no file and no folder")
    const listing: Listing = { disk, signal, found: [], leftOut: 0 }
    await list(listing, real, [])
    return { name, isFolder: true, files: await inOrder(listing), leftOut: listing.leftOut }
  } catch (error) {
    throw diskError("share files", error)
  }
}

async function list(listing: Listing, folder: string, parts: readonly string[]): Promise<void> {
  listing.signal.throwIfAborted()
  for (const entry of await listing.disk.readdir(folder, { withFileTypes: true })) {
    const inside = [...parts, entry.name]
    const path = join(folder, entry.name)
    if (inside.length > PATH_DEPTH_MAX) throw bad(`folders stand more than ${PATH_DEPTH_MAX} deep`)
    if (entry.name.startsWith(".") || !(entry.isFile() || entry.isDirectory())) listing.leftOut++
    else if (entry.isDirectory()) await list(listing, path, inside)
    else if (listing.found.push({ path, parts: inside }) > TORRENT_FILES_MAX)
      throw bad(`it has more than ${TORRENT_FILES_MAX} files`)
  }
}

async function inOrder({ disk, found, signal }: Listing): Promise<FoundFile[]> {
  if (found.length === 0) throw bad("the folder has no files")
  const keyed = found.map((file) => ({ ...file, key: Buffer.from(file.parts.join("/")) }))
  keyed.sort((left, right) => left.key.compare(right.key))
  const paths = new Paths()
  const files: FoundFile[] = []
  let size = 0
  for (const { path, parts } of keyed) {
    signal.throwIfAborted()
    const file = await measure(disk, path, paths.place(parts))
    size += file.size
    if (size > TORRENT_BYTES_MAX) throw bad(`it has more than ${TORRENT_BYTES_MAX} bytes`)
    files.push(file)
  }
  return files
}

async function measure(disk: Disk, path: string, names: readonly string[]): Promise<FoundFile> {
  const { size, mtimeMs } = await disk.lstat(path)
  return { path, names, size, modifiedMs: mtimeMs }
}

/** Whether everything is as it was surveyed. @throws {AlliumError} `FILE_CHANGED`, `FILE_GONE`. */
export async function requireUnchanged(disk: Disk, { files }: Survey): Promise<void> {
  for (const file of files) {
    const now = await measure(disk, file.path, file.names).catch((error) => {
      throw diskError("share files", error)
    })
    if (now.size === file.size && now.modifiedMs === file.modifiedMs) continue
    throw new AlliumError("FILE_CHANGED", "Cannot share files: one was changed meanwhile")
  }
}

function bad(found: string): AlliumError {
  return new AlliumError("BAD_INPUT", `Cannot share files: ${found}`)
}

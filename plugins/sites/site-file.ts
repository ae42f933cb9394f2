/**
 * Opens files below a folder, and nothing else: no link out of it, no dot file, no device.
 *
 * @module
 */
import { constants } from "node:fs"
import { type FileHandle, lstat, open, readdir, realpath } from "node:fs/promises"
import { join, relative, sep } from "node:path"
import { AlliumError } from "allium/plugin"

/** What stands at a path. */
export type Found =
  | { readonly kind: "file"; readonly file: SiteFile }
  | { readonly kind: "folder"; readonly path: string }

/** An open file; whoever has it closes it. */
export interface SiteFile {
  readonly handle: FileHandle
  readonly byteCount: number
  /** When it was changed last, in nanoseconds since 1970. */
  readonly changedNs: bigint
}

/** Where the system has them: links are not followed at the last step, and a pipe does not block. */
const READ_ONLY = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
/** What "nothing there" and "not yours to see" look like; nobody is told which. */
const ABSENT = ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EACCES", "EPERM", "EINVAL", "ENXIO"]

/**
 * Finds what `names` lead to below `root`. Links may be followed within the folder; where they end is
 * checked before opening and again after, by the file's number.
 *
 * @throws {AlliumError} `NOT_FOUND`; `BACKEND_DOWN` when the folder itself is gone; `BUSY` when the system
 * has no more files to open.
 */
export async function findBelow(root: string, names: readonly string[]): Promise<Found> {
  const trueRoot = await realpath(root).catch(() => {
    throw new AlliumError("BACKEND_DOWN", "Cannot open site: its folder is gone")
  })
  try {
    const path = await trueBelow(trueRoot, names)
    if ((await lstat(path)).isDirectory()) return { kind: "folder", path }
    return { kind: "file", file: await openTrue(trueRoot, path) }
  } catch (error) {
    throw asFault(error)
  }
}

async function trueBelow(trueRoot: string, names: readonly string[]): Promise<string> {
  const path = await realpath(join(trueRoot, ...names))
  const inside = relative(trueRoot, path)
  const isOut =
    inside.split(sep).some((name) => name.startsWith(".")) || join(trueRoot, inside) !== path
  if (isOut) throw notFound()
  return path
}

async function openTrue(trueRoot: string, path: string): Promise<SiteFile> {
  const handle = await open(path, READ_ONLY)
  try {
    const opened = await handle.stat({ bigint: true })
    const again = await lstat(await trueBelow(trueRoot, [relative(trueRoot, path)]), {
      bigint: true,
    })
    const isSame = opened.ino === again.ino && opened.dev === again.dev
    if (!opened.isFile() || !isSame) throw notFound()
    return { handle, byteCount: Number(opened.size), changedNs: opened.mtimeNs }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Names in a folder that may be seen, folders with a slash; at most `countMax`, in order. */
export async function listFolder(path: string, countMax: number): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true })
  return entries
    .filter((entry) => !entry.name.startsWith(".") && (entry.isFile() || entry.isDirectory()))
    .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    .sort()
    .slice(0, countMax)
}

function asFault(error: unknown): unknown {
  const { code = "" } = error as NodeJS.ErrnoException
  if (ABSENT.includes(code)) return notFound()
  if (code === "EMFILE" || code === "ENFILE")
    return new AlliumError("BUSY", "Cannot open page: too many files are open", { cause: error })
  return error
}

function notFound(): AlliumError {
  return new AlliumError("NOT_FOUND", "Cannot find page: there is nothing at this address")
}

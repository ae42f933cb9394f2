/**
 * Small files that must be there after a power cut: whole, or as they were before.
 *
 * @module
 */
import { randomBytes } from "node:crypto"
import { type FileHandle, link, open, readFile, rename, rm } from "node:fs/promises"
import { dirname } from "node:path"

/**
 * Puts `bytes` in place of the file at `path`, or makes it: temporary file, fsync, rename, fsync of the folder.
 *
 * @param mode - Permission bits of the new file, such as `0o600`.
 * @throws What the file system says; the old file is then untouched and no temporary file stays.
 */
export function writeFileDurably(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  return placeFile(path, { bytes, mode }, rename)
}

/**
 * Like {@linkcode writeFileDurably}, but never over another file: of several writers one wins.
 *
 * @throws `EEXIST` when there is a file already.
 */
export function createFileDurably(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  return placeFile(path, { bytes, mode }, async (temporary) => {
    await link(temporary, path)
    await rm(temporary)
  })
}

async function placeFile(
  path: string,
  { bytes, mode }: { bytes: Uint8Array; mode: number },
  place: (temporary: string, path: string) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`
  try {
    await withFile(temporary, "wx", mode, async (file) => {
      await file.chmod(mode) // the umask may have taken bits away
      await file.writeFile(bytes)
      await file.sync()
    })
    await place(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncFolder(dirname(path))
}

/** Makes renames and removals in a folder last; where folders cannot be opened (Windows) it does nothing. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return
  await withFile(folder, "r", 0, (file) => file.sync())
}

/** Whole file as bytes of the caller's own, or `undefined` when there is none. */
export async function readFileIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

async function withFile(
  path: string,
  flags: string,
  mode: number,
  use: (file: FileHandle) => Promise<unknown>,
): Promise<void> {
  const file = await open(path, flags, mode)
  try {
    await use(file)
  } finally {
    await file.close()
  }
}

/**
 * Files with keys in them: nobody else may read them.
 *
 * @module
 */
import { open } from "node:fs/promises"
import { AlliumError } from "../base/errors.ts"

/** A key file is small; more than 64 KiB is something else. */
const BYTES_MAX = 65_536
const OTHERS = 0o077

/**
 * @param what - Names the file in errors.
 * @returns The whole file, or `undefined` when there is none.
 * @throws {AlliumError} `KEY_FILE_EXPOSED` when group or others have any right to it, `KEY_FILE_DAMAGED` when it is
 * no file or far too large.
 */
export async function readKeyFile(path: string, what: string): Promise<Uint8Array | undefined> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined
    throw error
  })
  if (file === undefined) return undefined
  try {
    const stats = await file.stat()
    const { mode, size } = stats
    // Windows has no such bits; there the folder's rights count.
    if (process.platform !== "win32" && (mode & OTHERS) !== 0) throw exposed(what, mode)
    if (!stats.isFile() || size > BYTES_MAX)
      throw new AlliumError("KEY_FILE_DAMAGED", `Cannot read ${what}: it is no small file`)
    return new Uint8Array(await file.readFile())
  } finally {
    await file.close()
  }
}

function exposed(what: string, mode: number): AlliumError {
  const found = (mode & 0o777).toString(8).padStart(4, "0")
  return new AlliumError(
    "KEY_FILE_EXPOSED",
    `Cannot read ${what}: its mode is ${found}, expected 0600`,
  )
}

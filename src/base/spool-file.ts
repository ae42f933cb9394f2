/**
 * A ring of bytes on disk, for what memory cannot hold: first in, first out, encrypted with a key that
 * exists in memory only.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import { open, rm } from "node:fs/promises"
import { join } from "node:path"

const CIPHER = "aes-256-ctr"
const CIPHER_KEY_BYTES = 32
const CIPHER_COUNTER_BYTES = 16

/** Bytes in order; one writer and one reader may work at the same time. */
export interface SpoolFile extends AsyncDisposable {
  /** How many bytes wait to be read. */
  readonly byteCount: number
  /** Adds all of `bytes`; the caller sees to it that they fit. */
  write(bytes: Uint8Array): Promise<void>
  /** Takes up to `byteCountMax` of the oldest bytes; fewer when fewer wait. The caller owns them. */
  read(byteCountMax: number): Promise<Buffer>
}

/**
 * Makes an empty ring in `folder`. Where the system allows it, the file has no name from the start, so
 * a crash leaves nothing behind; closing removes it everywhere.
 *
 * @param bytesMax - Size of the ring; the file grows up to it as needed.
 */
export async function openSpoolFile(folder: string, bytesMax: number): Promise<SpoolFile> {
  const path = join(folder, `spool-${randomBytes(8).toString("hex")}`)
  const handle = await open(path, "wx+", 0o600)
  await rm(path, { force: true }).catch(() => {}) // some systems keep the name of an open file
  const key = randomBytes(CIPHER_KEY_BYTES)
  const counter = randomBytes(CIPHER_COUNTER_BYTES)
  const cipher = createCipheriv(CIPHER, key, counter)
  const decipher = createDecipheriv(CIPHER, key, counter)
  let writeAt = 0
  let readAt = 0
  let byteCount = 0

  return {
    get byteCount() {
      return byteCount
    },
    async write(bytes) {
      const sealed = cipher.update(bytes)
      for (let done = 0; done < sealed.length; ) {
        const room = Math.min(sealed.length - done, bytesMax - writeAt)
        const { bytesWritten } = await handle.write(sealed, done, room, writeAt)
        done += bytesWritten
        writeAt = (writeAt + bytesWritten) % bytesMax
      }
      byteCount += sealed.length
    },
    async read(byteCountMax) {
      const want = Math.min(byteCountMax, byteCount, bytesMax - readAt)
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(want), 0, want, readAt)
      if (bytesRead === 0 && want > 0) throw new Error("Cannot read spool file: it was cut short")
      readAt = (readAt + bytesRead) % bytesMax
      byteCount -= bytesRead
      return decipher.update(buffer.subarray(0, bytesRead))
    },
    async [Symbol.asyncDispose]() {
      await handle.close()
      await rm(path, { force: true })
    },
  }
}

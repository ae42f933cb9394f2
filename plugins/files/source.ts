/**
 * The file we send: hashed once, then read piece by piece, and never past a change.
 *
 * @module
 */
import { createHash } from "node:crypto"
import { constants } from "node:fs"
import type { FileHandle } from "node:fs/promises"
import { AlliumError } from "allium/plugin"
import { type Disk, diskCode } from "./disk/disk.ts"
import { BLOCK_HASHES, CHUNK_BYTES } from "./wire.ts"

/** Read and hashed in one go: 0.3 ms of this thread, so that nobody else waits. */
const PIECE_BYTES = 262_144

/** A file that is open for reading; the caller closes it. */
export class Source implements AsyncDisposable {
  readonly size: number
  /** Time of the last change, nanoseconds since 1970. */
  readonly modified: string
  readonly #file: FileHandle

  /** For {@linkcode openSource} only. */
  constructor(file: FileHandle, size: number, modified: string) {
    this.#file = file
    this.size = size
    this.modified = modified
  }

  /**
   * Fills `buffer` from `offset` on.
   * @throws {AlliumError} `FILE_CHANGED` when the file ends before.
   */
  async read(buffer: Uint8Array, offset: number): Promise<void> {
    for (let filled = 0; filled < buffer.length; ) {
      const length = buffer.length - filled
      const { bytesRead } = await this.#file.read(buffer, filled, length, offset + filled)
      if (bytesRead === 0) throw changed()
      filled += bytesRead
    }
  }

  /** @throws {AlliumError} `FILE_CHANGED` when it is no longer as it was when it was opened. */
  async requireUnchanged(): Promise<void> {
    const { size, modified } = await look(this.#file)
    if (size !== this.size || modified !== this.modified) throw changed()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file.close()
  }
}

/**
 * Opens a regular file.
 *
 * @param expected - How it was when it was hashed.
 * @throws {AlliumError} `FILE_GONE`, `FILE_CHANGED`, `BAD_INPUT` for a folder, pipe or device.
 */
export async function openSource(
  disk: Disk,
  path: string,
  expected?: { size: number; modified: string | undefined },
): Promise<Source> {
  const file = await openRegular(disk, path)
  try {
    const { size, modified } = await look(file)
    if (expected && (expected.size !== size || expected.modified !== modified)) throw changed()
    return new Source(file, size, modified)
  } catch (error) {
    await file.close()
    throw error
  }
}

/** What {@linkcode hashSource} found out. */
export interface Digest {
  readonly sha256: Uint8Array
  readonly root: Uint8Array
}

/**
 * Hashes a file: the whole, each chunk, and all chunk hashes.
 *
 * @param keep - Is given each block of chunk hashes; bytes of its own.
 * @param moved - Told how many bytes are done.
 * @throws {AlliumError} `FILE_CHANGED`; the signal's reason.
 */
export async function hashSource(
  source: Source,
  tell: {
    signal: AbortSignal
    keep: (block: number, hashes: Uint8Array) => Promise<void>
    moved: (byteCount: number, done: number) => void
  },
): Promise<Digest> {
  const whole = createHash("sha256")
  const root = createHash("sha256")
  let hashes: Uint8Array[] = []
  let block = 0
  const flush = async () => {
    const bytes = new Uint8Array(Buffer.concat(hashes))
    root.update(bytes)
    await tell.keep(block++, bytes)
    hashes = []
  }
  for (let start = 0; start < source.size; start += CHUNK_BYTES) {
    const end = Math.min(start + CHUNK_BYTES, source.size)
    hashes.push(
      await hashRange(source, start, end, (piece, done) => {
        tell.signal.throwIfAborted()
        whole.update(piece)
        tell.moved(piece.length, done)
      }),
    )
    if (hashes.length === BLOCK_HASHES) await flush()
  }
  if (hashes.length > 0) await flush()
  await source.requireUnchanged()
  return { sha256: new Uint8Array(whole.digest()), root: new Uint8Array(root.digest()) }
}

/** SHA-256 of the bytes from `start` to `end`, in pieces that leave the event loop free. */
export async function hashRange(
  source: { read(buffer: Uint8Array, offset: number): Promise<void> },
  start: number,
  end: number,
  each: (piece: Uint8Array, done: number) => void,
): Promise<Uint8Array> {
  const hash = createHash("sha256")
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, end - start))
  for (let at = start; at < end; at += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, end - at))
    await source.read(piece, at)
    hash.update(piece)
    each(piece, at + piece.length)
  }
  return new Uint8Array(hash.digest())
}

async function openRegular(disk: Disk, path: string): Promise<FileHandle> {
  const file = await openToRead(disk, path)
  const stats = await file.stat()
  if (stats.isFile()) return file
  await file.close()
  const found = stats.isDirectory() ? "a folder" : "a device or pipe"
  throw new AlliumError("BAD_INPUT", `Cannot send file: it is ${found}, expected a file`)
}

async function openToRead(disk: Disk, path: string): Promise<FileHandle> {
  try {
    return await disk.open(path, constants.O_RDONLY | constants.O_NONBLOCK) // a pipe would block for ever
  } catch (error) {
    const found = WHY_GONE[diskCode(error) ?? ""]
    if (found === undefined) throw error
    throw new AlliumError("FILE_GONE", `Cannot read file: ${found}`, { cause: error })
  }
}

const WHY_GONE: Readonly<Record<string, string>> = {
  ENOENT: "it is not there",
  ENOTDIR: "it is not there",
  EACCES: "this program may not read it",
  EPERM: "this program may not read it",
}

async function look(file: FileHandle): Promise<{ size: number; modified: string }> {
  const { size, mtimeNs } = await file.stat({ bigint: true })
  return { size: Number(size), modified: String(mtimeNs) }
}

function changed(): AlliumError {
  return new AlliumError("FILE_CHANGED", "Cannot read file: it was changed while it was being sent")
}

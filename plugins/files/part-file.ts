/**
 * The part file: where a file grows until it is whole. Private, beside its final place, never followed through a link.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto"
import { constants } from "node:fs"
import type { FileHandle } from "node:fs/promises"
import { dirname, join } from "node:path"
import { AlliumError } from "allium/plugin"
import { type Disk, look, namedDiskError, syncFolder } from "./disk/disk.ts"
import { hashRange } from "./source.ts"
import { CHUNK_BYTES, countChunks } from "./wire.ts"

/** Where the part file of a transfer is; no received name can be like it, for they never begin with a dot. */
export function partPath(folder: string, id: string): string {
  return join(folder, `.allium-${id}.part`)
}

/** Looks up the hash a chunk must have. */
export type HashOf = (chunk: number) => Promise<Uint8Array>

/** Opens the part file, or makes it. @throws {AlliumError} `DISK_FULL`; what the system says. */
export async function openPartFile(disk: Disk, path: string, size: number): Promise<PartFile> {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants
  try {
    const isNew = (await look(disk, path)) === undefined
    const file = await disk.open(path, O_RDWR | O_CREAT | (O_NOFOLLOW ?? 0), 0o600)
    if (isNew) await syncFolder(disk, dirname(path))
    return new PartFile(file, size)
  } catch (error) {
    throw namedDiskError(error)
  }
}

/** See the module. */
export class PartFile implements AsyncDisposable {
  readonly #file: FileHandle
  readonly #size: number

  /** For {@linkcode openPartFile} only. */
  constructor(file: FileHandle, size: number) {
    this.#file = file
    this.#size = size
  }

  /** Writes all of `bytes` at `offset`. @throws {AlliumError} `DISK_FULL`. */
  async write(bytes: Uint8Array, offset: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        const rest = bytes.length - done
        done += (await this.#file.write(bytes, done, rest, offset + done)).bytesWritten
      }
    } catch (error) {
      throw namedDiskError(error)
    }
  }

  /** What was written is on disk for good. @throws {AlliumError} `DISK_FULL`. */
  async sync(): Promise<void> {
    try {
      await this.#file.datasync()
    } catch (error) {
      throw namedDiskError(error)
    }
  }

  /** @throws {AlliumError} `FILE_CHANGED` when the file ends before. */
  async read(buffer: Uint8Array, offset: number): Promise<void> {
    for (let filled = 0; filled < buffer.length; ) {
      const length = buffer.length - filled
      const { bytesRead } = await this.#file.read(buffer, filled, length, offset + filled)
      if (bytesRead === 0)
        throw new AlliumError("FILE_CHANGED", "Cannot read part file: somebody cut it short")
      filled += bytesRead
    }
  }

  /**
   * What of the file is here. Bytes below `received` were synced and are believed, except those of a chunk that is
   * not complete; chunks beyond are read and compared.
   *
   * @returns One byte a chunk, 1 when it is here; how many bytes of the first missing chunk are here; and their hash.
   */
  async survey(
    received: number,
    hashOf: HashOf,
  ): Promise<{ have: Uint8Array; begin: number; hash: Hash }> {
    const have = new Uint8Array(countChunks(this.#size))
    const length = Math.min((await this.#file.stat()).size, this.#size)
    const sure = length < received ? 0 : received
    const whole = sure === this.#size ? have.length : Math.floor(sure / CHUNK_BYTES)
    have.fill(1, 0, whole)
    for (let chunk = whole; chunk * CHUNK_BYTES < length; chunk++)
      if (await this.#isGood(chunk, length, hashOf)) have[chunk] = 1
    const begin = have[whole] === 0 ? sure - whole * CHUNK_BYTES : 0
    return { have, begin, hash: await this.#begin(whole * CHUNK_BYTES, begin) }
  }

  /** SHA-256 of the whole file, and the first chunk whose hash is not right. */
  async verify(
    hashOf: HashOf,
    moved: (byteCount: number, done: number) => void,
  ): Promise<{ sha256: Uint8Array; badChunk: number | undefined }> {
    const whole = createHash("sha256")
    for (let chunk = 0; chunk < countChunks(this.#size); chunk++) {
      const [start, end] = this.#bounds(chunk)
      const hash = await hashRange(this, start, end, (piece, done) => {
        whole.update(piece)
        moved(piece.length, done)
      })
      if (!equal(hash, await hashOf(chunk))) return { sha256: new Uint8Array(), badChunk: chunk }
    }
    return { sha256: new Uint8Array(whole.digest()), badChunk: undefined }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file.close()
  }

  async #isGood(chunk: number, length: number, hashOf: HashOf): Promise<boolean> {
    const [start, end] = this.#bounds(chunk)
    if (end > length) return false
    return equal(await hashRange(this, start, end, () => {}), await hashOf(chunk))
  }

  async #begin(start: number, byteCount: number): Promise<Hash> {
    const hash = createHash("sha256")
    const buffer = new Uint8Array(byteCount)
    await this.read(buffer, start)
    return hash.update(buffer)
  }

  #bounds(chunk: number): [start: number, end: number] {
    return [chunk * CHUNK_BYTES, Math.min((chunk + 1) * CHUNK_BYTES, this.#size)]
  }
}

/** Same bytes. */
export function equal(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0
}

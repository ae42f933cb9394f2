/**
 * A pipe that always takes and gives when asked: for a source that must never wait.
 *
 * A SAM bridge drops what it still queues when the other end closes while nobody reads, and does not
 * say so. So a SAM stream is drained at once: into memory, then into a file, and from there to whoever
 * reads slowly.
 *
 * @module
 */
import { Duplex } from "node:stream"
import { AlliumError } from "./errors.ts"
import { openSpoolFile, type SpoolFile } from "./spool-file.ts"

/** What one connection keeps in memory before the file begins, in bytes. */
export const SPOOL_MEMORY_BYTES = 256 * 1024
/** What is read back from the file at once, in bytes. */
const SPOOL_READ_BYTES = 64 * 1024

/** Where spools of one owner live, and how much disk they may use together. */
export class SpoolPlace {
  /** An existing folder, private to the owner. */
  readonly folder: string
  /** Bound of all spool files of this place together, in bytes. */
  readonly bytesMax: number
  #bytesUsed = 0

  constructor(folder: string, bytesMax: number) {
    this.folder = folder
    this.bytesMax = bytesMax
  }

  /** Bytes that wait on disk now. */
  get bytesUsed(): number {
    return this.#bytesUsed
  }

  /** Reserves room; `false`, and nothing reserved, when there is not enough. */
  take(byteCount: number): boolean {
    if (this.#bytesUsed + byteCount > this.bytesMax) return false
    this.#bytesUsed += byteCount
    return true
  }

  /** Gives room back. */
  give(byteCount: number): void {
    this.#bytesUsed -= byteCount
  }
}

/**
 * A {@linkcode SpoolPlace}-backed pipe. Order is kept; the readable side has the usual back-pressure, the
 * writable side waits for the disk at most. Fails with `SPOOL_FULL` when the place is full.
 */
export class Spool extends Duplex {
  readonly #place: SpoolPlace
  readonly #memoryBytesMax: number
  readonly #memory: Buffer[] = []
  #memoryBytes = 0
  #file: SpoolFile | undefined
  #fileBytes = 0
  #wanted = false
  #ended = false
  #moving = false

  constructor(place: SpoolPlace, options: { memoryBytesMax?: number } = {}) {
    super()
    this.#place = place
    this.#memoryBytesMax = options.memoryBytesMax ?? SPOOL_MEMORY_BYTES
  }

  /** Bytes taken and not yet given. */
  get waitingBytes(): number {
    return this.#memoryBytes + this.#fileBytes + this.readableLength
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    if (this.#fileBytes > 0 || this.#memoryBytes + chunk.length > this.#memoryBytesMax) {
      this.#spill(chunk).then(() => done(), done)
      return
    }
    this.#memory.push(chunk)
    this.#memoryBytes += chunk.length
    done()
    this.#serve()
  }

  override _final(done: () => void): void {
    this.#ended = true
    done()
    this.#serve()
  }

  override _read(): void {
    this.#wanted = true
    this.#serve()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#place.give(this.#fileBytes)
    this.#fileBytes = 0
    this.#memory.length = 0
    this.#memoryBytes = 0
    const file = this.#file
    this.#file = undefined
    if (file === undefined) done(error)
    else file[Symbol.asyncDispose]().then(() => done(error), done)
  }

  /** Bytes count as "in the file" from the moment they are meant for it, so that none overtakes them. */
  async #spill(chunk: Buffer): Promise<void> {
    if (!this.#place.take(chunk.length)) throw spoolFull(this.#place)
    this.#fileBytes += chunk.length
    this.#file ??= await openSpoolFile(this.#place.folder, this.#place.bytesMax)
    await this.#file.write(chunk)
    this.#serve()
  }

  #serve(): void {
    while (this.#wanted && this.#memory.length > 0) {
      const chunk = this.#memory.shift()!
      this.#memoryBytes -= chunk.length
      this.#wanted = this.push(chunk)
    }
    if (!this.#wanted || this.#moving) return
    if ((this.#file?.byteCount ?? 0) > 0) void this.#moveBack(this.#file!)
    else if (this.#ended && this.#fileBytes === 0) this.push(null)
  }

  /** From the file to the reader. */
  async #moveBack(file: SpoolFile): Promise<void> {
    this.#moving = true
    try {
      const bytes = await file.read(SPOOL_READ_BYTES)
      if (this.destroyed) return
      this.#place.give(bytes.length)
      this.#fileBytes -= bytes.length
      this.#moving = false
      this.#wanted = this.push(bytes)
      this.#serve()
    } catch (error) {
      this.destroy(error as Error)
    }
  }
}

function spoolFull(place: SpoolPlace): AlliumError {
  const mib = Math.floor(place.bytesMax / 2 ** 20)
  const message = `Cannot keep the answer: more than ${mib} MiB wait for a slow reader, expected less`
  return new AlliumError("SPOOL_FULL", message)
}
